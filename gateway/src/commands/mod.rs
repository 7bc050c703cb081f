//! One file for each command of `icaze`.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::path::{Path, PathBuf};

use icaze_config::gateway::{Config, Problems, Replies, Settings};
use icaze_store::ledger::Language;

pub mod audit;
pub mod check_config;
pub mod cluster;
pub mod demo;
pub mod explain;
pub mod key;
pub mod ledger;
pub mod operator;
pub mod operators;
pub mod regime;
pub mod register;
pub mod replies;
pub mod retention;
pub mod serve;
pub mod sms;
pub mod token;
pub mod trace;

/// A command that reads the configuration.
#[derive(Debug, clap::Args)]
pub struct Configured {
    /// The configuration file; what it lacks has the shipped default.
    #[arg(long, value_name = "FILE", default_value = "config/gateway.toml")]
    pub config: PathBuf,
}

impl Configured {
    /// The file, with the process's environment laid over it.
    ///
    /// # Errors
    /// With every problem.
    pub fn load(&self) -> Result<Config, Problems> {
        self.settings().validate()
    }

    /// Where the running gateway's store is, also if other settings are not right: its secrets may be in an environment
    /// that this process lacks.
    ///
    /// # Errors
    /// With what is wrong with the file or with `[store]`.
    pub fn store_dir(&self) -> Result<PathBuf, Problems> {
        let (config, mut problems) = self.settings().inspect();
        problems.retain(|problem| problem.key.is_empty() || problem.key.starts_with("store."));
        if problems.is_empty() { Ok(config.store.dir) } else { Err(Problems(problems)) }
    }

    /// What is said of replies, also if other settings are not right.
    ///
    /// # Errors
    /// With what is wrong with the file or with `[replies]`.
    pub fn replies(&self) -> Result<Replies, Problems> {
        let (config, mut problems) = self.settings().inspect();
        problems.retain(|problem| problem.key.is_empty() || problem.key.starts_with("replies."));
        if problems.is_empty() { Ok(config.replies) } else { Err(Problems(problems)) }
    }

    fn settings(&self) -> Settings {
        Settings::load(&self.config, std::env::vars_os())
    }
}

/// A language that citizens are answered in, as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Speech {
    /// Azerbaijani.
    Az,
    /// English.
    En,
    /// Russian.
    Ru,
}

impl From<Speech> for Language {
    fn from(speech: Speech) -> Self {
        match speech {
            Speech::Az => Self::Az,
            Speech::En => Self::En,
            Speech::Ru => Self::Ru,
        }
    }
}

/// An error and its causes on one line for each problem. A cause that the error has told already is not told again.
#[must_use]
pub fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// What a command prints. A reader that has seen enough, such as `head`, ends the program in peace.
struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    fn line(&mut self, line: impl Display) -> io::Result<()> {
        let written = writeln!(self.0, "{line}");
        in_peace(written)
    }

    fn finish(mut self) -> io::Result<()> {
        let written = self.0.flush();
        in_peace(written)
    }
}

fn in_peace(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written,
    }
}

/// Writes a file beside its name, syncs it, and renames it: the name holds the old content or the new, and whoever could read the
/// old can read the new.
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    // What a link leads to, rather than the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let mut file = BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).open(partial)?);
    let written = fs::metadata(path)
        .map_or(Ok(()), |old| file.get_ref().set_permissions(old.permissions()))
        .and_then(|()| write(&mut file))
        .and_then(|()| file.flush())
        .and_then(|()| file.get_ref().sync_all());
    let renamed = written.and_then(|()| fs::rename(partial, path));
    if renamed.is_err() {
        let _ = fs::remove_file(partial);
    }
    renamed
}

/// Prints a remark for the person who typed the command, beside its output.
#[expect(clippy::print_stderr, reason = "a command's remarks are for the person who typed it")]
fn remark(remark: impl Display) {
    eprintln!("icaze: {remark}");
}
