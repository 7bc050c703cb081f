//! A small country: some tens of people, three regimes, three operators.

use std::path::PathBuf;

use icaze_config::gateway::{Config, Settings};
use icaze_config::regime::Regimes;
use icaze_config::replies::Texts;
use icaze_gateway::world::{Contacts, World};
use icaze_store::Document;
use icaze_store::register::{Builder, Flags, Row, RowStatus};
use jiff::Timestamp;
use jiff::civil::date;

use crate::plan::Plan;

pub(crate) const OPERATORS: [(&str, &str, &str); 3] =
    [("alpha", "alpha", "secret01"), ("beta", "beta", "secret02"), ("demo", "demo", "demo1234")];
pub(crate) const WINDOW_OUT: usize = 3;

/// Someone, by whatever document.
pub(crate) struct Person {
    pub(crate) number: u32,
    pub(crate) documents: Vec<Document>,
    pub(crate) exempt: bool,
}

/// 30 people: some with two documents, exempt, old, isolated, dead, or living elsewhere.
pub(crate) fn people() -> Vec<Person> {
    let person = |number: u32| {
        let mut documents = vec![document(&format!("AZE1000{number:04}"))];
        if number.is_multiple_of(3) {
            documents.push(document(&format!("AA100{number:04}")));
        }
        Person { number, documents, exempt: number == 7 }
    };
    (0..30).map(person).collect()
}

fn document(text: &str) -> Document {
    text.parse().unwrap()
}

/// The regimes, texts and register. With `apart` the second document of a person is another person's.
pub(crate) fn world(people: &[Person], apart: bool) -> World {
    let mut register = Builder::default();
    let mut line = 0;
    for person in people {
        for (place, &document) in person.documents.iter().enumerate() {
            line += 1;
            let number = person.number;
            let row = Row {
                document,
                person: if apart { number + 1000 * u32::try_from(place).unwrap() } else { number },
                birth_date: if number == 8 { date(1940, 5, 1) } else { date(1980, 5, 1) },
                document_expires: (number == 9).then(|| date(2020, 12, 14)),
                status: match number {
                    10 => RowStatus::Lost,
                    11 => RowStatus::Deceased,
                    _ => RowStatus::Valid,
                },
                region: if number == 13 { "lerik" } else { "baku" },
                flags: Flags {
                    infected_until: (number == 14).then(|| date(2020, 12, 15)),
                    exempt: person.exempt,
                    ..Flags::default()
                },
            };
            register.add(line, &row).unwrap();
        }
    }
    let contacts = Contacts::of(&Settings::shipped().validate().unwrap().replies);
    World::new(register.finish(1, Timestamp::UNIX_EPOCH), regimes(), Texts::shipped().unwrap(), contacts)
}

/// One that ends at a midnight, a short one with few permits that ends what stood, and one after a gap.
fn regimes() -> Regimes {
    let purpose = |code: u8, minutes: u16| {
        format!(
            "[[purpose]]\ncode = {code}\nnames.az = {{ short = \"tibb\", long = \"tibb\" }}\n\
             names.en = {{ short = \"medical\", long = \"medical\" }}\n\
             names.ru = {{ short = \"врач\", long = \"врач\" }}\n\
             minutes = {minutes}\nage_over = 65\nstay_home = true\n"
        )
    };
    let quota = |purposes: &str, per: &str, limit: u8| {
        format!("[[quota]]\npurposes = {purposes}\nper = \"{per}\"\nlimit = {limit}\n")
    };
    let head = |id: &str, times: &str, ends: bool| {
        format!(
            "id = \"{id}\"\ntime_zone = \"Asia/Baku\"\n{times}\nends_standing = {ends}\nminimum_minutes = 15\n\
             documents = [\"AZE\", \"AA\"]\nexempt_from = [\"age\", \"quota\"]\noutside_area = \"not_needed\"\n\
             areas = [{{ region = \"baku\", az = \"Bakı\", en = \"Baku\", ru = \"Баку\" }}]\n"
        )
    };
    let files = [
        head("first", "from = 2020-12-07T00:00\nuntil = 2020-12-14T00:00", false)
            + &purpose(1, 60)
            + &purpose(2, 120)
            + &quota("[2]", "day", 2)
            + &quota("[1, 2]", "week", 4),
        head("short", "from = 2020-12-14T00:00\nuntil = 2020-12-16T00:00", true)
            + &purpose(1, 20)
            + &purpose(2, 30)
            + &quota("[2]", "day", 1)
            + &quota("[1, 2]", "week", 3),
        head("last", "from = 2020-12-16T12:00", false)
            + &purpose(1, 60)
            + &purpose(2, 90)
            + &quota("[1]", "week", 3)
            + &quota("[2]", "day", 1),
    ];
    let files = files.map(|text| (PathBuf::from("simulated.toml"), text));
    Regimes::parse(&files).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(crate) fn config(plan: &Plan) -> Config {
    let mut text = format!(
        "[smpp]\ndedupe_s = {}\nanswer_lifetime_s = {}\nparts_max = 3\nparts_timeout_s = 30\n\
         [limits]\nphone_max = 25\nask_s = {}\n",
        plan.dedupe_s, plan.lifetime_s, plan.ask_s
    );
    for (name, system_id, password) in OPERATORS {
        let rate = if name == "beta" { 4 } else { 0 };
        text += &format!(
            "[operators.{name}]\nsystem_id = \"{system_id}\"\npassword = \"{password}\"\nwindow_in = 6\n\
             window_out = {WINDOW_OUT}\nrate_out = {rate}\nsessions = 4\n"
        );
    }
    let mut settings = Settings::shipped();
    settings.file("simulated.toml", &text);
    settings.validate().unwrap_or_else(|problems| panic!("{problems}"))
}
