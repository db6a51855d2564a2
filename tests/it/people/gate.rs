//! A door before the emulator that lets through what a person's policies allow, and
//! refuses the rest as AWS does. The emulator itself asks nobody for their rights.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::policy::{Asked, Policies};

/// What went through it.
#[derive(Debug, Default)]
struct Seen {
    /// The actions that were asked for and allowed.
    allowed: BTreeSet<String>,
    /// What was refused.
    refused: Vec<String>,
}

/// The door. It ends with the test's process.
pub(super) struct Gate {
    /// Where it listens.
    pub(super) url: String,
    seen: Arc<Mutex<Seen>>,
}

/// A request as it came.
struct Request {
    method: String,
    path: String,
    /// The lines of its head, but for the first, and without its end.
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Gate {
    /// One before `upstream`, such as `http://127.0.0.1:4566`, for whoever has
    /// `policies`.
    pub(super) fn start(upstream: &str, policies: Policies) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (noted, policies) = (Arc::clone(&seen), Arc::new(policies));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (upstream, policies) = (upstream.clone(), Arc::clone(&policies));
                let noted = Arc::clone(&noted);
                thread::spawn(move || {
                    if let Some(request) = Request::read(&stream) {
                        answer(&stream, &request, &upstream, &policies, &noted);
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// The actions that were asked for and allowed.
    pub(super) fn allowed(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().allowed.clone()
    }

    /// What was refused, in order.
    pub(super) fn refused(&self) -> Vec<String> {
        self.seen.lock().unwrap().refused.clone()
    }
}

fn answer(
    stream: &TcpStream,
    request: &Request,
    upstream: &str,
    policies: &Policies,
    noted: &Mutex<Seen>,
) {
    let asked = request.asked();
    let missing = asked.iter().find(|asked| !policies.allow(asked));
    if let Some(missing) = missing {
        noted.lock().unwrap().refused.push(missing.to_string());
        let _ = refuse(stream, &request.service(), missing);
        return;
    }
    let actions = asked.into_iter().map(|asked| asked.action);
    noted.lock().unwrap().allowed.extend(actions);
    let _ = pass_on(stream, request, upstream);
}

/// As a service says that something is not allowed, by its protocol.
fn refuse(mut stream: &TcpStream, service: &str, missing: &Asked) -> std::io::Result<()> {
    let why = format!("User: ada is not authorized to perform: {missing}");
    let (status, body) = match service {
        "cloudformation" | "sns" | "sts" => (
            403,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                <Message>{why}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            ),
        ),
        _ => (
            400,
            serde_json::json!({ "__type": "AccessDeniedException", "message": why }).to_string(),
        ),
    };
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nx-amzn-errortype: AccessDeniedException\r\n\
        content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn pass_on(mut stream: &TcpStream, request: &Request, upstream: &str) -> std::io::Result<()> {
    let mut there = TcpStream::connect(upstream)?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for header in &request.headers {
        if !header.to_ascii_lowercase().starts_with("connection:") {
            head.push_str(header);
            head.push_str("\r\n");
        }
    }
    head.push_str("connection: close\r\n\r\n");
    there.write_all(head.as_bytes())?;
    there.write_all(&request.body)?;
    std::io::copy(&mut there, &mut stream)?;
    Ok(())
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            headers.push(line.to_owned());
        }
        let mut request = Self {
            method,
            path,
            headers,
            body: Vec::new(),
        };
        let length = request.header("content-length").unwrap_or("0");
        request.body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The service it was signed for.
    fn service(&self) -> String {
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
        let signed = self.header("authorization").unwrap_or_default();
        signed.split('/').nth(3).unwrap_or_default().to_owned()
    }

    /// What it asks for: each right that it takes.
    fn asked(&self) -> Vec<Asked> {
        let service = self.service();
        let text = String::from_utf8_lossy(&self.body);
        let target = self
            .header("x-amz-target")
            .and_then(|it| it.rsplit('.').next());
        match (service.as_str(), target) {
            ("lambda", _) => Asked::of_lambda(&self.method, &self.path),
            (_, Some(operation)) => {
                let body: Value = serde_json::from_str(&text).unwrap_or_default();
                Asked::of_json(&service, operation, &body)
            }
            (_, None) => Asked::of_query(&service, &text),
        }
    }
}
