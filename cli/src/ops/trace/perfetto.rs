//! A trace as Perfetto reads it: `TracePacket`s with track events, a track for each
//! that did something, and flows from cause to effect. Numbers of fields: Perfetto's
//! `trace_packet.proto`, `track_event.proto`, `track_descriptor.proto`,
//! `process_descriptor.proto`, `debug_annotation.proto` and `clock_snapshot.proto`,
//! of which tests/fixtures/perfetto.proto has the part that is used.

use std::collections::BTreeMap;

use duet_core::Timestamp;

use super::wire::Message;
use super::{Span, SpanId, Trace, Value};

/// The one writer of these packets.
const SEQUENCE: u64 = 1;
/// `TrackEvent.Type`.
const BEGIN: u64 = 1;
const END: u64 = 2;
const INSTANT: u64 = 3;
/// `TracePacket.SequenceFlags`: nothing from before is referred to.
const CLEARED: u64 = 1;
/// `BuiltinClock`.
const REALTIME: u64 = 1;
const BOOTTIME: u64 = 6;
/// When the trace's own clock reads the order's beginning: not at zero, which some
/// read as no time at all.
const EPOCH: i128 = 1_000_000_000;

/// `trace` as a file that ui.perfetto.dev opens.
pub(super) fn written(trace: &Trace) -> Vec<u8> {
    let mut file = Message::default();
    let Some(began) = trace.spans.iter().map(|span| span.began).min() else {
        return file.written();
    };
    let mut packets = vec![clocks(began), process(&trace.order)];
    let flows = flows(trace);
    let mut tracks: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in &trace.spans {
        tracks.entry(&span.whose).or_default().push(span);
    }
    let mut uuid = PROCESS;
    for (whose, spans) in tracks {
        for lane in lanes(spans) {
            uuid += 1;
            packets.push(track(uuid, whose));
            events(&lane, uuid, began, &flows, &mut packets);
        }
    }
    for packet in packets {
        let packet = packet.number(10, SEQUENCE);
        file = file.message(1, &packet);
    }
    file.written()
}

const PROCESS: u64 = 1;

/// What the wall clock read when the trace's clock did.
fn clocks(began: Timestamp) -> Message {
    let clock = |id, at: i128| {
        Message::default()
            .number(1, id)
            .number(2, u64::try_from(at).unwrap_or_default())
    };
    let snapshot = Message::default()
        .message(1, &clock(BOOTTIME, EPOCH))
        .message(1, &clock(REALTIME, began.as_nanosecond()))
        .number(2, BOOTTIME);
    Message::default().message(6, &snapshot).number(13, CLEARED)
}

/// The order, as a process around all tracks.
fn process(order: &str) -> Message {
    let process = Message::default()
        .number(1, 1)
        .text(6, &format!("order {order}"));
    let descriptor = Message::default().number(1, PROCESS).message(3, &process);
    Message::default().message(60, &descriptor)
}

fn track(uuid: u64, name: &str) -> Message {
    let descriptor = Message::default()
        .number(1, uuid)
        .text(2, name)
        .number(5, PROCESS);
    Message::default().message(60, &descriptor)
}

/// The flows that each span begins or goes on with: from what it came of, and from
/// the attempt or the doing that it repeats.
fn flows(trace: &Trace) -> BTreeMap<SpanId, Vec<u64>> {
    let by_id: BTreeMap<SpanId, &Span> = trace.spans.iter().map(|span| (span.id, span)).collect();
    let mut flows: BTreeMap<SpanId, Vec<u64>> = BTreeMap::new();
    for span in &trace.spans {
        let links = span.links.iter().map(|link| link.to);
        for (nth, cause) in span.parent.into_iter().chain(links).enumerate() {
            let Some(from) = by_id.get(&cause) else {
                continue;
            };
            // What is inside of something shows by itself, and a flow goes forward.
            let is_whole = from.parent.is_none();
            let inside = nth == 0 && from.whose == span.whose && span.began < from.ended;
            if is_whole || inside || span.began < from.began {
                continue;
            }
            let id = u64::from_le_bytes(span.id).rotate_left(nth as u32);
            flows.entry(from.id).or_default().push(id);
            flows.entry(span.id).or_default().push(id);
        }
    }
    flows
}

/// `spans` in as few lanes as are needed for each to lie beside or whole inside
/// another of its lane.
fn lanes(mut spans: Vec<&Span>) -> Vec<Vec<&Span>> {
    spans.sort_by_key(|span| (span.began, std::cmp::Reverse(span.ended)));
    let mut lanes: Vec<(Vec<Timestamp>, Vec<&Span>)> = Vec::new();
    for span in spans {
        let fits = |lane: &mut (Vec<Timestamp>, Vec<&Span>)| {
            let is_moment = span.began == span.ended;
            let is_over = |end: &Timestamp| match is_moment {
                // At the end of something is still in it.
                true => *end < span.began,
                false => *end <= span.began,
            };
            while lane.0.last().is_some_and(is_over) {
                lane.0.pop();
            }
            lane.0.last().is_none_or(|end| span.ended <= *end)
        };
        let at = lanes.iter_mut().position(fits).unwrap_or(lanes.len());
        if at == lanes.len() {
            lanes.push(Default::default());
        }
        lanes[at].0.push(span.ended);
        lanes[at].1.push(span);
    }
    lanes.into_iter().map(|(_, spans)| spans).collect()
}

/// The events of a lane: what is inside another begins later and ends earlier.
fn events(
    lane: &[&Span],
    track: u64,
    epoch: Timestamp,
    flows: &BTreeMap<SpanId, Vec<u64>>,
    packets: &mut Vec<Message>,
) {
    let at = |time: Timestamp| {
        let since = time.as_nanosecond() - epoch.as_nanosecond() + EPOCH;
        u64::try_from(since).unwrap_or_default()
    };
    let packet = |time, event: &Message| Message::default().number(8, at(time)).message(11, event);
    let end = Message::default().number(9, END).number(11, track);
    let mut open: Vec<Timestamp> = Vec::new();
    for span in lane {
        let is_moment = span.began == span.ended;
        let is_over = |end: &Timestamp| *end < span.began || (!is_moment && *end == span.began);
        while let Some(time) = open.pop_if(|end| is_over(end)) {
            packets.push(packet(time, &end));
        }
        let kind = if is_moment { INSTANT } else { BEGIN };
        let mut event = Message::default()
            .number(9, kind)
            .number(11, track)
            .text(22, "duet")
            .text(23, &span.name);
        for flow in flows.get(&span.id).into_iter().flatten() {
            event = event.fixed(47, *flow);
        }
        for (name, value) in &span.attributes {
            event = event.message(4, &note(name, value));
        }
        if let Some(how) = &span.failed {
            event = event.message(4, &note("error.type", &Value::Text(how.clone())));
        }
        packets.push(packet(span.began, &event));
        if !is_moment {
            open.push(span.ended);
        }
    }
    while let Some(time) = open.pop() {
        packets.push(packet(time, &end));
    }
}

/// A `DebugAnnotation`.
fn note(name: &str, value: &Value) -> Message {
    let note = Message::default().text(10, name);
    match value {
        Value::Text(text) => note.text(6, text),
        Value::Number(number) => note.number(4, u64::try_from(*number).unwrap_or_default()),
        Value::Flag(flag) => note.number(2, u64::from(*flag)),
        Value::Texts(texts) => note.text(6, &texts.join(", ")),
    }
}
