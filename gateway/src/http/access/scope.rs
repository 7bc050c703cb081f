//! What a caller may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One kind of user. None contains another: an administrator does not read the trail, an auditor does not look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Officers: look up by permit code and by document.
    Inspector,
    /// Health authorities: look up by phone, statistics, decisions without names.
    Health,
    /// Who runs the gateway: ends a permit.
    Admin,
    /// Reads who looked whom up.
    Auditor,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Inspector, Self::Health, Self::Admin, Self::Auditor];

    /// Its name in tokens, claims and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inspector => "inspector",
            Self::Health => "health",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether `scope` is among them.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    /// The scopes in it.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |&scope| self.has(scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scope_contains_another() {
        for one in Scope::ALL {
            let only = Scopes::from_iter([one]);
            assert_eq!(only.iter().collect::<Vec<_>>(), [one]);
            assert_eq!(Scope::from_name(one.name()), Some(one));
        }
    }
}
