//! Phones that each text one request to several gateways at once, and again until each of these has taken it and they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use icaze_codec::pdu::{BindKind, Credentials};
use icaze_codec::session::SessionConfig;
use icaze_gateway::smpp::client::{Client, Incoming};
use tokio::sync::watch;

use crate::cli::code;

/// Synthetic adults of the shipped register, in Baku: one document and one phone each.
pub(crate) fn document(person: usize) -> String {
    format!("AZE{}", 20_000_000 + person)
}

pub(crate) fn phone(person: usize) -> String {
    format!("9945{:08}", 10_000_000 + person)
}

/// What has become of the texts to one gateway, by person.
#[derive(Default)]
pub(crate) struct Answers {
    /// Answered with `ESME_ROK`.
    pub(crate) acked: BTreeSet<usize>,
    /// How often a text was asked to come again.
    pub(crate) put_off: usize,
}

/// The codes that phones were told, by person, whichever gateway sent them.
pub(crate) type Codes = Arc<Mutex<BTreeMap<usize, BTreeSet<String>>>>;

/// The phones as one operator of one gateway has them, on a thread of their own.
pub(crate) struct Crowd {
    pub(crate) answers: Arc<Mutex<Answers>>,
    acked: watch::Receiver<usize>,
    address: watch::Sender<String>,
    thread: JoinHandle<()>,
}

impl Crowd {
    /// Texts to the gateway at `address`, which may change, for `persons`. What they are told goes to `codes`.
    pub(crate) fn text(address: &str, persons: usize, codes: &Codes) -> Self {
        let answers = Arc::new(Mutex::new(Answers::default()));
        let (told, acked) = watch::channel(0);
        let (address, addresses) = watch::channel(address.to_owned());
        let phones =
            Phones { answers: Arc::clone(&answers), codes: Arc::clone(codes), told, addresses, persons };
        let (seen, codes) = (Arc::clone(&answers), Arc::clone(codes));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let all = async { tokio::time::timeout(Duration::from_secs(120), phones.all()).await };
            if runtime.block_on(all).is_err() {
                let (answers, codes) = (seen.lock().unwrap(), codes.lock().unwrap());
                let without = answers.acked.iter().filter(|person| !codes.contains_key(person));
                panic!(
                    "not all is answered within two minutes: {} of {persons} acknowledged, {} put off, no reply to {:?}",
                    answers.acked.len(),
                    answers.put_off,
                    without.collect::<Vec<_>>()
                );
            }
        });
        Self { answers, acked, address, thread }
    }

    /// Waits until so many texts were answered with `ESME_ROK`.
    pub(crate) fn has_acked(&mut self, count: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.acked.wait_for(|acked| *acked >= count)).unwrap();
    }

    pub(crate) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    pub(crate) fn moved_to(&self, address: &str) {
        self.address.send_replace(address.to_owned());
    }

    /// Waits until every text is answered.
    pub(crate) fn end(self) -> Answers {
        self.thread.join().unwrap();
        Arc::into_inner(self.answers).unwrap().into_inner().unwrap()
    }
}

struct Phones {
    answers: Arc<Mutex<Answers>>,
    codes: Codes,
    told: watch::Sender<usize>,
    addresses: watch::Receiver<String>,
    persons: usize,
}

impl Phones {
    async fn all(mut self) {
        while !self.is_whole() {
            let address = self.addresses.borrow_and_update().clone();
            let credentials =
                Credentials { system_id: "demo", password: "demo1234", ..Credentials::default() };
            let bound =
                Client::bind(&address, BindKind::Transceiver, &credentials, SessionConfig::default(), None);
            match bound.await {
                Ok(client) => self.session(client).await,
                // Killed, and not yet back.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn is_whole(&self) -> bool {
        let acked = self.answers.lock().unwrap().acked.len();
        acked == self.persons && self.codes.lock().unwrap().len() == self.persons
    }

    /// Until the session ends, or everything is answered.
    async fn session(&self, mut client: Client) {
        // Those that were acknowledged have a reply to come.
        let mut left: Vec<usize> = {
            let answers = self.answers.lock().unwrap();
            (0..self.persons).filter(|person| !answers.acked.contains(person)).collect()
        };
        let mut again: Option<Instant> = None;
        loop {
            if again.is_none_or(|again| again <= Instant::now()) {
                // Few enough at a time that none is done before something is killed.
                while client.window_free() > 950
                    && let Some(person) = left.pop()
                {
                    let text = format!("2 {}", document(person));
                    client.text(&phone(person), "8103", &text, 0, person as u64).unwrap();
                }
            }
            let pause = Duration::from_millis(50);
            let incoming = tokio::time::timeout(pause, client.next()).await;
            if self.is_whole() {
                return;
            }
            let Ok(incoming) = incoming else { continue };
            match incoming {
                Ok(Incoming::Response { token, status: Some(status) }) if status.is_ok() => {
                    let mut answers = self.answers.lock().unwrap();
                    answers.acked.insert(token as usize);
                    self.told.send_replace(answers.acked.len());
                }
                Ok(Incoming::Response { token, .. }) => {
                    self.answers.lock().unwrap().put_off += 1;
                    left.push(token as usize);
                    again = Some(Instant::now() + pause);
                }
                Ok(Incoming::Reply { to, text }) => {
                    let person = to[4..].parse::<usize>().unwrap() - 10_000_000;
                    let code = code(&text).unwrap_or_else(|| panic!("no code in {text:?}")).to_owned();
                    self.codes.lock().unwrap().entry(person).or_default().insert(code);
                }
                Ok(Incoming::Closed(_)) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}
