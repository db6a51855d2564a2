//! AWS as a test plays it: what goes over the wire is looked at, and every answer is
//! written down beforehand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{Credentials, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// How a call is answered.
pub(crate) enum Answer {
    /// With this status and this JSON; of an API that speaks XML, a string is its text.
    Says(u16, Value),
    /// The call may have arrived; nothing comes back.
    Nothing,
    /// Nor does the connection end.
    Hangs,
}

/// An error of an API that speaks JSON.
pub(crate) fn error(code: &str) -> Answer {
    Answer::Says(400, json!({ "__type": format!("com.amazonaws.x#{code}") }))
}

/// Who calls it.
pub(crate) fn credentials() -> Credentials {
    Credentials::new("id", "secret", None, None, "test")
}

/// A host that gives its answers in turn, and remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Host {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

impl Host {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let asked = Arc::default();
        Self { answers, asked }
    }

    /// What stands in a client's configuration in place of the network.
    pub(crate) fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// What it was asked: the operation, and the request: an object, also where it went
    /// as a form.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    /// The operations it was asked for.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.asked().into_iter().map(|(name, _)| name).collect()
    }
}

impl HttpConnector for Host {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.asked.lock().unwrap().push(read(&request));
        match self.answers.lock().unwrap().pop_front() {
            Some(Answer::Says(status, body)) => {
                let text = body
                    .as_str()
                    .map_or_else(|| body.to_string(), str::to_owned);
                let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(text));
                HttpConnectorFuture::ready(Ok(answer))
            }
            Some(Answer::Hangs) => HttpConnectorFuture::new(std::future::pending()),
            Some(Answer::Nothing) => {
                HttpConnectorFuture::ready(Err(ConnectorError::io("reset".into())))
            }
            None => panic!("nobody expects this call"),
        }
    }
}

/// The operation and the members of a request, in the three ways that AWS's APIs have:
/// a header that names it, a form, a method and a path.
fn read(request: &HttpRequest) -> (String, Value) {
    let body = request.body().bytes().unwrap();
    let json = || serde_json::from_slice(body).unwrap_or_default();
    if let Some(target) = request.headers().get("x-amz-target") {
        let operation = target.rsplit('.').next().unwrap();
        return (operation.to_owned(), json());
    }
    let kind = request.headers().get("content-type").unwrap_or_default();
    if kind == "application/x-www-form-urlencoded" {
        let pairs = form_urlencoded::parse(body);
        let form: Value = pairs.into_owned().collect();
        let operation = form["Action"].as_str().unwrap().to_owned();
        return (operation, form);
    }
    let path = request.uri().split_once("amazonaws.com").unwrap().1;
    (format!("{} {path}", request.method()), json())
}
