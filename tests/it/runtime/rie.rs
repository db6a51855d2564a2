//! A service's binary under Lambda's own runtime interface emulator.

use std::collections::BTreeMap;
use std::time::Duration;

use duet_cli::world::aws::EMULATED_REGION;
use duet_local::build::Architecture;
use duet_local::rie::RuntimeInterface;
use duet_local::{Environment, python};
use serde_json::Value;

use crate::harness::{local, root};
use crate::shop::{Shop, string};

/// What the environment of a function says.
pub(crate) type Variables = BTreeMap<String, String>;

/// A service's binary under the runtime interface emulator.
pub(crate) struct Rie {
    running: RuntimeInterface,
    _log: tempfile::TempDir,
}

impl Rie {
    /// The variables of the deployed function `what` (`Task` or `Queue`) of
    /// `service`, and those by which Lambda tells it where AWS is.
    pub(crate) async fn variables(shop: &Shop, service: &str, what: &str) -> Variables {
        let name = shop.of_service(service, &format!("{what}Function"));
        let found = shop
            .functions
            .get_function_configuration()
            .function_name(name)
            .send()
            .await
            .unwrap();
        let mut variables: Variables = found
            .environment()
            .and_then(|e| e.variables())
            .unwrap()
            .clone()
            .into_iter()
            .collect();
        for (name, value) in [
            ("AWS_REGION", EMULATED_REGION),
            ("AWS_ENDPOINT_URL", &local().endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables
    }

    /// Starts the binary of `service` with `variables` and nothing else.
    pub(crate) fn start(service: &str, variables: &Variables) -> Self {
        let environment = Environment::new(std::env::vars_os());
        let requirements = root().join("infra/local/requirements.txt");
        let python = python::prepare(
            &requirements,
            &root().join(".duet"),
            &environment,
            &mut |_| {},
        )
        .unwrap();
        let emulator = python
            .runtime_interface_emulator(Architecture::here().unwrap())
            .unwrap();
        let bootstrap = root()
            .join("target/lambda")
            .join(service)
            .join("bootstrap")
            .canonicalize()
            .unwrap();
        let log = tempfile::tempdir().unwrap();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let file = log.path().join("log");
        let limit = Duration::from_secs(30);
        let running = RuntimeInterface::start(
            &emulator,
            &bootstrap,
            &variables,
            &file,
            limit,
            &environment,
        )
        .unwrap();
        Self { running, _log: log }
    }

    /// Invokes it; gives its answer, or its error record.
    pub(crate) fn ask(&self, payload: &Value) -> Value {
        let answer = self.running.invoke(&payload.to_string()).unwrap();
        serde_json::from_str(&answer)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {answer}\n{}", self.log()))
    }

    /// The name and text of the error that `payload` must lead to.
    pub(super) fn error(&self, payload: &Value) -> (String, String) {
        let answer = self.ask(payload);
        assert!(answer["errorType"].is_string(), "no error: {answer}");
        (
            string(&answer["errorType"]),
            string(&answer["errorMessage"]),
        )
    }

    /// What one that cannot start printed when it was asked.
    pub(super) fn complaint(self) -> String {
        let answer = self.running.invoke("{}").unwrap();
        // The emulator answers for it: with an error, or with nothing at all.
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert!(
            answer.is_null() || answer["errorType"].is_string(),
            "it started: {answer}"
        );
        self.log()
    }

    /// What it printed.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.running.log()).unwrap()
    }
}
