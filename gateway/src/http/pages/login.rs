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
}

/// Told to who may not see a page.
#[derive(Template)]
#[template(path = "denied.html")]
pub(super) struct Denied {
    pub(super) page: Page,
}
