//! `icaze token`: who may ask the API.

use anyhow::Context as _;
use jiff::Timestamp;

use super::{Configured, Output};
use crate::http::access::{Scope, TokenFile};

/// Makes, lists and revokes bearer tokens for the API, also while the gateway runs.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Makes a token and prints it, once: the store keeps its hash only.
    Create {
        /// What it is good for; repeat it for several.
        #[arg(long, required = true)]
        scope: Vec<Scope>,
        /// Who holds it, as the trail of look-ups says.
        #[arg(long)]
        name: String,
        /// For which institution; the name if it is left out.
        #[arg(long)]
        institution: Option<String>,
        /// Where the store is.
        #[command(flatten)]
        configured: Configured,
    },
    /// Shows who holds which.
    List {
        /// Where the store is.
        #[command(flatten)]
        configured: Configured,
    },
    /// Ends a token, and the browser sessions opened with it.
    Revoke {
        /// Whose.
        name: String,
        /// Where the store is.
        #[command(flatten)]
        configured: Configured,
    },
}

/// Makes, lists or revokes.
///
/// # Errors
/// If the configuration or the file of tokens cannot be read or written, or the name will not do.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (Args::Create { configured, .. } | Args::List { configured } | Args::Revoke { configured, .. }) =
        args;
    let file = TokenFile::of(&configured.load()?.store.dir);
    let mut out = Output::new();
    match args {
        Args::Create { scope, name, institution, .. } => {
            let institution = institution.as_ref().unwrap_or(name);
            let token =
                file.create(name, institution, scope, Timestamp::now()).context("no token was made")?;
            out.line(token.expose())?;
        }
        Args::List { .. } => {
            for holder in file.holders()? {
                let scopes: Vec<_> = holder.scopes.iter().map(|scope| scope.name()).collect();
                let (name, institution, since) = (&holder.name, &holder.institution, holder.created_at);
                out.line(format_args!("{name}: {institution}: {} (since {since:.0})", scopes.join(", ")))?;
            }
        }
        Args::Revoke { name, .. } => file.revoke(name)?,
    }
    Ok(out.finish()?)
}
