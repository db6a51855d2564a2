//! All of AWS that a function calls, on this machine: a proxy that is every
//! host, each behind TLS with a certificate of our own authority.
//!
//! A proxy, for then the functions call the hosts they call on AWS, each over a
//! connection of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Where Linux distributions keep their root certificates.
const ROOTS: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// The endpoints.
pub(crate) struct Aws {
    proxy: String,
    roots: PathBuf,
}

impl Aws {
    pub(crate) fn start() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let names = vec!["*.us-east-1.amazonaws.com".to_owned()];
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &authority))
            .expect("a certificate");

        // As many roots as a function has to read, and ours.
        let known = ROOTS.iter().find_map(|file| std::fs::read(file).ok());
        let mut bundle = known.unwrap_or_default();
        bundle.extend(authority.pem().into_bytes());
        let file = format!("duet-cold-start-{}.pem", std::process::id());
        let roots = std::env::temp_dir().join(file);
        std::fs::write(&roots, bundle).expect("a writable temporary folder");

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .expect("a key that fits");
        let config = Arc::new(config);

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let config = config.clone();
                std::thread::spawn(move || serve(stream, config));
            }
        });
        Self { proxy, roots }
    }

    /// What a function finds them by.
    pub(crate) fn variables(&self) -> [(&str, String); 5] {
        [
            ("HTTPS_PROXY", self.proxy.clone()),
            ("SSL_CERT_FILE", self.roots.display().to_string()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.roots);
    }
}

/// A request: its head as text, its body.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Reads a request; `None` when the other side is done.
pub(crate) fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut body = Vec::new();
    if let Some(length) = header(&head, "content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if header(&head, "transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let at = body.len();
            body.resize(at + size, 0);
            reader.read_exact(&mut body[at..]).ok()?;
            reader.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
        }
    }
    Some(Request { head, body })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .into_iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// One connection: a tunnel to a host, and its requests.
fn serve(mut stream: TcpStream, config: Arc<ServerConfig>) {
    // Or each handshake waits 40 ms for an acknowledgement that is delayed.
    let _ = stream.set_nodelay(true);
    let asked =
        read(&mut BufReader::new(&stream)).filter(|asked| asked.head.starts_with("CONNECT"));
    let Some(Request { head, .. }) = asked else {
        return;
    };
    if stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").is_err() {
        return;
    }
    let host = head.trim_start_matches("CONNECT ").to_owned();
    let connection = ServerConnection::new(config).expect("a connection");
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(request) = read(&mut reader) {
        let body = answer(&host, &request);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = reader.get_mut();
        if stream.write_all(answer.as_bytes()).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

/// What the services say: tables are empty, and everything is taken.
fn answer(host: &str, Request { head, body }: &Request) -> String {
    if head.starts_with("GET ") {
        return "healthy".to_owned();
    }
    if host.starts_with("sns.") {
        return r#"<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"#.to_owned();
    }
    let target = header(head, "x-amz-target").unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    match operation {
        "BatchGetItem" => json!({ "Responses": {}, "UnprocessedKeys": {} }),
        "PutEvents" => {
            let request: Value = serde_json::from_slice(body).unwrap_or_default();
            let entries = request["Entries"].as_array().map_or(0, Vec::len);
            json!({ "FailedEntryCount": 0, "Entries": vec![json!({ "EventId": "e-1" }); entries] })
        }
        "GetQueueUrl" => {
            json!({ "QueueUrl": format!("https://{}/1/q", host.split(':').next().unwrap_or(host)) })
        }
        "SendMessage" => json!({ "MessageId": "m-1" }),
        _ => json!({}),
    }
    .to_string()
}
