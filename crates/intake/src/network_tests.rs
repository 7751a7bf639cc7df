//! Receivers with real connections.

use crate::kept::{Kept, Sink};
use crate::{http, syslog};
use flate2::Compression;
use flate2::write::GzEncoder;
use parapet_ports::EventSource;
use parapet_ports::registry::{Place, Plugin, Settings};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "a token of the tests";

/// A receiver that runs.
struct Receiver {
    address: SocketAddr,
    kept: Arc<Kept>,
    stop: CancellationToken,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn start(plugin: &Plugin<dyn EventSource>, table: &str) -> Receiver {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let table = toml::from_str(&format!("listen = \"{port}\"\n{table}")).unwrap();
    let ready = (plugin.check)(Settings { name: "fleet".into(), table }).map_err(|error| error.to_string()).unwrap();
    let source = ready.open(&Place { directory: PathBuf::new() }).await.unwrap();
    let (kept, stop) = (Arc::<Kept>::default(), CancellationToken::new());
    let (sink, token) = (Arc::new(Sink(kept.clone())), stop.clone());
    tokio::spawn(async move { source.run(sink, token).await });
    Receiver { address: port, kept, stop }
}

fn error(plugin: &Plugin<dyn EventSource>, table: &str) -> String {
    let settings = Settings { name: "fleet".into(), table: toml::from_str(table).unwrap() };
    (plugin.check)(settings).err().map(|error| error.to_string()).unwrap_or_default()
}

/// Sends a request and returns the status and the answer.
async fn post(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), headers: &str, body: &[u8]) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "POST /v1/records HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A refusal may come before the body is sent.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

async fn post_plain(receiver: &Receiver, headers: &str, body: &[u8]) -> (u16, String) {
    post(&mut TcpStream::connect(receiver.address).await.unwrap(), headers, body).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_takes_lines_from_who_has_the_token_and_says_what_became_of_them() {
    let receiver = start(&http::PLUGIN, &format!("token = \"{TOKEN}\"")).await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let (status, answer) = post_plain(&receiver, &bearer, b"one\n!two\nthree").await;
    assert_eq!(status, 202, "{answer}");
    assert!(answer.contains("\"events\":2") && answer.contains("{\"line\":2,\"reason\":\"no record\"}"), "{answer}");
    assert_eq!(receiver.kept.lines(), ["one", "three"]);
    let packed = format!("{bearer}Content-Encoding: gzip\r\n");
    assert_eq!(post_plain(&receiver, &packed, &gzip(b"four\n")).await.0, 202);
    assert_eq!(receiver.kept.lines(), ["one", "three", "four"]);

    assert_eq!(post_plain(&receiver, "", b"five\n").await.0, 401);
    assert_eq!(post_plain(&receiver, "Authorization: Bearer wrong\r\n", b"five\n").await.0, 401);
    assert_eq!(post_plain(&receiver, &bearer, b"!\n").await.0, 422);
    assert_eq!(post_plain(&receiver, &packed, b"not gzip").await.0, 400);
    let brotli = format!("{bearer}Content-Encoding: br\r\n");
    assert_eq!(post_plain(&receiver, &brotli, b"five\n").await.0, 415);
    assert_eq!(receiver.kept.lines().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_bodies_have_a_limit_packed_and_unpacked() {
    let receiver = start(&http::PLUGIN, &format!("token = \"{TOKEN}\"\nbody_bytes_max = 2048")).await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(post_plain(&receiver, &bearer, &b"x\n".repeat(2000)).await.0, 413);
    let packed = format!("{bearer}Content-Encoding: gzip\r\n");
    assert_eq!(post_plain(&receiver, &packed, &gzip(&vec![b'x'; 1 << 20])).await.0, 413);
}

/// Certificates of an authority, a server and a client.
struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
        write("ca.pem", params.self_signed(&key).unwrap().pem());
        let authority = Issuer::new(params, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            write(&format!("{name}.pem"), certificate.signed_by(&key, &authority).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Certificates { directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn table(&self, client_ca: bool) -> String {
        let (certificate, key) = (self.file("server.pem"), self.file("server.key"));
        let client_ca = if client_ca { format!("client_ca = {:?}\n", self.file("ca.pem")) } else { String::new() };
        format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{client_ca}")
    }

    async fn connect(
        &self,
        address: SocketAddr,
        client: bool,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let read = |path: &Path| CertificateDer::from_pem_file(path).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(read(&self.file("ca.pem"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = if client {
            let key = PrivateKeyDer::from_pem_file(self.file("client.key")).unwrap();
            builder.with_client_auth_cert(vec![read(&self.file("client.pem"))], key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_lets_in_clients_with_a_certificate_only() {
    let certificates = Certificates::new();
    let receiver = start(&http::PLUGIN, &certificates.table(true)).await;
    let mut stream = certificates.connect(receiver.address, true).await.unwrap();
    assert_eq!(post(&mut stream, "", b"one\n").await.0, 202);
    // The refusal arrives with the first read.
    if let Ok(mut stream) = certificates.connect(receiver.address, false).await {
        let _ = stream.write_all(b"POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ntwo\n").await;
        assert!(stream.read(&mut [0; 1]).await.is_err());
    }
    assert_eq!(receiver.kept.lines(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_takes_both_framings_and_ends_records_that_wait() {
    let receiver = start(&syslog::PLUGIN, "").await;
    let mut stream = TcpStream::connect(receiver.address).await.unwrap();
    stream.write_all(b"<13>Nov 22 06:33:17 host waf: one\n12 <13>waf: two<13>1 - - - - - - thr").await.unwrap();
    assert_eq!(receiver.kept.wait_for(2).await, ["one", "two"]);
    stream.write_all(b"ee\n<13>waf: +four\n").await.unwrap();
    assert_eq!(receiver.kept.wait_for(4).await, ["one", "two", "three", "+four"]);
    stream.write_all(b"<13>waf: no end").await.unwrap();
    drop(stream);
    assert_eq!(receiver.kept.wait_for(5).await[4], "no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_by_tls_and_by_datagrams() {
    let certificates = Certificates::new();
    let receiver = start(&syslog::PLUGIN, &format!("transport = \"tls\"\n{}", certificates.table(false))).await;
    let mut stream = certificates.connect(receiver.address, false).await.unwrap();
    stream.write_all(b"12 <13>waf: one").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(receiver.kept.wait_for(1).await, ["one"]);

    let receiver = start(&syslog::PLUGIN, "transport = \"udp\"").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"<13>waf: one\n", receiver.address).await.unwrap();
    socket.send_to(b"<13>waf: two", receiver.address).await.unwrap();
    assert_eq!(receiver.kept.wait_for(2).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_is_taken_from_allowed_networks_only() {
    let receiver = start(&syslog::PLUGIN, "allow = [\"10.0.0.0/8\", \"::1\"]").await;
    let mut stream = TcpStream::connect(receiver.address).await.unwrap();
    let _ = stream.write_all(b"<13>waf: one\n").await;
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)), "it is closed");
    assert!(receiver.kept.lines().is_empty());
}

#[test]
fn wrong_configurations_are_named() {
    let address = "listen = \"127.0.0.1:1\"\n";
    let http = |table: &str| error(&http::PLUGIN, &format!("{address}{table}"));
    assert!(http("").contains("set `token`, or `tls.client_ca`"));
    assert!(http("token = \"short\"").contains("at least 16"));
    assert!(http("token = \"0123456789abcdef\"\nbody_bytes_max = 1").contains("body_bytes_max"));
    assert_eq!(http("token = \"0123456789abcdef\""), "");
    assert!(!http("token = 1").contains("0123456789abcdef"));
    let syslog = |table: &str| error(&syslog::PLUGIN, &format!("{address}{table}"));
    assert_eq!(syslog(""), "");
    assert!(syslog("transport = \"tls\"").contains("belong together"));
    assert!(syslog("transport = \"carrier-pigeon\"").contains("carrier-pigeon"));
    assert!(syslog("allow = [\"here\"]").contains("\"here\" is no network"));
    assert!(
        error(&syslog::PLUGIN, "listen = \"514\"").contains("listen")
            || !error(&syslog::PLUGIN, "listen = \"514\"").is_empty()
    );
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named() {
    let table = "listen = \"127.0.0.1:0\"\ntransport = \"tls\"\n[tls]\ncertificate = \"/nowhere/a.pem\"\nkey = \"/nowhere/a.key\"";
    let settings = Settings { name: "fleet".into(), table: toml::from_str(table).unwrap() };
    let ready = (syslog::PLUGIN.check)(settings).map_err(|error| error.to_string()).unwrap();
    let opened = ready.open(&Place { directory: PathBuf::new() }).await;
    assert!(opened.err().unwrap().to_string().contains("/nowhere/a"));
}
