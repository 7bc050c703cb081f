//! Operators in TLS, in both roles.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use icaze_codec::pdu::Command;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::operator::pdu;
use crate::support::{Gateway, Site, until};

/// An authority, and what it has signed so far.
pub(crate) struct Authority(Issuer<'static, KeyPair>, pub(crate) String);

/// A certificate and its key, both PEM.
pub(crate) struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), certificate)
    }

    pub(crate) fn sign(&self, name: &str) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        // Under the authority's own name OpenSSL would take it for its own.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.1.as_bytes()).unwrap()).unwrap();
        roots
    }
}

impl Signed {
    pub(crate) fn save(&self, dir: &Path, name: &str) {
        fs::write(dir.join(format!("{name}.pem")), &self.certificate).unwrap();
        fs::write(dir.join(format!("{name}.key")), &self.key).unwrap();
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// A gateway that serves TLS with a certificate of `authority`, and takes clients that `clients` has signed.
fn gateway(authority: &Authority, clients: Option<&Authority>) -> (Site, Gateway) {
    let site = Site::new("");
    let dir = site.dir.path();
    authority.sign("localhost").save(dir, "gateway");
    let path = |name: &str| dir.join(name).display().to_string();
    let mut settings = vec![
        "SMPP__TLS_LISTEN=127.0.0.1:0".to_owned(),
        "OPERATORS__DEMO__TLS=true".to_owned(),
        format!("TLS__CERTIFICATE={}", path("gateway.pem")),
        format!("TLS__KEY={}", path("gateway.key")),
    ];
    if let Some(clients) = clients {
        fs::write(dir.join("clients.pem"), &clients.1).unwrap();
        settings.push(format!("SMPP__TLS_CLIENT_CA={}", path("clients.pem")));
    }
    let gateway = site.start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    (site, gateway)
}

/// Binds in TLS, trusting `authority` and showing `certificate`: the gateway's own certificate, and the command and status of its
/// response.
fn bind(
    gateway: &Gateway,
    authority: &Authority,
    certificate: Option<&Signed>,
) -> std::io::Result<(CertificateDer<'static>, u32, u32)> {
    let config = ClientConfig::builder().with_root_certificates(authority.roots());
    let config = match certificate {
        Some(signed) => config.with_client_auth_cert(signed.chain(), signed.key()).unwrap(),
        None => config.with_no_client_auth(),
    };
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(&gateway.smpp_tls).unwrap());
    stream.write_all(&pdu(Command::BIND_TRANSCEIVER, 1, b"demo\0demo1234\0\0\x34\0\0\0"))?;
    let mut header = [[0; 4]; 4];
    stream.read_exact(header.as_flattened_mut())?;
    let [_, command, status, _] = header.map(u32::from_be_bytes);
    let shown = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    Ok((shown, command, status))
}

const BOUND: (u32, u32) = (0x8000_0009, 0);

#[test]
fn an_operator_binds_in_tls_and_only_there() {
    let authority = Authority::new();
    let (_site, gateway) = gateway(&authority, None);
    let (_, command, status) = bind(&gateway, &authority, None).unwrap();
    assert_eq!((command, status), BOUND);
    assert!(bind(&gateway, &Authority::new(), None).is_err(), "an authority that the operator does not know");
    let mut clear = crate::operator::Peer::connect(&gateway.smpp);
    assert!(clear.bind("demo", "demo1234").is_none_or(|response| !response.status.is_ok()));
}

#[test]
fn a_client_shows_a_certificate_that_was_agreed() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (_site, gateway) = gateway(&ours, Some(&theirs));
    let (_, command, status) = bind(&gateway, &ours, Some(&theirs.sign("azercell"))).unwrap();
    assert_eq!((command, status), BOUND);
    assert!(bind(&gateway, &ours, None).is_err(), "none");
    assert!(bind(&gateway, &ours, Some(&Authority::new().sign("azercell"))).is_err(), "a stranger's");
}

#[test]
fn a_new_certificate_is_shown_after_a_reload() {
    let authority = Authority::new();
    let (site, gateway) = gateway(&authority, None);
    let (before, ..) = bind(&gateway, &authority, None).unwrap();
    let renewed = authority.sign("localhost");
    renewed.save(site.dir.path(), "gateway");
    gateway.reload();
    until("the new certificate", || {
        let (shown, ..) = bind(&gateway, &authority, None).unwrap();
        assert!(shown == before || shown == renewed.chain()[0]);
        shown != before
    });
}

#[test]
fn we_bind_in_tls_to_an_smsc_that_an_agreed_authority_vouches_for() {
    let authority = Authority::new();
    for (name, reaches) in [("127.0.0.1", true), ("elsewhere.example", false)] {
        let smsc = TcpListener::bind("127.0.0.1:0").unwrap();
        let signed = authority.sign(name);
        let site = Site::new("");
        let ca = site.dir.path().join("smsc.pem");
        fs::write(&ca, &authority.1).unwrap();
        let _gateway = site.start_with(&[
            "OPERATORS__DEMO__ROLE=connect",
            "OPERATORS__DEMO__TLS=true",
            &format!("OPERATORS__DEMO__TLS_CA={}", ca.display()),
            &format!("OPERATORS__DEMO__ADDRESSES={}", smsc.local_addr().unwrap()),
        ]);
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(signed.chain(), signed.key());
        let connection = ServerConnection::new(Arc::new(config.unwrap())).unwrap();
        let mut stream = StreamOwned::new(connection, smsc.accept().unwrap().0);
        let mut header = [[0; 4]; 4];
        let heard = stream.read_exact(header.as_flattened_mut());
        assert_eq!(heard.is_ok(), reaches, "{name}: {heard:?}");
        if reaches {
            assert_eq!(u32::from_be_bytes(header[1]), 0x09, "bind_transceiver");
        }
    }
}

/// What `GET path` is answered over HTTPS, and the certificate that was shown.
fn https(gateway: &Gateway, authority: &Authority, path: &str) -> (String, CertificateDer<'static>) {
    let config = ClientConfig::builder().with_root_certificates(authority.roots()).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(&gateway.http).unwrap());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    // Whoever closes without a farewell has said everything.
    let _ = stream.read_to_string(&mut answer);
    let shown = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    (answer, shown)
}

#[test]
fn http_is_in_tls_with_a_certificate_that_can_be_renewed_and_silent_clients_hold_nobody_up() {
    let authority = Authority::new();
    let site = Site::new("");
    let dir = site.dir.path();
    authority.sign("localhost").save(dir, "gateway");
    let gateway = site.start_with(&[
        "HTTP__TLS=true",
        &format!("TLS__CERTIFICATE={}", dir.join("gateway.pem").display()),
        &format!("TLS__KEY={}", dir.join("gateway.key").display()),
    ]);
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&gateway.http).unwrap()).collect();
    let (answer, before) = https(&gateway, &authority, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
    let mut clear = TcpStream::connect(&gateway.http).unwrap();
    clear.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut heard = Vec::new();
    let _ = clear.read_to_end(&mut heard);
    assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    let renewed = authority.sign("localhost");
    renewed.save(dir, "gateway");
    gateway.reload();
    until("the new certificate", || {
        let (_, shown) = https(&gateway, &authority, "/readyz");
        assert!(shown == before || shown == renewed.chain()[0]);
        shown != before
    });
    drop(silent);
}
