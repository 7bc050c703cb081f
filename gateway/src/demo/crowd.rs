//! The phones: what is texted next, from which. The same for the same seed and the same answers.
//!
//! Phones live through stories of one or several texts. A phone texts on only when it has been answered, and no phone
//! takes part in two stories, so none comes near the limit of texts but the one whose answering machine answers us.

use std::collections::{HashMap, VecDeque};

use fastrand::Rng;
use icaze_store::Outcome;

use super::country::{OPERATORS, PEOPLE};
use super::spelling::{self, Wish};

/// A subscriber's number, as digits in E.164.
pub type Phone = u64;

/// One SMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its sender.
    pub phone: Phone,
    /// The sender's operator, an index of [`OPERATORS`].
    pub operator: usize,
    /// What it says.
    pub body: String,
}

/// Everybody who texts.
#[derive(Debug)]
pub struct Crowd {
    random: Rng,
    /// Stories that have begun, and phones and people they have taken.
    stories: u64,
    phones: u64,
    people: u64,
    /// Where the phones and the people begin: everybody else's are others.
    offset: u64,
    /// What follows when this phone has been answered.
    waiting: HashMap<Phone, Story>,
    /// Stories whose next text may be sent.
    ready: VecDeque<Story>,
}

/// Texts that follow one another.
type Story = VecDeque<Text>;

impl Crowd {
    /// Stories that go on before new ones begin, at most.
    const READY_MAX: usize = 50;
    /// One answering machine in so many stories, and the first one's place.
    const MACHINE_EVERY: u64 = 2_500;
    const MACHINE_FIRST: u64 = 9;
    /// More than any limit of texts for one phone.
    const MACHINE_TEXTS: usize = 40;

    /// A crowd that has not texted yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let offset = random.u64(0..10_000_000);
        Self {
            random,
            stories: 0,
            phones: 0,
            people: 0,
            offset,
            waiting: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next text. Its phone is silent until [`answered`](Self::answered) or [`given_up`](Self::given_up).
    pub fn text(&mut self) -> Text {
        let go_on = self.ready.len() >= Self::READY_MAX || self.random.bool();
        let begun = if go_on { self.ready.pop_front() } else { None };
        let mut story = begun.unwrap_or_else(|| self.story());
        loop {
            if let Some(text) = story.pop_front() {
                self.waiting.insert(text.phone, story);
                return text;
            }
            story = self.story();
        }
    }

    /// A phone has its reply: its story goes on, unless that was the notice that nothing more will be answered.
    pub fn answered(&mut self, phone: Phone, outcome: Option<Outcome>) {
        let Some(story) = self.waiting.remove(&phone) else { return };
        if !story.is_empty() && outcome != Some(Outcome::Limited) {
            self.ready.push_back(story);
        }
    }

    /// A phone will get no reply: its story ends.
    pub fn given_up(&mut self, phone: Phone) {
        self.waiting.remove(&phone);
    }

    fn story(&mut self) -> Story {
        self.stories += 1;
        if self.stories % Self::MACHINE_EVERY == Self::MACHINE_FIRST {
            return self.machine();
        }
        match self.random.u8(0..100) {
            0..50 => self.one(spelling::junk),
            50..59 => self.one(spelling::refused),
            59..63 => self.long(),
            63..69 => self.again(),
            69..73 => self.another_phone(),
            73..75 => self.both_purposes(),
            75..77 => self.family(),
            _ => self.request(),
        }
    }

    fn one(&mut self, body: impl FnOnce(&mut Rng) -> String) -> Story {
        let body = body(&mut self.random);
        Story::from([self.phone().text(body)])
    }

    fn request(&mut self) -> Story {
        let wish = self.wish();
        self.one(|random| spelling::request(random, wish))
    }

    fn long(&mut self) -> Story {
        let wish = self.wish();
        self.one(|random| spelling::rambling(random, wish))
    }

    /// Nobody believes the first answer.
    fn again(&mut self) -> Story {
        let (wish, phone) = (self.wish(), self.phone());
        let plain = format!("{} AZE{}", wish.purpose, wish.number);
        let insisting = format!("kod {} AZE{}", wish.purpose, wish.number);
        Story::from([phone.text(plain), phone.text(insisting)])
    }

    fn another_phone(&mut self) -> Story {
        let (wish, one, other) = (self.wish(), self.phone(), self.phone());
        let first = spelling::request(&mut self.random, wish);
        let second = spelling::request(&mut self.random, wish);
        Story::from([one.text(first), other.text(second)])
    }

    fn both_purposes(&mut self) -> Story {
        let (wish, phone) = (self.wish(), self.phone());
        let texts = [1, 2].map(|purpose| spelling::request(&mut self.random, Wish { purpose, ..wish }));
        texts.into_iter().map(|body| phone.text(body)).collect()
    }

    /// Five people, one phone.
    fn family(&mut self) -> Story {
        let phone = self.phone();
        let texts = (0..5).map(|_| {
            let wish = self.wish();
            spelling::request(&mut self.random, wish)
        });
        texts.collect::<Vec<_>>().into_iter().map(|body| phone.text(body)).collect()
    }

    /// A phone that answers whatever it gets, also us.
    fn machine(&mut self) -> Story {
        let phone = self.phone();
        let texts = 1..=Self::MACHINE_TEXTS;
        texts
            .map(|n| phone.text(format!("Avtomatik cavab #{n}: hazırda danışa bilmirəm, sonra yığaram")))
            .collect()
    }

    /// The next person, each once before the first one again, then with the other purpose.
    fn wish(&mut self) -> Wish {
        // A step without a common factor visits everybody.
        const STEP: u64 = 61_803;
        let people = u64::from(PEOPLE);
        let index = (self.offset + self.people * STEP) % people;
        let lap = self.people / people;
        self.people += 1;
        let purpose = if (index + lap).is_multiple_of(2) { 2 } else { 1 };
        Wish { purpose, number: 20_000_000 + u32::try_from(index).unwrap_or_default() }
    }

    /// The next phone, which has not texted for as long as ten million others took.
    fn phone(&mut self) -> Sender {
        const STEP: u64 = 7_654_321;
        const NUMBERS: u64 = 10_000_000;
        let number = (self.offset + self.phones * STEP) % NUMBERS;
        self.phones += 1;
        let operator = self.random.usize(0..OPERATORS.len());
        let prefixes = OPERATORS.get(operator).map_or([""; 2], |operator| operator.prefixes);
        let prefix = self.random.choice(prefixes).unwrap_or_default();
        Sender { phone: prefix.parse::<u64>().unwrap_or_default() * NUMBERS + number, operator }
    }
}

/// A phone and its operator.
#[derive(Debug, Clone, Copy)]
struct Sender {
    phone: Phone,
    operator: usize,
}

impl Sender {
    fn text(self, body: String) -> Text {
        Text { phone: self.phone, operator: self.operator, body }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::permit::read::{PurposeNames, read};

    /// Texts, each answered at once.
    fn texts(seed: u64, count: usize) -> Vec<Text> {
        let mut crowd = Crowd::new(seed);
        let texts = (0..count).map(|_| {
            let text = crowd.text();
            crowd.answered(text.phone, None);
            text
        });
        texts.collect()
    }

    #[test]
    fn a_seed_is_a_crowd() {
        assert_eq!(texts(7, 500), texts(7, 500));
        assert_ne!(texts(7, 500), texts(8, 500));
    }

    #[test]
    fn some_forty_percent_are_no_requests() {
        let texts = texts(1, 20_000);
        let junk =
            texts.iter().filter(|text| read(&text.body, &PurposeNames::default()).request.is_err()).count();
        assert!((7_000..9_500).contains(&junk), "{junk} of 20,000");
    }

    #[test]
    fn a_phone_waits_for_its_reply() {
        let mut crowd = Crowd::new(3);
        let mut waiting = HashSet::new();
        for _ in 0..2_000 {
            let text = crowd.text();
            assert!(waiting.insert(text.phone), "a phone texted twice without a reply");
        }
    }

    #[test]
    fn only_the_machine_texts_much_and_the_notice_silences_it() {
        let mut crowd = Crowd::new(5);
        let mut counts: HashMap<Phone, usize> = HashMap::new();
        for _ in 0..10_000 {
            let text = crowd.text();
            let count = counts.entry(text.phone).or_default();
            *count += 1;
            assert!(*count <= 5 || text.body.starts_with("Avtomatik"), "{text:?}");
            crowd.answered(text.phone, (*count > 30).then_some(Outcome::Limited));
        }
        assert_eq!(counts.values().max(), Some(&31));
    }

    #[test]
    fn everybody_is_asked_for_before_anybody_again() {
        let mut crowd = Crowd::new(2);
        let wishes: HashSet<u32> = (0..PEOPLE).map(|_| crowd.wish().number).collect();
        assert_eq!(wishes.len(), PEOPLE as usize);
        let (first, again) = (Crowd::new(2).wish(), crowd.wish());
        assert_eq!(first.number, again.number);
        assert_ne!(first.purpose, again.purpose);
    }

    #[test]
    fn what_goes_on_is_bounded() {
        let mut crowd = Crowd::new(4);
        for _ in 0..50_000 {
            let text = crowd.text();
            crowd.answered(text.phone, None);
            assert!(crowd.ready.len() <= Crowd::READY_MAX + 1);
        }
    }
}
