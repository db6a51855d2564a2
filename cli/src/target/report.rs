//! What is told of a system: that it is up, or down, and how it is.

use serde::Serialize;

#[cfg(not(feature = "aws"))]
use super::absent::{Account, Emulator};
#[cfg(feature = "aws")]
use super::cloud::{Account, Emulator};
use crate::ops::trouble::Trouble;
use crate::target::lasting::Facts;
use crate::terminal::exit::Exit;
use crate::terminal::global::On;
use crate::terminal::report::Report;
use crate::world::Deployment;

/// What is told of a lab before there is one. The first command begins it, so
/// nothing is missing.
pub(super) const NO_LAB_YET: &str = "there is no lab yet; the first command begins one";

/// The system is up.
#[derive(Debug, Serialize)]
pub struct UpReport {
    pub(super) on: On,
    pub(super) stack: String,
    pub(super) endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<Account>,
    #[serde(flatten)]
    pub(super) deployment: Deployment,
    pub(super) elapsed_ms: u64,
}

impl Report for UpReport {
    fn text(&self) -> String {
        let at = match (self.on, &self.endpoint) {
            (_, Some(endpoint)) => format!("at {endpoint}"),
            (On::Lab, None) => "in the lab".to_owned(),
            (_, None) => "at AWS".to_owned(),
        };
        let account = self.account.as_ref();
        let account = account.map_or(String::new(), |account| format!(" ({account})"));
        format!(
            "stack {} is up {at}{account}, {}, fraud detection {}, after {:.1} s",
            self.stack,
            self.deployment.variants.join(" and "),
            self.deployment.fraud,
            self.elapsed_ms as f64 / 1000.0
        )
    }
}

/// Something is stopped.
#[derive(Debug, Serialize)]
pub struct DownReport {
    pub(super) done: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<Account>,
}

impl Report for DownReport {
    fn text(&self) -> String {
        self.done.clone()
    }
}

/// What is running and deployed.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    pub(super) on: On,
    pub(super) stack: String,
    pub(super) emulator: Option<Emulator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<Account>,
    pub(super) lab: Option<LabStatus>,
    pub(super) deployment: Option<Deployment>,
    pub(super) problem: Option<String>,
}

/// What there is in a lab.
#[derive(Debug, Serialize)]
pub(super) struct LabStatus {
    #[serde(flatten)]
    pub(super) facts: Facts,
    pub(super) orders: usize,
    #[serde(skip_serializing_if = "Trouble::is_none")]
    pub(super) trouble: Trouble,
}

impl Report for StatusReport {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(emulator) = &self.emulator {
            lines.push(emulator.to_string());
        }
        match (&self.account, &self.endpoint) {
            (Some(account), _) => lines.push(account.to_string()),
            (None, Some(endpoint)) => lines.push(format!("endpoint {endpoint}")),
            (None, None) => {}
        }
        if let Some(LabStatus {
            facts,
            orders,
            trouble,
        }) = &self.lab
        {
            lines.push(format!(
                "lab since {:.0}, now {:.0}: {orders} orders, {} inputs",
                facts.started, facts.now, facts.inputs
            ));
            lines.push(format!("in {}", facts.file.display()));
            let given = facts.parameters.iter();
            lines.extend(given.map(|(name, value)| format!("parameter {name}={value}")));
            if !trouble.is_none() {
                lines.push(trouble.to_string());
            }
            if facts.updating {
                lines.push("an update is under way".to_owned());
            }
        }
        match (&self.deployment, &self.problem) {
            (Some(there), _) => {
                lines.push(format!(
                    "stack {}: {}, fraud detection {}, patience {} s",
                    self.stack,
                    there.variants.join(" and "),
                    there.fraud,
                    there.patience_seconds
                ));
            }
            (None, Some(problem)) => lines.push(problem.trim_start_matches("error: ").to_owned()),
            (None, None) => {}
        }
        lines.join("\n")
    }

    fn exit(&self) -> Exit {
        let none_yet = self.problem.as_deref() == Some(NO_LAB_YET);
        if self.deployment.is_some() || none_yet {
            Exit::Done
        } else {
            Exit::Environment
        }
    }
}
