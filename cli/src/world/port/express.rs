//! Express executions, as far as their log group tells of them. Nobody can ask the
//! engine (API_DescribeExecution, API_ListExecutions: Standard only).
//!
//! Records come by best effort (Step Functions developer guide, "Using CloudWatch Logs
//! to log execution history"), and at the level `ERROR` only of what failed: then how an
//! execution went is what the services' records say.

use std::collections::BTreeMap;

use duet_core::id::of_execution;
use duet_lab::LogRecord;

use super::operate::FailedExecution;
use super::{Execution, HistoryEvent};
use crate::shop::variant::Description;

/// How the execution stands by this record, in the words of a description.
fn status(record: &LogRecord) -> Option<&'static str> {
    match record.kind.as_str() {
        "ExecutionStarted" => Some("RUNNING"),
        "ExecutionSucceeded" => Some("SUCCEEDED"),
        "ExecutionFailed" => Some("FAILED"),
        "ExecutionTimedOut" => Some("TIMED_OUT"),
        "ExecutionAborted" => Some("ABORTED"),
        _ => None,
    }
}

/// The executions about `id` that the records tell of, in order. One that runs twice is
/// one here: both have the same ARN.
#[must_use]
pub fn executions(records: &[LogRecord], id: &str) -> Vec<Execution> {
    let mut all: Vec<Execution> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for record in about(records, id) {
        let at = *places.entry(&record.arn).or_insert_with(|| {
            all.push(Execution {
                name: record.name().to_owned(),
                machine: record.machine().to_owned(),
                arn: record.arn.to_string(),
                status: String::new(),
                ended: None,
                error: None,
                states: Vec::new(),
            });
            all.len() - 1
        });
        let one = &mut all[at];
        if record.kind.ends_with("StateEntered") {
            one.states.extend(record.state.clone());
        }
        if let Some(status) = status(record) {
            let ended = status != "RUNNING";
            // The second run of it may begin when the first has ended.
            if ended || one.ended.is_none() {
                one.status = status.to_owned();
                one.ended = ended.then_some(record.at);
                one.error.clone_from(&record.error);
            }
        }
    }
    // At the level ERROR a step that failed says nothing of how its execution stands.
    all.retain(|one| !one.status.is_empty());
    all
}

/// What the records tell of all executions about `id`, as one history. A step that asks
/// no function is left out but for its state: no service has a record of it.
#[must_use]
pub fn history(records: &[LogRecord], id: &str) -> Vec<HistoryEvent> {
    let mut numbers: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut events: Vec<HistoryEvent> = Vec::new();
    let asks = |it: &&LogRecord| it.resource.as_deref().is_none_or(|sort| sort == "lambda");
    for record in about(records, id).filter(asks) {
        let number = events.len() as u64 + 1;
        let previous = numbers.get(&(&*record.arn, record.previous));
        events.push(HistoryEvent {
            id: number,
            previous: previous.copied().unwrap_or_default(),
            at: record.at,
            kind: record.kind.clone(),
            state: record.state.clone(),
            // The records have no data.
            command: None,
            error: record.error.clone(),
        });
        numbers.insert((&record.arn, record.id), number);
    }
    events
}

/// The executions of `described` that did not succeed, by its records.
#[must_use]
pub fn failed(records: &[LogRecord], described: &Description) -> Vec<FailedExecution> {
    let has_failed =
        |it: &&LogRecord| matches!(status(it), Some("FAILED" | "TIMED_OUT" | "ABORTED"));
    let failed = records.iter().filter(has_failed);
    failed
        .map(|record| FailedExecution {
            arn: record.arn.to_string(),
            name: record.name().to_owned(),
            machine: record.machine().to_owned(),
            variant: described.variant.name,
            status: status(record).unwrap_or_default().to_owned(),
            error: record.error.clone(),
            started_at: None,
            ended_at: Some(record.at),
            redrivable: Some(false),
        })
        .collect()
}

fn about<'a>(records: &'a [LogRecord], id: &'a str) -> impl Iterator<Item = &'a LogRecord> {
    records
        .iter()
        .filter(move |record| of_execution(record.name()) == id)
}

#[cfg(test)]
mod tests {
    use duet_core::Timestamp;

    use super::*;

    fn record(name: &str, id: u64, kind: &str, state: &str, error: &str) -> LogRecord {
        let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        LogRecord {
            group: "g".into(),
            arn: format!("arn:aws:states:eu-north-1:1:express:duet-express-order:{name}:u").into(),
            at: Timestamp::from_second(id as i64).unwrap(),
            id,
            previous: id - 1,
            kind: kind.to_owned(),
            state: word(state),
            resource: None,
            error: word(error),
        }
    }

    #[test]
    fn the_halves_of_an_order_are_its_executions() {
        let records = [
            record("o-1", 1, "ExecutionStarted", "", ""),
            record("o-1", 2, "TaskStateEntered", "PlaceOrder", ""),
            record("o-1", 3, "ExecutionSucceeded", "", ""),
            record("o-1__2", 1, "ExecutionStarted", "", ""),
            record("o-1__2", 2, "ExecutionFailed", "", "NeedsAttention"),
            record("o-2", 1, "ExecutionStarted", "", ""),
        ];
        let found = executions(&records, "o-1");
        let stand = found.iter().map(|one| (&*one.name, &*one.status));
        let expected = [("o-1", "SUCCEEDED"), ("o-1__2", "FAILED")];
        assert_eq!(stand.collect::<Vec<_>>(), expected);
        assert_eq!(found[0].states, ["PlaceOrder"]);
        assert_eq!(found[1].error.as_deref(), Some("NeedsAttention"));
        let history = history(&records, "o-1");
        let chain: Vec<_> = history.iter().map(|it| (it.id, it.previous)).collect();
        assert_eq!(chain, [(1, 0), (2, 1), (3, 2), (4, 0), (5, 4)]);
    }

    #[test]
    fn a_step_that_failed_is_no_execution_that_did() {
        let records = [record("o-1", 7, "TaskFailed", "", "Transient")];
        assert!(executions(&records, "o-1").is_empty());
    }
}
