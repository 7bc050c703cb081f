//! What every page has: its language, who reads it, and where else they may go.

use icaze_store::ledger::Language;

use super::assets;
use super::words::{LANGUAGES, Words, tag};

/// The frame of a page.
pub(super) struct Page {
    pub(super) words: &'static Words,
    pub(super) language: Language,
    /// Which page it is.
    pub(super) place: Place,
    /// Who has logged in.
    pub(super) reader: Option<Reader>,
}

/// The pages, in the order of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Dashboard,
    Check,
    Audit,
    Login,
}

/// Who has logged in.
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) institution: String,
    /// What their forms must send back.
    pub(super) csrf: String,
    /// Where they may go.
    pub(super) places: Vec<Place>,
}

impl Place {
    /// Every page.
    pub(super) const ALL: [Self; 4] = [Self::Dashboard, Self::Check, Self::Audit, Self::Login];

    /// Its address.
    pub(super) const fn href(self) -> &'static str {
        match self {
            Self::Dashboard => "/",
            Self::Check => "/check",
            Self::Audit => "/audit",
            Self::Login => "/login",
        }
    }

    fn title(self, words: &Words) -> &str {
        match self {
            Self::Dashboard => &words.site.dashboard,
            Self::Check => &words.check.title,
            Self::Audit => &words.audit.title,
            Self::Login => &words.site.log_in,
        }
    }
}

impl Page {
    pub(super) fn tag(&self) -> &'static str {
        tag(self.language)
    }

    pub(super) fn title(&self) -> &str {
        self.place.title(self.words)
    }

    pub(super) fn style(&self) -> &'static str {
        assets::style_href()
    }

    pub(super) fn icon(&self) -> &'static str {
        assets::icon_href()
    }

    pub(super) fn script(&self) -> &'static str {
        assets::script_href()
    }

    /// Address, title, and whether it is this page.
    pub(super) fn menu(&self) -> Vec<(&'static str, &str, bool)> {
        let places = self.reader.iter().flat_map(|reader| &reader.places);
        places.map(|&place| (place.href(), place.title(self.words), place == self.place)).collect()
    }

    /// Tag, name, and whether it is this page's.
    pub(super) fn languages(&self) -> [(&'static str, &'static str, bool); 3] {
        LANGUAGES.map(|(language, tag, name)| (tag, name, language == self.language))
    }
}
