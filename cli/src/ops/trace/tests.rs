//! Traces of orders that ran in the lab, read by others' code: OTLP by
//! `opentelemetry-proto`, Perfetto's by its published description.

use std::collections::{BTreeMap, BTreeSet};

use duet_lab::Config;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span as Read, TracesData};
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::*;
use crate::ops::demo::tests::played;
use crate::ops::timeline;
use crate::shop::scenario;
use crate::shop::variant::{self, Style};
use crate::world::lab::{Lab, definitions};

/// Orders of several ends: confirmed, confirmed after retries, rejected and undone,
/// rejected by a person, by a clock, out of patience, parked and repaired.
const SCENARIOS: [&str; 7] = [
    "happy",
    "payment-flaky",
    "undeliverable",
    "review-reject",
    "review-timeout",
    "payment-down",
    "refund-fails",
];

fn lab(faults: &[&str], logs: bool) -> Lab {
    let quick = [("ReviewSeconds", "30"), ("PatienceSeconds", "10")];
    let quick = quick.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config {
        seed: 11,
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        keep_succeeded: true,
        logs,
        ..Config::default()
    };
    Lab::new(&definitions(&BTreeMap::from(quick)).unwrap(), config).unwrap()
}

/// The trace of the first order of each of `scenarios`, by variant and scenario.
async fn traces(world: &Lab, scenarios: &[&str]) -> BTreeMap<(&'static str, String), Trace> {
    let rows = played(world, scenarios, true).await;
    let mut traces = BTreeMap::new();
    for row in rows {
        let timeline = timeline::read(world, &row.orders[0]).await.unwrap();
        let trace = read(world, &timeline).await.unwrap();
        traces.insert((row.variant, row.scenario.to_owned()), trace);
    }
    traces
}

/// The spans of an OTLP document, each with the name of its service.
fn decoded(text: &str) -> Vec<(String, Read)> {
    let data: TracesData = serde_json::from_str(text).unwrap();
    let mut spans = Vec::new();
    for resource in data.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        let name = attributes.iter().find(|it| it.key == "service.name");
        let name = word(name.unwrap().value.as_ref().unwrap().value.as_ref());
        let of_resource = resource.scope_spans.into_iter().flat_map(|it| it.spans);
        spans.extend(of_resource.map(|span| (name.clone(), span)));
    }
    spans
}

fn word(value: Option<&any_value::Value>) -> String {
    match value {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn attribute(span: &Read, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    Some(word(found.value.as_ref()?.value.as_ref()))
}

#[tokio::test]
async fn every_parent_is_there_and_nothing_begins_before_its_cause() {
    for ((variant, scenario), trace) in traces(&lab(&[], true), &SCENARIOS).await {
        let text = trace.otlp().unwrap();
        let spans = decoded(&text);
        assert_eq!(spans.len(), trace.spans.len());
        let by_id: BTreeMap<&[u8], &Read> = spans
            .iter()
            .map(|(_, span)| (&*span.span_id, span))
            .collect();
        assert_eq!(by_id.len(), spans.len(), "{variant}, {scenario}: ids");
        let roots = spans.iter().filter(|(_, it)| it.parent_span_id.is_empty());
        assert_eq!(roots.count(), 1, "{variant}, {scenario}");
        for (_, span) in &spans {
            let at = format!("{variant}, {scenario}: {span:#?}");
            assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8), "{at}");
            assert_eq!(span.trace_id, spans[0].1.trace_id, "{at}");
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{at}");
            for link in &span.links {
                let to = by_id.get(&*link.span_id).expect(&at);
                assert!(to.start_time_unix_nano <= span.start_time_unix_nano, "{at}");
            }
            if span.parent_span_id.is_empty() {
                continue;
            }
            let parent = by_id.get(&*span.parent_span_id).expect(&at);
            assert!(
                parent.start_time_unix_nano <= span.start_time_unix_nano,
                "{at}\n{parent:#?}"
            );
            // A message is handled after it was sent, a clock runs on after it was set
            // and wakes somebody when it is due; all else goes on inside its parent.
            let within = span.end_time_unix_nano <= parent.end_time_unix_nano;
            let after = span.start_time_unix_nano >= parent.end_time_unix_nano;
            let sent = parent.kind == SpanKind::Producer as i32;
            let clock = [parent, span].iter().any(|it| it.name.starts_with("clock"));
            assert!(within || (after && (sent || clock)), "{at}\n{parent:#?}");
        }
    }
}

#[tokio::test]
async fn kinds_and_attributes_are_the_conventions() {
    for ((name, scenario), trace) in traces(&lab(&[], true), &["payment-flaky"]).await {
        let spans = decoded(&trace.otlp().unwrap());
        let of_kind = |kind: SpanKind| {
            let spans = spans.iter().map(|(_, span)| span);
            spans.filter(move |span| span.kind == kind as i32)
        };
        let retries: Vec<_> = spans
            .iter()
            .filter(|(_, span)| !span.links.is_empty())
            .collect();
        assert_eq!(retries.len(), 2, "{name}, {scenario}");
        for (service, span) in &retries {
            assert_eq!(service, "payment");
            let why = &span.links[0].attributes[0];
            assert_eq!(word(why.value.as_ref().unwrap().value.as_ref()), "retry");
        }
        let failed = spans.iter().filter(|(_, span)| {
            let code = span.status.as_ref().unwrap().code;
            code == 2 && attribute(span, "error.type").as_deref() == Some("transient")
        });
        assert_eq!(failed.count(), 2, "{name}");
        match variant::named(name).unwrap().style {
            Style::Choreography => {
                assert!(of_kind(SpanKind::Consumer).count() > 15, "{name}");
                assert_eq!(of_kind(SpanKind::Server).count(), 0, "{name}");
                for span in of_kind(SpanKind::Consumer) {
                    for (key, value) in [
                        ("messaging.system", "aws_sqs"),
                        ("messaging.operation.type", "process"),
                        ("faas.trigger", "pubsub"),
                    ] {
                        assert_eq!(attribute(span, key).as_deref(), Some(value));
                    }
                    assert!(attribute(span, "messaging.message.id").is_some());
                }
                assert_eq!(of_kind(SpanKind::Producer).count(), 8, "{name}");
                for span in of_kind(SpanKind::Producer) {
                    let system = attribute(span, "messaging.system").unwrap();
                    let place = attribute(span, "messaging.destination.name").unwrap();
                    let known = match &*system {
                        "aws_eventbridge" => place == "duet-bus",
                        "aws.sns" => place.starts_with("duet-facts-") || place == "duet-facts.fifo",
                        _ => false,
                    };
                    assert!(known, "{name}: {system}, {place}");
                }
                // From each fact to each that heard it.
                let ways = spans.iter().filter(|(whose, _)| whose == "bus-and-queues");
                let sent: BTreeSet<_> = of_kind(SpanKind::Producer)
                    .map(|span| &span.span_id)
                    .collect();
                let heard = of_kind(SpanKind::Consumer)
                    .filter(|span| span.links.is_empty() && sent.contains(&span.parent_span_id));
                let heard = heard.count();
                assert_eq!((ways.count(), heard > 15), (heard, true), "{name}");
            }
            // How an Express execution went is not told here: its log has failures only.
            Style::Orchestration if !variant::named(name).unwrap().keeps_executions => {
                assert_eq!(of_kind(SpanKind::Server).count(), 11, "{name}");
            }
            Style::Orchestration => {
                assert_eq!(of_kind(SpanKind::Server).count(), 10, "{name}");
                assert_eq!(of_kind(SpanKind::Consumer).count(), 0, "{name}");
                let state = |span: &&Read| attribute(span, "duet.state").is_some();
                assert_eq!(of_kind(SpanKind::Internal).filter(state).count(), 10);
                let machine = "aws.step_functions.state_machine.arn";
                let runs = |span: &&Read| attribute(span, machine).is_some();
                assert_eq!(of_kind(SpanKind::Internal).filter(runs).count(), 1);
            }
        }
    }
}

#[tokio::test]
async fn what_came_twice_links_to_what_it_repeats() {
    let world = lab(&["duplicate:1"], true);
    let mut duplicates = 0;
    for (_, trace) in traces(&world, &["happy"]).await {
        for (_, span) in decoded(&trace.otlp().unwrap()) {
            let Some(link) = span.links.first() else {
                continue;
            };
            let why = word(link.attributes[0].value.as_ref().unwrap().value.as_ref());
            if why == "duplicate" {
                assert_eq!(attribute(&span, "duet.outcome").as_deref(), Some("repeat"));
                duplicates += 1;
            }
        }
    }
    assert!(duplicates > 10, "{duplicates}");
}

/// An order that waits for a person: nothing ends that has not, and what is not due
/// yet is not there.
#[tokio::test]
async fn what_goes_on_is_told_as_unfinished() {
    let world = lab(&[], true);
    let plan = scenario::named("review-approve").unwrap().plan("t", 1, 4);
    crate::ops::catalog::seed(&world, &plan.goods)
        .await
        .unwrap();
    for variant in variant::ALL.iter() {
        let mut order = plan.waves.last().unwrap()[0].clone();
        order.order = format!("t-{}", variant.name).parse().unwrap();
        order.customer = format!("c-{}", variant.name).parse().unwrap();
        crate::ops::place::submit(&world, variant, &order)
            .await
            .unwrap();
        world.pause(10_000).await;
        let timeline = timeline::read(&world, order.order.as_str()).await.unwrap();
        let trace = read(&world, &timeline).await.unwrap();
        let has = |span: &Span, name| span.attributes.iter().any(|(key, _)| *key == name);
        assert!(has(&trace.spans[0], "duet.missing"), "{trace:#?}");
        let ends = trace.spans.iter().map(|span| span.ended).max().unwrap();
        assert!(ends <= world.now());
        let unfinished = trace.spans.iter().filter(|it| has(it, "duet.unfinished"));
        // The execution, and the state that waits.
        let expected = if variant.keeps_executions { 2 } else { 0 };
        assert_eq!(unfinished.count(), expected, "{trace:#?}");
    }
}

/// Without the functions' log lines a step is a moment, and nothing is on its way:
/// nobody knows when it arrived.
#[tokio::test]
async fn what_no_record_tells_is_left_out() {
    for ((variant, scenario), trace) in traces(&lab(&[], false), &SCENARIOS).await {
        assert!(trace.spans.len() > 8, "{variant}, {scenario}");
        for span in &trace.spans {
            assert!(span.links.is_empty() && span.whose != "bus and queues");
            let lasts = ["order as a whole", "workflow", "clocks"].contains(&&*span.whose);
            assert!(lasts || span.began == span.ended, "{span:?}");
        }
    }
}

#[tokio::test]
async fn the_same_order_has_the_same_trace_and_tells_nothing_of_a_person() {
    let world = lab(&[], true);
    let to = crate::shop::scenario::address();
    for (_, trace) in traces(&world, &["happy", "refund-fails"]).await {
        let timeline = timeline::read(&world, &trace.order).await.unwrap();
        assert_eq!(read(&world, &timeline).await.unwrap(), trace);
        let otlp = trace.otlp().unwrap();
        let perfetto = String::from_utf8_lossy(&trace.perfetto()).into_owned();
        for secret in [&*to.name, &to.street, &to.city, &to.postcode, "tok_", "by "] {
            assert!(!otlp.contains(secret), "{secret} in {otlp}");
            assert!(!perfetto.contains(secret), "{secret}");
        }
    }
}

/// Perfetto's own description of what it reads.
fn perfetto() -> DescriptorPool {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
    let set = protox::compile(["perfetto.proto"], [file]).unwrap();
    DescriptorPool::from_file_descriptor_set(set).unwrap()
}

/// All that is in `message` that its description does not know.
fn unknown(message: &DynamicMessage) -> usize {
    let below = message.fields().map(|(_, value)| match value {
        prost_reflect::Value::Message(message) => unknown(message),
        prost_reflect::Value::List(all) => all
            .iter()
            .filter_map(|it| it.as_message())
            .map(unknown)
            .sum(),
        _ => 0,
    });
    message.unknown_fields().count() + below.sum::<usize>()
}

fn number(message: &DynamicMessage, field: &str) -> u64 {
    let value = message.get_field_by_name(field).unwrap();
    let small = || value.as_u32().map(u64::from);
    let value = value.as_u64().or_else(small);
    value
        .or_else(|| {
            message
                .get_field_by_name(field)?
                .as_enum_number()?
                .try_into()
                .ok()
        })
        .unwrap()
}

#[tokio::test]
async fn perfetto_reads_balanced_slices_and_flows_with_two_ends() {
    let pool = perfetto();
    let described = pool.get_message_by_name("perfetto.protos.Trace").unwrap();
    let all = traces(&lab(&["duplicate:0.5"], true), &SCENARIOS).await;
    for ((variant, scenario), trace) in all {
        let at = format!("{variant}, {scenario}");
        let file = DynamicMessage::decode(described.clone(), &*trace.perfetto()).unwrap();
        assert_eq!(unknown(&file), 0, "{at}");
        let packets = file.get_field_by_name("packet").unwrap().into_owned();
        let (mut tracks, mut open) = (BTreeSet::new(), BTreeMap::<u64, Vec<u64>>::new());
        let mut flows: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut spans = 0;
        for packet in packets.as_list().unwrap() {
            let packet = packet.as_message().unwrap();
            assert_eq!(number(packet, "trusted_packet_sequence_id"), 1);
            if packet.has_field_by_name("track_descriptor") {
                let track = packet.get_field_by_name("track_descriptor").unwrap();
                let track = track.as_message().unwrap();
                assert!(tracks.insert(number(track, "uuid")), "{at}");
                let parent = number(track, "parent_uuid");
                assert!(parent == 0 || tracks.contains(&parent), "{at}");
            }
            if !packet.has_field_by_name("track_event") {
                continue;
            }
            let time = number(packet, "timestamp");
            let event = packet.get_field_by_name("track_event").unwrap();
            let event = event.as_message().unwrap();
            let track = number(event, "track_uuid");
            assert!(tracks.contains(&track), "{at}");
            let kind = event.get_field_by_name("type").unwrap().as_enum_number();
            let stack = open.entry(track).or_default();
            match kind.unwrap() {
                1 => {
                    spans += 1;
                    stack.push(time);
                }
                2 => assert!(stack.pop().unwrap() < time, "{at}"),
                3 => spans += 1,
                other => panic!("{at}: {other}"),
            }
            for flow in event
                .get_field_by_name("flow_ids")
                .unwrap()
                .as_list()
                .unwrap()
            {
                flows.entry(flow.as_u64().unwrap()).or_default().push(time);
            }
        }
        assert!(open.values().all(Vec::is_empty), "{at}: {open:?}");
        assert!(
            flows.values().all(|ends| ends.len() == 2),
            "{at}: {flows:?}"
        );
        // How an Express execution went is not told here: its log has failures only.
        let of = variant::named(variant).unwrap();
        let told = of.keeps_executions || of.has_facts;
        assert!(flows.len() >= 7 || !told, "{at}: {}", flows.len());
        assert_eq!(spans, trace.spans.len(), "{at}");
    }
}

#[test]
fn an_order_that_nothing_is_known_of_is_an_empty_trace() {
    let trace = Trace {
        order: "o-1".to_owned(),
        spans: Vec::new(),
    };
    assert_eq!(trace.otlp().unwrap(), r#"{"resourceSpans":[]}"#);
    assert!(trace.perfetto().is_empty());
}
