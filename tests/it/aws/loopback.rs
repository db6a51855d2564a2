//! AWS as far as a test needs it: a server on this machine that notes what it is
//! asked, and answers as the test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The service it was signed for, such as `sqs`.
    pub(crate) service: String,
    /// The region it was signed for.
    pub(crate) region: String,
    /// The operation, such as `DeleteStack`; for REST services, the path.
    pub(crate) operation: String,
    /// Its body.
    pub(crate) body: String,
}

/// The server. It ends with the test's process.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts one. `answer` gives a status and a body.
    pub(crate) fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Somebody who only connects has asked, too.
                let request = read(&stream).unwrap_or_default();
                noted.lock().unwrap().push(request.clone());
                let (status, body) = answer(&request);
                let _ = write!(
                    &stream,
                    "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { url, asked }
    }

    /// One that should not be asked.
    pub(crate) fn decoy() -> Self {
        Self::start(|_| (500, String::new()))
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The operations it was asked for, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        let asked = self.asked().into_iter();
        asked.map(|asked| asked.operation).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut asked = Asked {
        operation: first.split(' ').nth(1)?.to_owned(),
        ..Asked::default()
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-amz-target" => asked.operation = value.rsplit('.').next()?.to_owned(),
            // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
            "authorization" => {
                let mut scope = value.split('/').skip(2);
                asked.region = scope.next()?.to_owned();
                asked.service = scope.next()?.to_owned();
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    let mut fields = asked.body.split('&');
    if let Some(action) = fields.find_map(|field| field.strip_prefix("Action=")) {
        asked.operation = action.to_owned();
    }
    Some(asked)
}

/// The answer to `sts:GetCallerIdentity`.
pub(crate) fn identity() -> (u16, String) {
    let text = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
        <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>A</UserId>\
        <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    (200, text.to_owned())
}

/// The answer to `cloudformation:DescribeStacks`: a stack in this state.
pub(crate) fn stack(name: &str, status: &str, outputs: &[(&str, &str)]) -> (u16, String) {
    let outputs = outputs.iter().map(|(name, value)| {
        format!("<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>")
    });
    let outputs: String = outputs.collect();
    let text = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
        <DescribeStacksResult><Stacks><member><StackName>{name}</StackName>\
        <StackId>{}</StackId><StackStatus>{status}</StackStatus>\
        <CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>{outputs}</Outputs>\
        </member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
        stack_id(name)
    );
    (200, text)
}

/// A stack's ARN.
pub(crate) fn stack_id(name: &str) -> String {
    format!("arn:aws:cloudformation:eu-north-1:123456789012:stack/{name}/1")
}

/// The answer to `cloudformation:DescribeStackEvents`: (logical id, physical id,
/// type, status, reason), the newest first.
pub(crate) fn events(events: &[[&str; 5]]) -> (u16, String) {
    let events = events.iter().map(|[logical, physical, kind, status, why]| {
        format!(
            "<member><StackId>s</StackId><EventId>e</EventId><StackName>s</StackName>\
            <LogicalResourceId>{logical}</LogicalResourceId>\
            <PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>{kind}</ResourceType>\
            <Timestamp>2026-01-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus>\
            <ResourceStatusReason>{why}</ResourceStatusReason></member>"
        )
    });
    let events: String = events.collect();
    let text = format!(
        "<DescribeStackEventsResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
        <DescribeStackEventsResult><StackEvents>{events}</StackEvents></DescribeStackEventsResult>\
        </DescribeStackEventsResponse>"
    );
    (200, text)
}

/// An answer of a query API that something is wrong.
pub(crate) fn refusal(code: &str, message: &str) -> (u16, String) {
    let text = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
        <Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (400, text)
}
