//! An operator played by rusmppc. See ../README.md for how it is called.

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::try_join_all;
use futures::{Stream, StreamExt as _};
use rusmpp::Pdu;
use rusmpp::extra::concatenation::SubmitSmMultipartExt as _;
use rusmpp::extra::encoding::gsm7bit::Gsm7BitUnpacked;
use rusmpp::extra::encoding::latin1::Latin1;
use rusmpp::extra::encoding::ucs2::Ucs2;
use rusmpp::pdus::{BindReceiver, BindTransceiver, BindTransmitter, DeliverSm, DeliverSmResp, SubmitSm};
use rusmpp::tlvs::{MessageSubmissionRequestTlvValue as Tlv, TlvValue};
use rusmpp::types::{AnyOctetString, COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, MessagePayload, Npi, Ton};
use rusmppc::error::Error;
use rusmppc::{Client, ConnectionBuilder, Event};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Deserialize)]
struct Scenario {
    system_id: String,
    password: String,
    bind: Kind,
    replies: usize,
    timeout_s: u64,
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Transceiver,
    Pair,
}

#[derive(Deserialize)]
struct Message {
    from: String,
    to: String,
    text: String,
    encoding: Encoding,
    form: Form,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Gsm,
    Latin1,
    Ucs2,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Plain,
    Udh8,
    Udh16,
    Sar,
    Payload,
}

#[derive(Serialize)]
struct Reply {
    from: String,
    to: String,
    text: String,
    data_coding: u8,
}

impl Encoding {
    fn encode(self, text: &str) -> anyhow::Result<(Vec<u8>, DataCoding)> {
        Ok(match self {
            Self::Gsm => (Gsm7BitUnpacked::new().encode_to_vec(text)?, DataCoding::McSpecific),
            Self::Latin1 => (Latin1::new().encode_to_vec(text)?, DataCoding::Latin1),
            Self::Ucs2 => (Ucs2::new().encode_to_vec(text)?, DataCoding::Ucs2),
        })
    }
}

impl Message {
    /// The requests that carry the message.
    fn requests(&self, number: u16) -> anyhow::Result<Vec<SubmitSm>> {
        let (octets, data_coding) = self.encoding.encode(&self.text)?;
        let request = SubmitSm::builder()
            .source_addr_ton(Ton::International)
            .source_addr_npi(Npi::Isdn)
            .source_addr(COctetString::from_string(self.from.clone())?)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(COctetString::from_string(self.to.clone())?)
            // Not rusmpp's own default, which says that this is an acknowledgement.
            .esm_class(EsmClass::from(0))
            .data_coding(data_coding)
            .build();
        let plain =
            |octets: &[u8]| anyhow::Ok(request.clone().with_short_message(OctetString::from_slice(octets)?));
        match self.form {
            Form::Plain => Ok(vec![plain(&octets)?]),
            Form::Payload => {
                let mut request = request.clone();
                request.push_tlv(Tlv::MessagePayload(MessagePayload::new(AnyOctetString::from_vec(octets))));
                Ok(vec![request])
            }
            Form::Sar => {
                let (first, second) = octets.split_at(octets.len() / 2);
                let part = |index, octets| {
                    let mut part = plain(octets)?;
                    part.push_tlv(Tlv::SarMsgRefNum(number));
                    part.push_tlv(Tlv::SarTotalSegments(2));
                    part.push_tlv(Tlv::SarSegmentSeqnum(index));
                    anyhow::Ok(part)
                };
                Ok(vec![part(1, first)?, part(2, second)?])
            }
            Form::Udh8 | Form::Udh16 => {
                // One octet too many for a single part.
                let parts = request.clone().multipart(&self.text).max_short_message_size(octets.len() - 1);
                let parts = match self.form {
                    Form::Udh8 => parts.reference_u8(number as u8),
                    _ => parts.reference_u16(number),
                };
                let parts = match self.encoding {
                    Encoding::Gsm => parts.gsm7bit_unpacked().build()?,
                    Encoding::Latin1 => parts.latin1().build()?,
                    Encoding::Ucs2 => parts.ucs2().build()?,
                };
                ensure!(parts.len() > 1, "rusmpp makes one part");
                Ok(parts)
            }
        }
    }
}

impl Reply {
    fn read(pdu: &DeliverSm) -> anyhow::Result<Self> {
        let payload = pdu.tlvs().iter().find_map(|tlv| match tlv.value() {
            Some(TlvValue::MessagePayload(payload)) => Some(payload.value.as_ref()),
            _ => None,
        });
        let octets: &[u8] = payload.unwrap_or_else(|| pdu.short_message().as_ref());
        let text = match pdu.data_coding {
            DataCoding::Ucs2 => {
                let units: Vec<u16> = octets
                    .chunks(2)
                    .map(|unit| unit.iter().fold(0, |unit, &octet| unit << 8 | u16::from(octet)))
                    .collect();
                String::from_utf16(&units)?
            }
            // What the replies use of the GSM alphabet is where ASCII has it.
            DataCoding::McSpecific if octets.is_ascii() => String::from_utf8(octets.to_vec())?,
            other => bail!("a reply in {other:?} that this peer does not read"),
        };
        Ok(Self {
            from: pdu.source_addr.as_str().to_owned(),
            to: pdu.destination_addr.as_str().to_owned(),
            text,
            data_coding: pdu.data_coding.into(),
        })
    }
}

/// Acknowledges and passes on what a bind is sent, until the gateway closes it.
async fn listen(
    client: Client,
    mut events: impl Stream<Item = Event> + Unpin,
    replies: mpsc::Sender<Reply>,
) -> anyhow::Result<()> {
    while let Some(event) = events.next().await {
        match event {
            Event::Incoming(command) => match command.pdu() {
                Some(Pdu::DeliverSm(pdu)) => {
                    client.deliver_sm_resp(command.sequence_number(), DeliverSmResp::default()).await?;
                    replies.send(Reply::read(pdu)?).await?;
                }
                _ => bail!("{:?} was not awaited", command.id()),
            },
            Event::Error(Error::ConnectionClosedByPeer) => break,
            Event::Error(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn run(server: &str, scenario: &Scenario) -> anyhow::Result<()> {
    let system_id = COctetString::from_string(scenario.system_id.clone())?;
    let password = COctetString::from_string(scenario.password.clone())?;
    let connection =
        || ConnectionBuilder::new().response_timeout(Duration::from_secs(scenario.timeout_s)).connect(server);
    let (transmitter, events) = connection().await?;
    let mut binds = vec![transmitter.clone()];
    let receiver = match scenario.bind {
        Kind::Transceiver => {
            let bind = BindTransceiver::builder().system_id(system_id).password(password);
            transmitter.bind_transceiver(bind.build()).await?;
            None
        }
        Kind::Pair => {
            let bind = BindTransmitter::builder().system_id(system_id.clone()).password(password.clone());
            transmitter.bind_transmitter(bind.build()).await?;
            let (receiver, events) = connection().await?;
            let bind = BindReceiver::builder().system_id(system_id).password(password);
            receiver.bind_receiver(bind.build()).await?;
            binds.push(receiver.clone());
            Some((receiver, events))
        }
    };
    let (replies, mut replied) = mpsc::channel(1);
    let mut listeners = vec![tokio::spawn(listen(transmitter.clone(), events, replies.clone()))];
    listeners
        .extend(receiver.map(|(receiver, events)| tokio::spawn(listen(receiver, events, replies.clone()))));
    drop(replies);

    let parts: Vec<Vec<SubmitSm>> = scenario
        .messages
        .iter()
        .zip(1..)
        .map(|(message, number)| message.requests(number))
        .collect::<Result<_, _>>()?;
    let sent = try_join_all(parts.into_iter().flatten().map(|part| transmitter.submit_sm(part)));
    let printed = async {
        for _ in 0..scenario.replies {
            let reply = replied.recv().await.context("the gateway closed before all replies had come")?;
            println!("{}", serde_json::to_string(&reply)?);
        }
        anyhow::Ok(())
    };
    tokio::try_join!(async { sent.await.context("submit_sm") }, printed)?;
    transmitter.enquire_link().await?;
    for bind in binds {
        bind.unbind().await?;
        bind.closed().await;
    }
    for listener in listeners {
        listener.await??;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port] = arguments.as_slice() else { bail!("call it HOST PORT") };
    let mut scenario = String::new();
    std::io::stdin().read_to_string(&mut scenario)?;
    let scenario: Scenario = serde_json::from_str(&scenario)?;
    let server = format!("smpp://{host}:{port}");
    tokio::time::timeout(Duration::from_secs(scenario.timeout_s), run(&server, &scenario))
        .await
        .context("the scenario did not end in time")?
}
