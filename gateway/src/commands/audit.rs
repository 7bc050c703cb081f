//! `icaze audit`: checks the trail of who looked whom up.

use std::path::PathBuf;

use icaze_store::audit::{Head, verify};

use super::Output;

/// Checks the trail of look-ups, also while the gateway runs. Needs no key.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Checks every record, and names the first that was changed, taken out or cut off. Prints the head.
    Verify {
        /// The store's directory.
        dir: PathBuf,
        /// A head that was kept elsewhere, as this command printed it: what it vouches for must still be there.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<Head>,
    },
}

/// Checks it.
///
/// # Errors
/// With the first record that is not what was written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Args::Verify { dir, head } = args;
    let trail = dir.join("audit");
    anyhow::ensure!(
        trail.is_dir(),
        "{}: no audit trail; name the directory that store.dir has in the gateway's configuration",
        dir.display()
    );
    let head = verify(&trail, *head)?;
    let mut out = Output::new();
    out.line(head)?;
    Ok(out.finish()?)
}
