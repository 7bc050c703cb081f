//! The register's CSV form.
//!
//! ```csv
//! document,person,birth_date,document_expires,status,region,flags
//! AZE20000000,1000,1985-03-12,2037-05-01,valid,Baku,
//! AA1000001,1,1985-03-12,,lost,Baku,infected:2021-01-04|blocked:3
//! ```
//!
//! UTF-8, one line for each document, no quotes: no column needs them, and an unclosed one would swallow the lines after it.
//! A file is taken as a whole or not at all, unless its rejected lines are accepted.

use std::io::{self, Chain, Read};
use std::ops::ControlFlow;

use csv::{ByteRecord, ReaderBuilder, Terminator};
use jiff::civil::Date;

use super::builder::{Builder, Conflict, Flags, Row, RowStatus};
use super::date::YEARS;

/// The first line of a register in CSV.
pub const COLUMNS: [&str; 7] =
    ["document", "person", "birth_date", "document_expires", "status", "region", "flags"];
/// Bytes in a line.
const LINE_MAX: usize = 4096;
/// Bytes in the name of a region.
const REGION_MAX: usize = 64;

/// Why nothing came of a CSV file.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// It could not be read, or has a line of more than 4096 bytes.
    #[error("reading it: {0}")]
    Read(#[from] io::Error),
    /// The first line does not name the columns.
    #[error("line 1 is not `{}`", COLUMNS.join(","))]
    Header,
    /// Lines were rejected, and that was not accepted.
    #[error("{count} lines rejected, the first is {first}")]
    Rejected {
        /// How many.
        count: u64,
        /// The first of them.
        first: Reject,
    },
}

/// A line that was rejected. Names its place and the reason, and nothing personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Reject {
    /// From 1, the line of the columns' names.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line; begins with the column's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Too few or too many columns.
    #[error("not seven columns")]
    Columns,
    /// Bytes that are not UTF-8.
    #[error("{0}: not UTF-8")]
    Encoding(&'static str),
    /// Not the canonical form of a serial.
    #[error("document: not one to three letters A-Z and five to nine digits, without anything between")]
    Document,
    /// Not a number of 32 bits.
    #[error("person: not a number from 0 to 4294967295")]
    Person,
    /// No date, or an unlikely one.
    #[error("{0}: not a date YYYY-MM-DD of the years 1900 to 2199")]
    Date(&'static str),
    /// An unknown status.
    #[error("status: not valid, lost, revoked or deceased")]
    Status,
    /// No name of a region.
    #[error("region: not 1 to 64 bytes of text without quotes, control characters and spaces around it")]
    Region,
    /// An unknown flag, or one flag twice.
    #[error("flags: not infected:DATE, arrival:DATE, exempt or blocked:0-9, each once, separated by |")]
    Flag,
    /// The line contradicts an earlier one.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// Reads a register's CSV form into `builder`. `report` hears of every line that is rejected, in order;
/// with `accept_rejects` the other lines make the register all the same. A line with a serial that is
/// reserved for examples is left out and reported, and nothing else fails for it: the real country
/// gave some of them to somebody.
///
/// # Errors
/// If the input cannot be read, lacks the columns' names, has a line of more than 4096 bytes, or has rejected lines
/// that are not accepted.
pub fn import(
    input: impl Read,
    mut builder: Builder,
    accept_rejects: bool,
    mut report: impl FnMut(Reject),
) -> Result<Builder, CsvError> {
    let mut lines = Lines::new(input);
    if lines.read()? != Some(1) || columns(&lines.record) != Ok(COLUMNS) {
        return Err(CsvError::Header);
    }
    let (mut first, mut count) = (None, 0);
    while let Some(line) = lines.read()? {
        let added = parse(&lines.record).and_then(|row| Ok(builder.add(line, &row)?));
        if let Err(problem) = added {
            let reject = Reject { line, problem };
            report(reject);
            if problem != Problem::Conflict(Conflict::Reserved) {
                first.get_or_insert(reject);
                count += 1;
            }
        }
    }
    match first {
        Some(first) if !accept_rejects => Err(CsvError::Rejected { count, first }),
        _ => Ok(builder),
    }
}

/// The lines that are not empty.
struct Lines<R> {
    reader: csv::Reader<Chain<ShortLines<R>, &'static [u8]>>,
    record: ByteRecord,
}

impl<R: Read> Lines<R> {
    fn new(input: R) -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .quoting(false)
            // The crate's own reading of CRLF miscounts lines.
            .terminator(Terminator::Any(b'\n'))
            // Every line ends: a line's number is the reader's, which is past it, less one.
            .from_reader(ShortLines { input, line_bytes: 0 }.chain(&b"\n"[..]));
        Self { reader, record: ByteRecord::new() }
    }

    /// Reads the next line into `record` and returns its number.
    fn read(&mut self) -> io::Result<Option<u64>> {
        while self.reader.read_byte_record(&mut self.record)? {
            if self.record != [b"\r"][..] {
                return Ok(Some(self.reader.position().line() - 1));
            }
        }
        Ok(None)
    }
}

fn columns(record: &ByteRecord) -> Result<[&str; COLUMNS.len()], Problem> {
    if record.len() != COLUMNS.len() {
        return Err(Problem::Columns);
    }
    let mut columns = [""; COLUMNS.len()];
    for ((column, bytes), name) in columns.iter_mut().zip(record).zip(COLUMNS) {
        *column = str::from_utf8(bytes).map_err(|_| Problem::Encoding(name))?;
    }
    let [.., last] = &mut columns;
    *last = last.strip_suffix('\r').unwrap_or(last);
    Ok(columns)
}

fn parse(record: &ByteRecord) -> Result<Row<'_>, Problem> {
    let [document, person, birth_date, document_expires, status, region, flags] = columns(record)?;
    Ok(Row {
        document: document.parse().map_err(|_| Problem::Document)?,
        person: number(person).ok_or(Problem::Person)?,
        birth_date: date(birth_date).ok_or(Problem::Date("birth_date"))?,
        document_expires: match document_expires {
            "" => None,
            text => Some(date(text).ok_or(Problem::Date("document_expires"))?),
        },
        status: RowStatus::from_name(status).ok_or(Problem::Status)?,
        region: Some(region).filter(|name| is_region(name)).ok_or(Problem::Region)?,
        flags: Flags::from_text(flags).ok_or(Problem::Flag)?,
    })
}

/// A number in digits only: `str::parse` would take a sign as well.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Exactly `YYYY-MM-DD`: the parser of jiff takes more forms than an extract should have.
fn date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if [year.len(), month.len(), day.len()] != [4, 2, 2] {
        return None;
    }
    let [year, month, day] =
        [year, month, day].map(|part| number(part).and_then(|part| i16::try_from(part).ok()));
    let date = Date::new(year?, i8::try_from(month?).ok()?, i8::try_from(day?).ok()?).ok()?;
    YEARS.contains(&date.year()).then_some(date)
}

fn is_region(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= REGION_MAX
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || c == '"')
}

impl RowStatus {
    const NAMES: [(Self, &str); 4] = [
        (Self::Valid, "valid"),
        (Self::Lost, "lost"),
        (Self::Revoked, "revoked"),
        (Self::Deceased, "deceased"),
    ];

    fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|&(status, _)| status)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(status, _)| *status == self).map_or("", |&(_, name)| name)
    }
}

impl Flags {
    fn from_text(text: &str) -> Option<Self> {
        let mut flags = Self::default();
        let added = text.split('|').filter(|_| !text.is_empty()).try_for_each(|flag| flags.add(flag));
        added.map(|()| flags)
    }

    /// One flag more; none if it is unknown or not the first of its kind.
    fn add(&mut self, flag: &str) -> Option<()> {
        match flag.split_once(':').unwrap_or((flag, "")) {
            ("exempt", "") if flag == "exempt" && !self.exempt => self.exempt = true,
            ("infected", until) if self.infected_until.is_none() => self.infected_until = Some(date(until)?),
            ("arrival", until) if self.arrival_until.is_none() => self.arrival_until = Some(date(until)?),
            ("blocked", purpose) if purpose.len() == 1 => {
                let bit = 1 << number(purpose)?;
                if self.blocked & bit != 0 {
                    return None;
                }
                self.blocked |= bit;
            }
            _ => return None,
        }
        Some(())
    }

    fn to_text(self) -> String {
        let mut flags = Vec::new();
        flags.extend(self.infected_until.map(|until| format!("infected:{until}")));
        flags.extend(self.arrival_until.map(|until| format!("arrival:{until}")));
        flags.extend(self.exempt.then(|| "exempt".to_owned()));
        let blocked = (0..10).filter(|purpose| self.blocked >> purpose & 1 == 1);
        flags.extend(blocked.map(|purpose| format!("blocked:{purpose}")));
        flags.join("|")
    }
}

/// Writes rows in the register's CSV form.
///
/// # Errors
/// As `output` has them.
pub fn export<'a>(output: impl io::Write, rows: impl IntoIterator<Item = Row<'a>>) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(COLUMNS)?;
    for row in rows {
        let expires = row.document_expires.map(|date| date.to_string());
        writer.write_record([
            row.document.to_string().as_str(),
            &row.person.to_string(),
            &row.birth_date.to_string(),
            &expires.unwrap_or_default(),
            row.status.name(),
            row.region,
            &row.flags.to_text(),
        ])?;
    }
    writer.flush()
}

/// Fails at a line that is too long, which no parser should have to hold.
struct ShortLines<R> {
    input: R,
    line_bytes: usize,
}

impl<R: Read> Read for ShortLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        let checked = read.split_inclusive(|&byte| byte == b'\n').try_for_each(|piece| {
            self.line_bytes += piece.len();
            if self.line_bytes > LINE_MAX {
                return ControlFlow::Break(());
            }
            if piece.ends_with(b"\n") {
                self.line_bytes = 0;
            }
            ControlFlow::Continue(())
        });
        match checked {
            ControlFlow::Continue(()) => Ok(count),
            ControlFlow::Break(()) => {
                let message = format!("a line of more than {LINE_MAX} bytes: this is no register in CSV");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
        }
    }
}
