//! Logging in.

use askama::Template;

use super::page::Page;

/// The page.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct Login {
    pub(super) page: Page,
    /// The token that was just sent is nobody's.
    pub(super) failed: bool,
    /// The issuer did not let them in.
    pub(super) refused: bool,
    /// What the issuer is called, by which one can log in as well.
    pub(super) issuer: Option<String>,
}

/// Told to who may not see a page.
#[derive(Template)]
#[template(path = "denied.html")]
pub(super) struct Denied {
    pub(super) page: Page,
}
