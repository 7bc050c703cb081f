//! The rules as citizens read them, made from the same data that decides.

use std::fmt::Write as _;

use icaze_config::regime::{Exemption, Hours, Names, OutsideArea, Period, Purpose, Quota, Regime};
use icaze_store::ledger::Language;
use jiff::Timestamp;

/// The rule table of a regime: a few lines of text in one language.
#[must_use]
pub fn rule_table(regime: &Regime, language: Language) -> String {
    let mut table = Table { regime, language, words: Words::of(language), text: String::new() };
    table.head();
    for purpose in &regime.purposes {
        table.purpose(purpose);
    }
    table.text
}

/// What a thing is called in a language.
#[must_use]
pub fn named<T>(names: &Names<T>, language: Language) -> &T {
    match language {
        Language::Az => &names.az,
        Language::En => &names.en,
        Language::Ru => &names.ru,
    }
}

struct Table<'r> {
    regime: &'r Regime,
    language: Language,
    words: &'static Words,
    text: String,
}

impl Table<'_> {
    fn line(&mut self, label: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{label}: {value}");
    }

    fn head(&mut self) {
        let (regime, words) = (self.regime, self.words);
        let _ = writeln!(self.text, "{} ({})", words.title, regime.id);
        let until = regime.until.map(|until| format!(" - {}", self.instant(until))).unwrap_or_default();
        let zone = regime.zone.iana_name().unwrap_or_default();
        let from = self.instant(regime.from);
        self.line(words.in_force, &format!("{from}{until} ({zone})"));
        match &regime.areas {
            None => self.line(words.areas, words.whole_country),
            Some(areas) => {
                let names: Vec<&str> =
                    areas.iter().map(|area| named(&area.names, self.language).as_str()).collect();
                self.line(words.areas, &names.join(", "));
                let elsewhere = match regime.outside_area {
                    OutsideArea::Grant => words.elsewhere_grant,
                    OutsideArea::NotNeeded => words.elsewhere_not_needed,
                };
                self.line(words.elsewhere, elsewhere);
            }
        }
        self.line(words.documents, &regime.documents.join(", "));
        if regime.purposes.iter().any(|purpose| purpose.hours != [Hours::ALL_DAY]) {
            self.line(words.minimum, &self.duration(regime.minimum_minutes));
        }
        if regime.ends_standing {
            let _ = writeln!(self.text, "{}", words.ends_standing);
        }
        if !regime.exempt_from.is_empty() {
            let rules: Vec<&str> = regime.exempt_from.iter().map(|&rule| words.rule(rule)).collect();
            self.line(words.exempt, &rules.join(", "));
        }
    }

    fn purpose(&mut self, purpose: &Purpose) {
        let words = self.words;
        let name = named(&purpose.names, self.language);
        let _ = writeln!(self.text, "\n{} {} ({}): {}", words.code, purpose.code, name.short, name.long);
        self.line(words.duration, &self.duration(purpose.minutes));
        if purpose.delay_minutes > 0 {
            self.line(words.delay, &self.duration(purpose.delay_minutes));
        }
        if purpose.hours == [Hours::ALL_DAY] {
            self.line(words.hours, words.all_day);
        } else {
            let hours: Vec<String> = purpose.hours.iter().map(ToString::to_string).collect();
            self.line(words.hours, &hours.join(", "));
        }
        let mut quotas =
            self.regime.quotas.iter().filter(|quota| quota.purposes.contains(&purpose.code)).peekable();
        if quotas.peek().is_none() {
            self.line(words.quota, words.unlimited);
        }
        for quota in quotas {
            self.line(words.quota, &self.quota(quota));
        }
        if let Some(age) = purpose.age_over {
            self.line(words.age, &format!("{} {age}", words.age_over));
        }
        if purpose.stay_home {
            let _ = writeln!(self.text, "{}", words.stay_home);
        }
    }

    fn quota(&self, quota: &Quota) -> String {
        let words = self.words;
        let (before, after) = match quota.per {
            Period::Day => words.per_day,
            Period::Week => words.per_week,
        };
        let times = format!("{before}{}{after}", quota.limit);
        if quota.purposes.len() == 1 {
            return times;
        }
        let codes: Vec<String> = quota.purposes.iter().map(ToString::to_string).collect();
        format!("{times} ({} {})", words.together, codes.join(" + "))
    }

    fn duration(&self, minutes: u16) -> String {
        let (hours, minutes) = (minutes / 60, minutes % 60);
        let words = self.words;
        match (hours, minutes) {
            (0, _) => format!("{minutes} {}", words.minute),
            (_, 0) => format!("{hours} {}", words.hour),
            _ => format!("{hours} {} {minutes} {}", words.hour, words.minute),
        }
    }

    fn instant(&self, at: Timestamp) -> String {
        let civil = self.regime.zone.to_datetime(at);
        let (day, month, year) = (civil.day(), civil.month(), civil.year());
        format!("{day:02}.{month:02}.{year:04} {:02}:{:02}", civil.hour(), civil.minute())
    }
}

/// The words of one language.
struct Words {
    title: &'static str,
    in_force: &'static str,
    areas: &'static str,
    whole_country: &'static str,
    elsewhere: &'static str,
    elsewhere_grant: &'static str,
    elsewhere_not_needed: &'static str,
    documents: &'static str,
    minimum: &'static str,
    ends_standing: &'static str,
    exempt: &'static str,
    exempt_age: &'static str,
    exempt_stay_home: &'static str,
    code: &'static str,
    duration: &'static str,
    delay: &'static str,
    hours: &'static str,
    all_day: &'static str,
    quota: &'static str,
    unlimited: &'static str,
    /// What stands before the number, and after it.
    per_day: (&'static str, &'static str),
    per_week: (&'static str, &'static str),
    together: &'static str,
    age: &'static str,
    age_over: &'static str,
    stay_home: &'static str,
    hour: &'static str,
    minute: &'static str,
}

impl Words {
    fn of(language: Language) -> &'static Self {
        match language {
            Language::Az => &AZERBAIJANI,
            Language::En => &ENGLISH,
            Language::Ru => &RUSSIAN,
        }
    }

    fn rule(&self, rule: Exemption) -> &'static str {
        match rule {
            Exemption::Age => self.exempt_age,
            Exemption::Hours => self.hours,
            Exemption::Quota => self.quota,
            Exemption::StayHome => self.exempt_stay_home,
        }
    }
}

const AZERBAIJANI: Words = Words {
    title: "SMS icazəsinin qaydaları",
    in_force: "qüvvədədir",
    areas: "harada",
    whole_country: "bütün ölkədə",
    elsewhere: "başqa yerdə qeydiyyatda olanlar",
    elsewhere_grant: "bu yerlərə gəlmək üçün icazə alırlar",
    elsewhere_not_needed: "icazə lazım deyil",
    documents: "sənədlər",
    minimum: "bundan az vaxt qalıbsa, icazə verilmir",
    ends_standing: "əvvəlki qaydalarla verilmiş icazələr qüvvədən düşür",
    exempt: "istisna edilmiş şəxslərə aid deyil",
    exempt_age: "yaş",
    exempt_stay_home: "evdə qalmaq",
    code: "Kod",
    duration: "müddət",
    delay: "başlayır, SMS-dən sonra",
    hours: "saatlar",
    all_day: "bütün gün",
    quota: "limit",
    unlimited: "yoxdur",
    per_day: ("gündə ", " dəfə"),
    per_week: ("həftədə ", " dəfə"),
    together: "birlikdə kod",
    age: "yaş",
    age_over: "icazə verilmir, tamam olmuş yaş bundan çoxdursa:",
    stay_home: "təcriddə olanlara və yeni gələnlərə icazə verilmir",
    hour: "saat",
    minute: "dəqiqə",
};

const ENGLISH: Words = Words {
    title: "Rules for SMS permits",
    in_force: "in force",
    areas: "where",
    whole_country: "the whole country",
    elsewhere: "people registered elsewhere",
    elsewhere_grant: "get permits to come here",
    elsewhere_not_needed: "need no permit",
    documents: "documents",
    minimum: "no permit if less time is left than",
    ends_standing: "permits granted under earlier rules end",
    exempt: "does not apply to exempt persons",
    exempt_age: "age",
    exempt_stay_home: "staying at home",
    code: "Code",
    duration: "duration",
    delay: "begins, after the SMS",
    hours: "hours",
    all_day: "all day",
    quota: "limit",
    unlimited: "none",
    per_day: ("", " a day"),
    per_week: ("", " a week"),
    together: "together, codes",
    age: "age",
    age_over: "no permit with more completed years than",
    stay_home: "no permit under isolation or after a recent arrival",
    hour: "h",
    minute: "min",
};

const RUSSIAN: Words = Words {
    title: "Правила SMS-разрешений",
    in_force: "действуют",
    areas: "где",
    whole_country: "вся страна",
    elsewhere: "зарегистрированные в других местах",
    elsewhere_grant: "получают разрешение на приезд сюда",
    elsewhere_not_needed: "разрешение не нужно",
    documents: "документы",
    minimum: "отказ, если остаётся меньше чем",
    ends_standing: "разрешения по прежним правилам прекращаются",
    exempt: "не касается лиц, освобождённых от правил",
    exempt_age: "возраст",
    exempt_stay_home: "оставаться дома",
    code: "Код",
    duration: "срок",
    delay: "начало, после SMS через",
    hours: "часы",
    all_day: "круглосуточно",
    quota: "лимит",
    unlimited: "нет",
    per_day: ("", " в день"),
    per_week: ("", " в неделю"),
    together: "вместе, коды",
    age: "возраст",
    age_over: "отказ, если полных лет больше чем",
    stay_home: "отказ при изоляции и после недавнего приезда",
    hour: "ч",
    minute: "мин",
};
