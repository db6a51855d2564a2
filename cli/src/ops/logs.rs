//! The log lines of one order, out of all services, in order of time.

use duet_core::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::world::World;

/// What the services logged about something.
#[derive(Debug, Serialize)]
pub struct Logs {
    /// The order or customer.
    pub about: String,
    /// Since when.
    pub since: Timestamp,
    /// One step each, the earliest first: the line as the service wrote it,
    /// without what tells CloudWatch which of its members are metrics.
    pub lines: Vec<Map<String, Value>>,
}

/// The lines about the order or customer `about` of the last `seconds`.
///
/// # Errors
/// [`Problem`] when there are none, or the target does not answer.
pub async fn gather<W: World>(world: &W, about: &str, seconds: i64) -> Outcome<Logs> {
    let ago = jiff::SignedDuration::from_secs(seconds);
    let since = world.now().saturating_sub(ago).unwrap_or(Timestamp::MIN);
    let found = world.logs(about, since).await?;
    let mut lines: Vec<(Timestamp, Map<String, Value>)> = found
        .iter()
        .filter_map(|line| read(line, about))
        .filter(|(at, _)| *at >= since)
        .collect();
    lines.sort_by_key(|(at, _)| *at);
    if lines.is_empty() {
        return Err(
            Problem::failed(format!("no service logged anything about {about}")).hint(
                "look further back with --since; a line may take some seconds until it can be found",
            ),
        );
    }
    Ok(Logs {
        about: about.to_owned(),
        since,
        lines: lines.into_iter().map(|(_, line)| line).collect(),
    })
}

/// The step that `line` tells of, if it is about `about`.
fn read(line: &str, about: &str) -> Option<(Timestamp, Map<String, Value>)> {
    let mut line: Map<String, Value> = serde_json::from_str(line).ok()?;
    line.remove("_aws");
    let names = |field: &str| line.get(field).and_then(Value::as_str) == Some(about);
    let time = at(&line)?;
    (names("correlation") || names("subject")).then_some((time, line))
}

impl Report for Logs {
    fn text(&self) -> String {
        let mut rows = table([
            table::word("TIME").gives_way(4),
            table::number("AFTER"),
            table::word("SERVICE"),
            table::word("ENTRY").gives_way(3),
            table::word("COMMAND"),
            table::number("TRY").gives_way(1),
            table::word("OUTCOME").states(),
            table::number("MS").gives_way(2),
            table::prose("WHY"),
        ]);
        let began = self.lines.first().and_then(at);
        for line in &self.lines {
            let word = |field: &str| match line.get(field) {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => "-".to_owned(),
            };
            let at = at(line);
            rows.add_row([
                at.map_or_else(|| word("time"), |at| format!("{at:.3}")),
                match (began, at) {
                    (Some(began), Some(at)) => {
                        format!("{} ms", at.duration_since(began).as_millis())
                    }
                    _ => String::new(),
                },
                word("service"),
                word("entry"),
                word("command"),
                word("attempt"),
                word("outcome"),
                word("duration_ms"),
                line.get("why").map_or(String::new(), |_| {
                    // The outcome stands in a column of its own.
                    let why = word("why");
                    let outcome = format!("{}: ", word("outcome"));
                    why.strip_prefix(&outcome).unwrap_or(&why).to_owned()
                }),
            ]);
        }
        rows.text()
    }
}

/// When a line was written. It is shown to the millisecond, which is as exact as clocks
/// of several machines get.
fn at(line: &Map<String, Value>) -> Option<Timestamp> {
    line.get("time")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steps_about_it_are_read() {
        let line = |field: &str, id: &str| {
            format!(r#"{{"time":"2026-01-01T00:00:00Z","{field}":"{id}","_aws":{{}}}}"#)
        };
        for (text, taken) in [
            (line("correlation", "o-1"), true),
            (line("subject", "o-1"), true),
            (line("correlation", "o-10"), false),
            (line("message", "o-1"), false),
            ("START RequestId: o-1".to_owned(), false),
            (r#"{"correlation":"o-1"}"#.to_owned(), false),
        ] {
            let read = read(&text, "o-1");
            assert_eq!(read.is_some(), taken, "{text}");
            assert!(read.is_none_or(|(_, line)| !line.contains_key("_aws")));
        }
    }
}
