//! The runtime API, as far as a function asks it (AWS Lambda developer guide,
//! "Using the Lambda runtime API").

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use duet_core::{Clock, Fact, SystemClock, Vocabulary};

use crate::aws::{Request, read};

/// A call of the API.
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) head: String,
    pub(crate) body: String,
    stream: TcpStream,
}

impl Call {
    /// Whether it asks for work.
    pub(crate) fn is_poll(&self) -> bool {
        self.head
            .starts_with("GET /2018-06-01/runtime/invocation/next")
    }

    /// Whether it is an answer to what was asked, in which nothing failed. That
    /// the business says no, as it does where tables are empty, is an answer.
    pub(crate) fn is_good(&self) -> bool {
        let batch = self.body.contains("\"Records\"");
        let failed = self.body.contains("batchItemFailures") && !self.body.contains("[]");
        let refuses = |name: &&str| self.body.contains(&format!("\"errorType\":\"{name}\""));
        let declined = Fact::NAMES.iter().any(refuses);
        declined || (self.head.contains("/response ") && (batch || !failed))
    }
}

/// The API for one function.
pub(crate) struct Runtime {
    pub(crate) address: String,
    calls: Receiver<Call>,
    /// Where the function waits for work.
    waits: Option<TcpStream>,
}

impl Runtime {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, calls) = channel();
        // It ends with the function, or with the bench.
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || listen(stream, &sender));
            }
        });
        Self {
            address,
            calls,
            waits: None,
        }
    }

    /// The function's next call.
    pub(crate) fn next(&mut self) -> Call {
        let call = self
            .calls
            .recv_timeout(Duration::from_secs(60))
            .expect("the function calls within a minute");
        if call.is_poll() {
            self.waits = call.stream.try_clone().ok();
        }
        call
    }

    /// Answers the poll with `event`, to be done in ten seconds.
    pub(crate) fn hand_out(&mut self, event: &str) {
        let deadline = SystemClock.now().as_millisecond() + 10_000;
        let answer = format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\n\
             Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}",
            event.len()
        );
        let mut stream = self.waits.take().expect("the function waits");
        stream
            .write_all(answer.as_bytes())
            .expect("the function listens");
    }
}

fn listen(stream: TcpStream, calls: &Sender<Call>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a connection"));
    while let Some(Request { head, body }) = read(&mut reader) {
        let call = Call {
            at: Instant::now(),
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
            stream: stream.try_clone().expect("a connection"),
        };
        if calls.send(call).is_err() {
            return;
        }
    }
}
