//! What is asked of an emulator over HTTP, outside the AWS APIs: its health and
//! its settings.

use std::time::Duration;

use serde::Deserialize;

use super::super::{Error, Result};
use super::Emulator;

/// The parts of a health answer that identify an emulator.
#[derive(Deserialize)]
pub(super) struct Health {
    pub(super) version: Option<String>,
    #[serde(rename = "services")]
    pub(super) _services: serde_json::Map<String, serde_json::Value>,
}

impl Emulator {
    /// Changes settings of the running emulator, such as
    /// `("stepfunctions._SFN_WAIT_SCALE", 0.0)`: waits and retry intervals of
    /// workflows times that factor.
    ///
    /// # Errors
    /// [`Error::Setting`] when the emulator has no such setting, or none that can
    /// be changed.
    pub fn configure(&self, settings: &[(&str, f64)]) -> Result<()> {
        #[derive(Deserialize)]
        struct Applied {
            applied: serde_json::Map<String, serde_json::Value>,
        }
        let wrong = |why: String| Error::Setting {
            endpoint: self.endpoint.clone(),
            why,
        };
        let wanted: serde_json::Map<_, _> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(*value)))
            .collect();
        let answer = agent()
            .post(format!("{}/_ministack/config", self.endpoint))
            .send(serde_json::Value::Object(wanted).to_string())
            .map_err(|error| wrong(error.to_string()))?
            .into_body()
            .read_to_string()
            .map_err(|error| wrong(error.to_string()))?;
        let applied = serde_json::from_str::<Applied>(&answer)
            .map_err(|_| wrong("it is not an emulator whose settings can be changed".to_owned()))?
            .applied;
        match settings
            .iter()
            .find(|(name, _)| !applied.contains_key(*name))
        {
            Some((name, _)) => Err(wrong(format!("it has no setting {name}"))),
            None => Ok(()),
        }
    }
}

/// Why no health answer was had.
pub(super) enum Silence {
    /// Nothing answers there.
    None(String),
    /// Something does, but it is not a health answer.
    Other(#[expect(dead_code, reason = "kept for debugging output")] String),
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(3)))
        .proxy(None)
        .http_status_as_error(false)
        .build()
        .into()
}

/// Asks for a health answer, for at most 3 s.
pub(super) fn ask(endpoint: &str, path: &str) -> std::result::Result<Health, Silence> {
    let mut answer = agent()
        .get(format!("{endpoint}{path}"))
        .call()
        .map_err(|error| Silence::None(error.to_string()))?;
    let text = answer
        .body_mut()
        .read_to_string()
        .map_err(|error| Silence::Other(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| Silence::Other(error.to_string()))
}
