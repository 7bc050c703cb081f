//! `icaze-baseline PORT`: answers every submit_sm with its response and one deliver_sm as long as a grant, and keeps nothing.
//! Ends with its input.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use smpp34::server::ESME;
use smpp34::{
    SmppConnectionInformation, SmppServer, SmppServerListener, bind_transceiver, bind_transceiver_resp, submit_sm,
    submit_sm_resp,
};
use tokio::io::AsyncReadExt as _;
use tokio::sync::RwLock;

/// 67 characters, as a grant has; the load generator reads nothing but that it is one.
const REPLY: &str = "İCAZƏ VAR: AZE20000001, kod 2 ərzaq, 14.12 14:15-17:15, № 7K3M-9QXF";

#[derive(Default)]
struct Responder {
    bound: RwLock<HashMap<String, Arc<ESME>>>,
}

#[async_trait]
impl SmppServerListener for Responder {
    async fn on_bind_transceiver(
        &self,
        request: bind_transceiver,
        _: &SmppConnectionInformation,
        _: &String,
    ) -> bind_transceiver_resp {
        request.accept("baseline".to_owned(), Some(0x34))
    }

    async fn on_esme_bound(&self, esme: ESME, session: &String) {
        self.bound.write().await.insert(session.clone(), Arc::new(esme));
    }

    async fn on_submit_sm(
        &self,
        request: submit_sm,
        _: &SmppConnectionInformation,
        session: &String,
    ) -> submit_sm_resp {
        if let Some(esme) = self.bound.read().await.get(session).cloned() {
            let (from, to) = (request.destination_addr.clone(), request.source_addr.clone());
            tokio::spawn(async move {
                let text: Vec<u8> = REPLY.encode_utf16().flat_map(u16::to_be_bytes).collect();
                let reply = esme.deliver_sm().source_addr(from).dest_addr_ton(1).dest_addr_npi(1);
                let _ = reply.destination_addr(to).data_coding(8).short_message(text).send().await;
            });
        }
        request.accept("1".to_owned())
    }

    async fn on_esme_unbound(&self, session: &String) {
        self.bound.write().await.remove(session);
    }
}

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let Some(port) = port else {
        eprintln!("icaze-baseline PORT");
        std::process::exit(2);
    };
    let mut server = SmppServer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port, Arc::new(Responder::default()));
    server.start().await;
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    server.stop().await;
}
