//! What the log says of a step, and what it must not say.

use super::*;
use crate::log::{Log, Step};
use crate::wires::Renderings;

fn deployed() -> Renderings {
    let known = Notebook::default().renderings["known"].clone();
    Renderings::from([("known".to_owned(), known)])
}

/// Keeps the lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Value>>>);

impl Log for Lines {
    fn step<'a>(&self, step: impl FnOnce() -> Step<'a>) {
        let line = serde_json::from_str(&step().line("shop", &deployed())).unwrap();
        self.0.lock().unwrap().push(line);
    }
}

impl Lines {
    fn only(&self) -> Value {
        let lines = self.0.lock().unwrap();
        assert_eq!(lines.len(), 1, "one line per step");
        lines[0].clone()
    }
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn traced(how: &str) -> Value {
    let mut message = command(how, "known");
    message["metadata"]["traceparent"] = json!(PARENT);
    message["metadata"]["causationid"] = json!("m-0");
    message
}

async fn queued(body: &Value, receives: u32, broken: bool) -> (Value, Vec<Request<Command>>) {
    let (service, log) = (Obedient::default(), Lines::default());
    let wires = Notebook {
        broken,
        ..Notebook::default()
    };
    let delivery = delivery(body, receives);
    let _ = receive(&service, &wires, &Arc::new(now), &log, delivery, pending()).await;
    let asked = service.asked.lock().unwrap().clone();
    (log.only(), asked)
}

async fn tasked(input: Value) -> (Value, Result<Value, String>) {
    let (log, wires) = (Lines::default(), Notebook::default());
    let service = Obedient::default();
    let clock = Arc::new(now);
    let reply = perform(
        &service,
        &wires,
        &clock,
        &log,
        Asker::Workflow,
        input,
        now(),
    )
    .await;
    (
        log.only(),
        reply.map_err(|e| format!("{}: {}", e.name, e.text)),
    )
}

/// The targets of the metrics: each a member of the line, of the right kind.
fn metrics(line: &Value) -> Vec<(Vec<String>, String, Value)> {
    assert!(line["_aws"]["Timestamp"].is_i64());
    let mut found = Vec::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "shop");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name} in {line}");
            for set in directive["Dimensions"].as_array().unwrap() {
                let names = set.as_array().unwrap().iter();
                let values = names.map(|n| line[n.as_str().unwrap()].as_str().unwrap().to_owned());
                found.push((values.collect(), name.to_owned(), line[name].clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_step_is_one_line_that_says_what_about_whom_and_how_it_went() {
    let (line, _) = queued(&traced("done"), 3, false).await;
    for (field, value) in [
        ("time", json!("2026-01-01T00:00:00Z")),
        ("level", json!("INFO")),
        ("service", json!("test")),
        ("entry", json!("queue")),
        ("command", json!("Act")),
        ("message", json!("m-1")),
        ("subject", json!("o-1")),
        ("variant", json!("known")),
        ("correlation", json!("o-1")),
        ("causation", json!("m-0")),
        ("parent", json!("b7ad6b7169203331")),
        ("outcome", json!("done")),
        ("attempt", json!(3)),
        ("duration_ms", json!(0)),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    for (how, outcome, level, why) in [
        ("repeat", "repeat", "INFO", None),
        ("decline", "declined", "INFO", Some("PaymentDeclined")),
        ("transient", "transient", "WARN", Some("transient: not now")),
        ("nonsense", "invalid", "ERROR", Some("invalid: never")),
    ] {
        for line in [
            queued(&traced(how), 1, false).await.0,
            tasked(traced(how)).await.0,
        ] {
            assert_eq!(
                (&line["outcome"], &line["level"]),
                (&json!(outcome), &json!(level))
            );
            assert_eq!(line["why"].as_str(), why);
        }
    }
}

#[tokio::test]
async fn a_workflow_says_which_attempt_it_makes() {
    let mut input = traced("done");
    assert_eq!(tasked(input.clone()).await.0["attempt"], 1);
    input["attempt"] = json!(3);
    let (line, reply) = tasked(input).await;
    assert_eq!(
        (line["attempt"].clone(), line["retries"].clone()),
        (json!(3), json!(1))
    );
    assert!(reply.is_ok());
}

#[tokio::test]
async fn a_step_is_a_span_and_what_it_says_carries_it_on() {
    let (line, asked) = queued(&traced("done"), 1, false).await;
    let span = line["traceparent"].as_str().unwrap();
    assert!(span.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && span.ends_with("-01"));
    assert!(!span.contains("b7ad6b7169203331"));
    let told = fact_event(&asked[0].context.message).metadata;
    assert_eq!(
        told.traceparent.as_deref(),
        Some(span),
        "facts name the step that said them"
    );
    let (again, _) = queued(&traced("repeat"), 2, false).await;
    assert_eq!(
        again["traceparent"], line["traceparent"],
        "a repeat is the same span"
    );
    let untraced = queued(&command("done", "known"), 1, false).await.0;
    assert!(untraced["traceparent"].is_string() && untraced["parent"].is_null());
}

#[tokio::test]
async fn what_nobody_can_read_is_told_without_its_words() {
    const CANARY: &str = "Canary Lane";
    let with = |field: &str, value: Value| {
        let mut message = traced("done");
        *message.pointer_mut(field).unwrap() = value;
        message
    };
    let mut unknown_field = traced("done");
    unknown_field["data"][CANARY] = json!(1);
    let mut event = json!({ "detail-type": "PaymentDeclined", "detail": { "metadata": traced("done")["metadata"], "data": { "order": CANARY } } });
    let bad_fact = event.clone();
    event["detail-type"] = json!(CANARY);
    event["detail"]["metadata"]["type"] = json!(CANARY);
    let raw = event["detail"].clone();
    for body in [
        json!(format!("{{\"{CANARY}\"")),
        json!([CANARY]),
        json!({ CANARY: CANARY }),
        with("/command", json!(CANARY)),
        with("/data", json!(CANARY)),
        with("/data/how", json!({ CANARY: CANARY })),
        with("/metadata/time", json!(CANARY)),
        with(
            "/metadata/time",
            json!(format!("2026-01-01T00:00:00Z {CANARY}")),
        ),
        with("/metadata/subject", json!(CANARY)),
        with("/metadata/variant", json!(CANARY)),
        with("/metadata/traceparent", json!(CANARY)),
        unknown_field,
        event,
        raw,
        bad_fact,
    ] {
        let (line, _) = queued(&body, 2, false).await;
        assert!(
            !line.to_string().contains("Canary"),
            "{body} is quoted: {line}"
        );
        metrics(&line);
        let (line, reply) = tasked(body.clone()).await;
        assert!(
            !line.to_string().contains("Canary"),
            "{body} is quoted: {line}"
        );
        assert!(
            !format!("{reply:?}").contains("Canary"),
            "{body} is quoted: {reply:?}"
        );
    }
    // Bad data in a good envelope is told of with the order it is about.
    let (line, _) = queued(&with("/data", json!(CANARY)), 1, false).await;
    assert_eq!(
        (&line["correlation"], &line["command"], &line["outcome"]),
        (&json!("o-1"), &json!("Act"), &json!("invalid"))
    );
}

#[tokio::test]
async fn a_variant_that_nobody_deployed_makes_no_metric_of_its_own() {
    for variant in ["known2", "Kafka", "", "no.such-variant", "k n"] {
        let message = command("done", variant);
        for line in [
            queued(&message, 1, false).await.0,
            tasked(message.clone()).await.0,
        ] {
            assert_eq!(line["variant"], "unknown", "{variant:?}");
            for (dimensions, metric, _) in metrics(&line) {
                let told = dimensions.iter().any(|value| value == variant);
                assert!(!told, "{metric} by {dimensions:?}");
            }
        }
    }
    let (line, _) = queued(&json!({}), 1, false).await;
    assert_eq!(line["variant"], "unknown", "a message without an envelope");
}

#[tokio::test]
async fn what_somebody_has_to_mend_is_counted_for_all_variants_together() {
    let message = traced("denied");
    let (line, _) = queued(&message, 1, false).await;
    assert_eq!(
        (&line["outcome"], &line["level"]),
        (&json!("misconfigured"), &json!("ERROR"))
    );
    let alarmed = (
        vec!["misconfigured".to_owned()],
        "steps".to_owned(),
        json!(1),
    );
    assert!(metrics(&line).contains(&alarmed), "{line}");
    let (line, reply) = tasked(message).await;
    assert!(metrics(&line).contains(&alarmed), "{line}");
    assert_eq!(reply.unwrap_err(), "Transient: no permission");
    let (line, _) = queued(&traced("transient"), 1, false).await;
    assert!(
        metrics(&line).iter().all(|(d, ..)| d[0] == "known"),
        "{line}"
    );
}

#[tokio::test]
async fn how_an_order_ended_is_counted_once() {
    for (how, broken, counted) in [
        ("decline", false, true),
        ("repeat", false, false),
        ("decline", true, true),
    ] {
        let (line, _) = queued(&traced(how), 1, broken).await;
        assert_eq!(line["orders"] == 1, counted, "{how}: {line}");
    }
    let (line, _) = tasked(traced("decline")).await;
    let told = metrics(&line);
    let all = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    for (dimensions, metric, value) in [
        (all(&["known", "test"]), "duration_ms", json!(0)),
        (all(&["known", "declined"]), "steps", json!(1)),
        (all(&["known", "Rejected"]), "orders", json!(1)),
        (
            all(&["known", "Rejected", "PaymentDeclined"]),
            "orders",
            json!(1),
        ),
        (all(&["known"]), "time_to_outcome_ms", json!(1_500)),
        (
            all(&["known", "Rejected"]),
            "time_to_outcome_ms",
            json!(1_500),
        ),
    ] {
        let there = told
            .iter()
            .any(|(d, m, v)| *d == dimensions && m == metric && *v == value);
        assert!(there, "{dimensions:?} {metric} {value}: {told:?}");
    }
}

#[tokio::test]
async fn a_panic_is_a_bug_and_is_told_by_its_place() {
    let told = Arc::new(Mutex::new(String::new()));
    let usual = std::panic::take_hook();
    let place = told.clone();
    crate::panics::hush("test", move |line| *place.lock().unwrap() = line);
    let (line, reply) = tasked(traced("panic")).await;
    std::panic::set_hook(usual);
    assert_eq!(line["outcome"], "invalid");
    assert_eq!(reply.unwrap_err(), "InvalidCommand: the service panicked");
    let told = told.lock().unwrap().clone();
    assert!(
        told.contains("tests.rs") && !told.contains("tok_secret"),
        "{told}"
    );
}

#[tokio::test]
async fn only_a_further_try_counts_as_a_retry() {
    for tries in [1, 2] {
        let (line, _) = queued(&traced("done"), tries, false).await;
        let counted = metrics(&line);
        let mut counted = counted.iter().filter(|(_, name, _)| name == "retries");
        assert_eq!(line.get("retries").is_some(), tries > 1, "{line}");
        assert_eq!(counted.next().is_some(), tries > 1, "{line}");
    }
}

#[tokio::test]
async fn a_fact_s_line_says_whom_it_is_about_also_when_it_does_not_fit() {
    let declined = PaymentDeclined {
        order: "o-1".parse().unwrap(),
    };
    let fits = bus_event(declined.into());
    let mut unfit = fits.clone();
    unfit["detail"]["data"] = json!({});
    for (event, outcome) in [(fits, "repeat"), (unfit, "invalid")] {
        let (line, _) = queued(&event, 1, false).await;
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["subject"], "o-1", "{line}");
        assert_eq!(line["variant"], "known", "{line}");
    }
}

#[tokio::test]
async fn what_is_no_bus_event_still_says_whom_it_is_about() {
    let metadata = command("done", "known")["metadata"].clone();
    let torn = json!({ "detail-type": "PaymentDeclined", "detail": { "metadata": metadata } });
    let (line, _) = queued(&torn, 1, false).await;
    assert_eq!(
        (&line["outcome"], &line["subject"]),
        (&json!("invalid"), &json!("o-1"))
    );
}

#[tokio::test]
async fn a_last_try_that_fails_is_an_error_that_says_so() {
    let mut input = traced("transient");
    input["entered"] = json!("2025-12-31T23:00:00Z");
    input["patience"] = json!(60);
    input["attempt"] = json!(10);
    let (line, reply) = tasked(input).await;
    assert_eq!(reply, Err("PatienceSpent: not now".to_owned()));
    assert_eq!(line["level"], "ERROR", "{line}");
    assert_eq!(line["why"], "patience spent: transient: not now", "{line}");
}
