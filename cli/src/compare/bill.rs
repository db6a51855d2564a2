//! What is charged for: the lines of a bill, from metered units and from what is
//! deployed.

use std::collections::{BTreeMap, BTreeSet};

use duet_lab::{Definitions, bundled, deployed, stacks};
use serde::{Deserialize, Serialize};

use super::prices;
use crate::shop::variant::Description;
use crate::terminal::exit::{Outcome, Problem};

/// How many orders a sum is for.
pub(super) const MILLION: f64 = 1e6;
const GIB: f64 = 1_024.0 * 1_024.0 * 1_024.0;
/// Bytes of the lines that Lambda writes by itself for an invocation (START,
/// END, REPORT). An assumption: nobody publishes their mean size.
const PLATFORM_LINES: f64 = 400.0;
/// Requests a month of a mapping that polls an empty queue: five pollers that
/// each wait for 20 seconds, over 730 hours. An assumption: AWS publishes none.
const EMPTY_RECEIVES: f64 = 5.0 * 3.0 * 60.0 * 730.0;
/// The memory of an Express execution: the least that is billed (Step Functions
/// pricing: by 64 MB). An assumption: AWS says how much one takes only in its bill.
const EXPRESS_MEMORY_MIB: f64 = 64.0;
/// Dashboards that cost nothing.
const FREE_DASHBOARDS: usize = 3;
/// The group of what is charged for a month in which nothing happens.
pub(super) const STANDING: &str = "standing";
/// The line of functions that wait for a payment provider or a carrier.
const THIRD_PARTY: &str = "waiting for a third party";

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Which sum it belongs to.
    pub group: String,
    /// What is charged for.
    pub what: String,
    /// How many units for one order, or a month.
    pub units: f64,
    /// The price, by name.
    pub price: String,
    /// US dollars for a million orders, or for a month.
    pub usd: f64,
    /// Whether the units rest on an assumption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// Lines are collected here.
pub(super) struct Bill {
    pub(super) lines: Vec<Line>,
    pub(super) missing: BTreeSet<String>,
}

impl Bill {
    /// An empty bill. It names `missing` as what is charged for, and has no price here.
    pub(super) fn without(missing: &[&str]) -> Self {
        Self {
            lines: Vec::new(),
            missing: missing.iter().map(|what| (*what).to_owned()).collect(),
        }
    }

    /// Charges `units` of `item` for each of `many`.
    fn charge(&mut self, group: &str, what: &str, units: f64, item: &str, many: f64) {
        match prices::of(item) {
            _ if units == 0.0 => {}
            None => {
                self.missing.insert(what.to_owned());
            }
            Some(price) => self.lines.push(Line {
                group: group.to_owned(),
                what: what.to_owned(),
                units,
                price: item.to_owned(),
                usd: price.of(units * many),
                assumed: false,
            }),
        }
    }

    /// The last line rests on an assumption.
    fn assumed(&mut self) {
        if let Some(line) = self.lines.last_mut() {
            line.assumed = true;
        }
    }

    pub(super) fn sum(&self, group: &str) -> f64 {
        let of = self.lines.iter().filter(|line| line.group == group);
        of.map(|line| line.usd).sum()
    }

    /// What carries and coordinates: steps, messages, timers.
    pub(super) fn coordination(&mut self, units: &BTreeMap<String, f64>, archived: bool) {
        let group = "coordination";
        for (what, item, name) in [
            (
                "state transitions",
                "step-functions-transition",
                "transitions",
            ),
            (
                "starts of Express executions",
                "step-functions-express-request",
                "express_starts",
            ),
            ("events", "eventbridge-event", "events"),
            // Each message as a request: small ones of one batch may be billed as one.
            ("publications to topics", "sns-publish", "published"),
            (
                "publications to a FIFO topic",
                "sns-fifo-publish",
                "fifo_published",
            ),
            (
                "deliveries of a FIFO topic",
                "sns-fifo-delivery",
                "fifo_deliveries",
            ),
            ("queue requests", "sqs-request", "queue_requests"),
            (
                "requests to FIFO queues",
                "sqs-fifo-request",
                "fifo_requests",
            ),
            ("schedules", "scheduler-invocation", "schedules"),
        ] {
            self.charge(group, what, units[name], item, MILLION);
        }
        let seconds = units["express_ms"] / 1_000.0 * EXPRESS_MEMORY_MIB / 1_024.0;
        let item = "step-functions-express-gb-second";
        self.charge(group, "Express executions", seconds, item, MILLION);
        if seconds > 0.0 {
            self.assumed();
        }
        for (what, item, name) in [
            ("bytes to a FIFO topic", "sns-fifo-publish-gb", "fifo_bytes"),
            (
                "bytes from a FIFO topic",
                "sns-fifo-delivery-gb",
                "fifo_delivered_bytes",
            ),
        ] {
            self.charge(group, what, units[name] / GIB, item, MILLION);
        }
        if archived {
            let gb = units["event_bytes"] / GIB;
            self.charge(group, "archive", gb, "eventbridge-archive-gb", MILLION);
        }
    }

    /// The time of functions. Gives what of it they wait for a third party.
    pub(super) fn functions(
        &mut self,
        units: &BTreeMap<String, f64>,
        definitions: &Definitions,
    ) -> Outcome<f64> {
        let group = "functions";
        let gib = memory(definitions)? as f64 / 1_024.0;
        let architecture = definitions.values.get("Architecture");
        let architecture = architecture.map_or("x86_64", String::as_str);
        let seconds = format!("lambda-gb-second-{architecture}");
        let invocations = units["invocations"];
        self.charge(group, "invocations", invocations, "lambda-request", MILLION);
        let (store, waits) = (units["store_ms"], units["third_party_ms"]);
        let own = (units["function_ms"] - store - waits).max(0.0);
        for (what, ms, assumed) in [
            (THIRD_PARTY, waits, true),
            ("waiting for tables", store, false),
            ("their own work and other calls", own, true),
            ("starting", units["init_ms"], true),
        ] {
            self.charge(group, what, ms / 1_000.0 * gib, &seconds, MILLION);
            if assumed && ms > 0.0 {
                self.assumed();
            }
        }
        let third_party = self.lines.iter().find(|line| line.what == THIRD_PARTY);
        Ok(third_party.map_or(0.0, |line| line.usd))
    }

    /// Reads and writes of tables.
    pub(super) fn storage(&mut self, units: &BTreeMap<String, f64>) {
        for (what, item, name) in [
            ("writes of tables", "dynamodb-write", "write_units"),
            ("reads of tables", "dynamodb-read", "read_units"),
        ] {
            self.charge("storage", what, units[name], item, MILLION);
        }
    }

    /// What is written down about a run.
    pub(super) fn logs(&mut self, units: &BTreeMap<String, f64>) {
        let (group, item) = ("logs", "logs-gb");
        let own = units["log_bytes"] / GIB;
        self.charge(group, "the functions' lines", own, item, MILLION);
        let records = units["express_log_bytes"] / GIB;
        self.charge(group, "records of executions", records, item, MILLION);
        if records > 0.0 {
            self.assumed();
        }
        let lines = units["invocations"] * PLATFORM_LINES / GIB;
        self.charge(group, "Lambda's own lines", lines, item, MILLION);
        self.assumed();
    }

    /// What customers are told.
    pub(super) fn notices(&mut self, units: &BTreeMap<String, f64>) {
        let notices = units["notices"];
        self.charge("notices", "publications", notices, "sns-publish", MILLION);
    }

    /// What costs money when nothing happens: what is the variant's, and what all share.
    pub(super) fn standing(
        &mut self,
        definitions: &Definitions,
        description: &Description,
        metrics: usize,
    ) -> Outcome<()> {
        let (files, parameters) = (bundled(), &definitions.parameters);
        let all = stacks(&files, &definitions.stack, parameters).map_err(Problem::environment)?;
        // A stack that describes a variant is that variant's, with all that is in it.
        let others: Vec<&str> = all
            .iter()
            .filter(|stack| {
                let said = stack.outputs.get("Variant");
                said.is_some_and(|said| !description.is_said_by(said))
            })
            .map(|stack| stack.place.as_str())
            .collect();
        let kinds = [
            "AWS::CloudWatch::Alarm",
            "AWS::CloudWatch::Dashboard",
            "AWS::Lambda::EventSourceMapping",
        ];
        let found = deployed(&files, &definitions.stack, parameters, &kinds);
        let found = found.map_err(Problem::environment)?;
        let mine = |kind: &'static str| {
            let found = found.iter().filter(move |it| it.kind == kind);
            found.filter(|it| !others.iter().any(|other| it.place.starts_with(other)))
        };
        let watched = mine(kinds[0]).map(|alarm| {
            let sum = alarm.properties["Metrics"].as_array();
            let of = |list: &Vec<serde_json::Value>| {
                list.iter().filter(|it| !it["MetricStat"].is_null()).count()
            };
            sum.map_or(1, of)
        });
        let alarms = watched.sum::<usize>() as f64;
        let dashboards = mine(kinds[1]).count().saturating_sub(FREE_DASHBOARDS) as f64;
        let polled = mine(kinds[2]).count() as f64;
        self.charge(STANDING, "metrics of alarms", alarms, "alarm-month", 1.0);
        self.charge(STANDING, "dashboards", dashboards, "dashboard-month", 1.0);
        self.charge(
            STANDING,
            "custom metrics",
            metrics as f64,
            "metric-month",
            1.0,
        );
        let empty = polled * EMPTY_RECEIVES;
        self.charge(
            STANDING,
            "receives of empty queues",
            empty,
            "sqs-request",
            1.0,
        );
        self.assumed();
        Ok(())
    }
}

/// The memory of every function, in MiB.
fn memory(definitions: &Definitions) -> Outcome<u64> {
    let sizes: BTreeSet<u64> = definitions.functions.iter().map(|it| it.memory).collect();
    match sizes.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => Ok(*one),
        several => Err(Problem::environment(format!(
            "functions have {several:?} MiB; the time of functions is priced for one size"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_leaves_out_what_has_no_price_and_says_so() {
        let mut bill = Bill::without(&[]);
        bill.charge("g", "doves", 3.0, "dove", MILLION);
        bill.charge(
            "g",
            "transitions",
            10.0,
            "step-functions-transition",
            MILLION,
        );
        assert!(bill.missing.contains("doves") && bill.lines.len() == 1);
        assert!((bill.sum("g") - 250.0).abs() < 1e-9);
    }
}
