//! A simulated operator: binds of its own, over which its phones' texts leave and replies come.

use icaze_codec::pdu::{BindKind, Credentials, Status};
use icaze_codec::session::SessionConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::country::{self, SHORT_NUMBER};
use super::crowd::{Phone, Text};
use crate::smpp::client::{Client, Incoming};

/// What an operator tells.
pub enum News {
    /// A text has left, in as many messages.
    Response {
        /// Whose it was.
        phone: Phone,
        /// What the gateway said of one message; `None` if it said nothing, or the message could not be sent.
        status: Option<Status>,
    },
    /// A reply.
    Reply {
        /// To whom.
        phone: Phone,
        /// What it reads.
        text: String,
    },
    /// A bind is gone that should not be.
    Lost(String),
}

/// A bound operator.
pub struct Operator {
    /// The binds that take texts.
    transmitters: Vec<mpsc::Sender<Text>>,
    /// Those and the others; each ends when its texts' sender is dropped.
    binds: Vec<JoinHandle<()>>,
    /// Held for the binds that only receive.
    receivers: Vec<mpsc::Sender<Text>>,
}

impl Operator {
    /// Binds as often as `operator` does. At most `texts_max` texts wait for each bind.
    ///
    /// # Errors
    /// If a bind fails.
    pub async fn bind(
        operator: &country::Operator,
        server: &str,
        texts_max: usize,
        news: &mpsc::Sender<News>,
    ) -> anyhow::Result<Self> {
        let mut bound = Self { transmitters: Vec::new(), binds: Vec::new(), receivers: Vec::new() };
        let credentials = Credentials {
            system_id: operator.name,
            password: country::Operator::PASSWORD,
            ..Credentials::default()
        };
        for &kind in operator.binds {
            let client = Client::bind(server, kind, &credentials, SessionConfig::default(), None).await?;
            let (sender, texts) = mpsc::channel(texts_max);
            let list =
                if kind == BindKind::Receiver { &mut bound.receivers } else { &mut bound.transmitters };
            list.push(sender);
            bound.binds.push(tokio::spawn(carry(client, operator.name, texts, news.clone())));
        }
        Ok(bound)
    }

    /// Takes a text; gives it back if its bind has too many waiting.
    ///
    /// # Errors
    /// With the text.
    pub fn take(&self, text: Text) -> Result<(), Text> {
        // A phone keeps to one bind, so that the parts of its texts stay in order.
        let count = self.transmitters.len().max(1) as u64;
        let bind = usize::try_from(text.phone % count).unwrap_or_default();
        match self.transmitters.get(bind) {
            Some(bind) => bind.try_send(text).map_err(mpsc::error::TrySendError::into_inner),
            None => Err(text),
        }
    }

    /// Unbinds, and waits for that.
    pub async fn unbind(self) {
        drop((self.transmitters, self.receivers));
        for bind in self.binds {
            let _ = bind.await;
        }
    }
}

/// Carries texts over one bind until their sender is dropped.
async fn carry(mut client: Client, name: &str, mut texts: mpsc::Receiver<Text>, news: mpsc::Sender<News>) {
    let mut reference = 0_u8;
    let lost = loop {
        tokio::select! {
            text = texts.recv() => match text {
                None => return unbind(client).await,
                Some(text) => {
                    reference = reference.wrapping_add(1);
                    let from = text.phone.to_string();
                    let sent = client.text(&from, SHORT_NUMBER, &text.body, reference, text.phone);
                    if sent.is_err() && news.send(News::Response { phone: text.phone, status: None }).await.is_err() {
                        return;
                    }
                }
            },
            incoming = client.next() => match incoming {
                Err(error) => break error.to_string(),
                Ok(Incoming::Closed(reason)) => break reason.to_string(),
                Ok(incoming) => {
                    let told = tell(incoming);
                    if let Some(told) = told && news.send(told).await.is_err() {
                        return;
                    }
                }
            },
        }
    };
    let _ = news.send(News::Lost(format!("{name}: a bind was lost: {lost}"))).await;
}

fn tell(incoming: Incoming) -> Option<News> {
    match incoming {
        Incoming::Response { token: phone, status } => Some(News::Response { phone, status }),
        Incoming::Reply { to, text } => Some(News::Reply { phone: to.parse().unwrap_or_default(), text }),
        Incoming::Bound | Incoming::Refused(_) | Incoming::Closed(_) => None,
    }
}

async fn unbind(mut client: Client) {
    client.unbind();
    while !matches!(client.next().await, Ok(Incoming::Closed(_)) | Err(_)) {}
}
