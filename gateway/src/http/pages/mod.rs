//! The pages that people use: dashboard, officer's page, audit, log-in. Made here as HTML; a script only saves reloads.

mod assets;
mod chart;
mod dashboard;
mod figures;
mod login;
mod officer;
mod page;
mod words;

#[cfg(test)]
mod tests;
