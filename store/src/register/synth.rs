//! Synthetic residents, for the demo and for load: the same for the same seed, everywhere.

use std::io;

use jiff::civil::Date;

use super::builder::{Flags, Row, RowStatus};
use super::csv::export;
use crate::Document;

/// Where synthetic adults have their documents, in this order: series, first number, how many. None is a known document's.
const NUMBERS: [(&str, u32, u32); 4] = [
    ("AZE", 20_000_000, 80_000_000),
    ("AZE", 0, 10_000_000),
    ("AZE", 13_000_000, 7_000_000),
    ("AA", 2_000_000, 8_000_000),
];
/// The lifelong number of the first synthetic adult.
const FIRST_PERSON: u32 = 1000;
/// As many synthetic adults there are numbers for: 105 million.
pub const COUNT_MAX: u32 = NUMBERS[0].2 + NUMBERS[1].2 + NUMBERS[2].2 + NUMBERS[3].2;

/// The known documents, whatever the seed, and `count` (at most [`COUNT_MAX`]) adults in Baku with one valid
/// document each: the first 80 million from `AZE20000000` on, the others from `AZE00000000`, `AZE13000000` and `AA2000000` on. The adults are of age in 2020 and not 65 before 2037.
pub fn rows(count: u32, seed: u64) -> impl Iterator<Item = Row<'static>> {
    let mut random = SplitMix64(seed);
    let adults = (0..count.min(COUNT_MAX)).filter_map(move |index| {
        let birth_date = random.date(1972, 30)?;
        let document_expires = Some(random.date(2035, 10)?);
        let document = adults_document(index)?;
        let person = FIRST_PERSON + index;
        Some(Row { document, person, birth_date, document_expires, ..KNOWN })
    });
    known().chain(adults)
}

/// Writes [`rows`] as CSV.
///
/// # Errors
/// As `output` has them.
pub fn write_csv(output: impl io::Write, count: u32, seed: u64) -> io::Result<()> {
    export(output, rows(count, seed))
}

const KNOWN: Row<'static> = Row {
    document: Document::EXAMPLE,
    person: 0,
    birth_date: Date::constant(1985, 3, 12),
    document_expires: Some(Date::constant(2039, 12, 31)),
    status: RowStatus::Valid,
    region: "Baku",
    flags: Flags { infected_until: None, arrival_until: None, exempt: false, blocked: 0 },
};

/// The documents that the demo, scripts and tests rely on.
fn known() -> impl Iterator<Item = Row<'static>> {
    let infected = Flags { infected_until: Some(Date::constant(2099, 12, 31)), ..KNOWN.flags };
    let rows = [
        ("AZE", "10000001", Row { person: 1, ..KNOWN }),
        ("AA", "1000001", Row { person: 1, document_expires: Some(Date::constant(2035, 12, 31)), ..KNOWN }),
        ("AZE", "10000002", Row { person: 2, birth_date: Date::constant(1990, 7, 1), ..KNOWN }),
        // Seventy when the regimes of 2020 were in force, and in their seventies until 2030.
        ("AZE", "10000003", Row { person: 3, birth_date: Date::constant(1950, 6, 15), ..KNOWN }),
        ("AZE", "10000004", Row { person: 4, document_expires: Some(Date::constant(2019, 12, 31)), ..KNOWN }),
        ("AZE", "10000005", Row { person: 5, status: RowStatus::Lost, ..KNOWN }),
        ("AZE", "10000006", Row { person: 6, status: RowStatus::Deceased, ..KNOWN }),
        ("AZE", "10000007", Row { person: 7, flags: infected, ..KNOWN }),
        ("AZE", "10000008", Row { person: 8, region: "Lerik", ..KNOWN }),
        ("MYI", "1000001", Row { person: 9, ..KNOWN }),
        ("DYI", "1000001", Row { person: 10, ..KNOWN }),
        ("MOM", "1000001", Row { person: 11, ..KNOWN }),
    ];
    rows.into_iter()
        .filter_map(|(series, number, row)| Some(Row { document: document(series, number)?, ..row }))
}

/// The document of an adult by their place among the adults.
fn adults_document(mut index: u32) -> Option<Document> {
    for (series, first, count) in NUMBERS {
        if index < count {
            let digits = if series == "AA" { 7 } else { 8 };
            return document(series, &format!("{:0digits$}", first + index));
        }
        index -= count;
    }
    None
}

fn document(series: &str, digits: &str) -> Option<Document> {
    Document::new(series, digits).ok()
}

/// Steele, Lea and Flood's generator: the rows of a seed must stay the same, and no library promises that.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `bound`, close enough to evenly spread.
    fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }

    /// A date in the `years` from the first of them.
    fn date(&mut self, first: i16, years: u64) -> Option<Date> {
        let year = first + i16::try_from(self.below(years)).ok()?;
        let month = 1 + i8::try_from(self.below(12)).ok()?;
        let day = 1 + i8::try_from(self.below(28)).ok()?;
        Date::new(year, month, day).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adults_have_documents_of_their_own_beside_the_known_ones() {
        let edges = NUMBERS.iter().scan(0, |end, (_, _, count)| {
            let first = *end;
            *end += count;
            Some([first, *end - 1])
        });
        let edges: Vec<String> =
            edges.flatten().map(|index| adults_document(index).unwrap().to_string()).collect();
        let expected = [
            "AZE20000000",
            "AZE99999999",
            "AZE00000000",
            "AZE09999999",
            "AZE13000000",
            "AZE19999999",
            "AA2000000",
            "AA9999999",
        ];
        assert_eq!(edges, expected);
        assert!(adults_document(COUNT_MAX).is_none());
    }

    #[test]
    fn nobody_has_a_serial_of_the_shipped_examples() {
        for (series, digits) in [("AZE", 8), ("AA", 7)] {
            for number in ["12345678", "11111111"] {
                let example: u32 = number[..digits].parse().unwrap();
                let mut ranges = NUMBERS.iter().filter(|(known, ..)| *known == series);
                assert!(ranges.all(|(_, first, count)| !(*first..first + count).contains(&example)));
            }
        }
    }
}
