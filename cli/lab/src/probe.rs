//! A function that is no service's: it answers at once, fails, or calls a
//! table, as its input says. With it the lab is measured from outside, as one
//! measures AWS.

use duet_core::Timestamp;
use duet_core::store::{Expect, Key, Store, Write};
use duet_edge::intake::Delivery;
use duet_edge::queue::Verdict;
use duet_edge::task::TaskError;
use serde_json::{Value, json};

use crate::host::{Host, timestamp};
use crate::ports::TablePort;
use crate::services::{Handler, Work};

/// When a function was called, and when it had ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The state, rule or command that led there.
    pub step: String,
    /// About which order or customer.
    pub subject: String,
    /// When its code began.
    pub began: Timestamp,
    /// When it had ended.
    pub ended: Timestamp,
}

/// The function's code.
pub(crate) struct Probe {
    pub(crate) host: Host,
    pub(crate) table: TablePort,
}

/// The error that it fails with when its input says so.
const REFUSED: &str = "Refused";

impl Handler for Probe {
    /// `data.fails` makes it fail, `data.writes` writes so many documents in one
    /// go and `data.reads` reads one; `ms` of the answer is how long that took.
    fn task(&self, input: Value, _: Timestamp) -> Work<Result<Value, TaskError>> {
        let (host, table) = (self.host.clone(), self.table.clone());
        Box::pin(async move {
            let data = &input["data"];
            if data["fails"] == true {
                return Err(TaskError {
                    name: REFUSED.to_owned(),
                    text: String::new(),
                });
            }
            let began = host.lock().now;
            if let Some(many) = data["writes"].as_u64() {
                let write = |n| {
                    Write::put(
                        Key::new("probe", format!("{n}")),
                        &json!({}),
                        Expect::Anything,
                    )
                };
                let done = table.commit((0..many).map(write).collect()).await;
                done.map_err(|fault| TaskError {
                    name: "Table".to_owned(),
                    text: format!("{fault:?}"),
                })?;
            }
            if data["reads"] == true {
                let read = table.load(&[Key::new("probe", "0")]).await;
                read.map_err(|fault| TaskError {
                    name: "Table".to_owned(),
                    text: format!("{fault:?}"),
                })?;
            }
            let took = host.lock().now - began;
            Ok(json!({ "ms": took }))
        })
    }

    fn receive(&self, _: Delivery) -> Work<Verdict> {
        Box::pin(async { Verdict::Acknowledge })
    }
}

impl Stamp {
    pub(crate) fn new(step: &str, subject: &str, began: i64, ended: i64) -> Self {
        Self {
            step: step.to_owned(),
            subject: subject.to_owned(),
            began: timestamp(began),
            ended: timestamp(ended),
        }
    }
}
