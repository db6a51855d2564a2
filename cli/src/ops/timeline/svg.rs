//! A timeline as a picture: a row for each thing that happened, its causes above
//! it, on one axis of time. One SVG document without scripts, fonts or links; light
//! or dark as the reader has it. Colours are told apart by the colour-blind (Okabe and
//! Ito, "Color Universal Design"), and say nothing that the text does not say.

use std::fmt::Write as _;

use super::axis::Axis;
use super::draw::caption;
use super::{Kind, Node, Timeline};
use crate::shop::services::SERVICES;
use crate::terminal::times::millis;

const WIDTH: f64 = 800.0;
/// Where the axis begins, and how long it is.
const LEFT: f64 = 410.0;
const LENGTH: f64 = 350.0;
const ROW: f64 = 19.0;
/// Where the first row is.
const TOP: f64 = 74.0;
/// How far an effect stands to the right of its cause, and the most of all.
const INDENT: f64 = 9.0;
const DEEPEST: f64 = 150.0;
/// How wide a letter is on average, at the size of the rows.
const LETTER: f64 = 6.8;

const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8a7f00",
];

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1c1c1c}\
.head{font-weight:600;font-size:14px}.quiet{fill:#5a5a5a;font-size:11px}\
.paper{fill:#fff}.line{stroke:#c4c4c4;fill:none}.grid{stroke:#e4e4e4}\
.cut{fill:#efefef}.lack{fill:none;stroke:#1c1c1c;stroke-dasharray:4 3}\
.bad{stroke:#1c1c1c;stroke-width:2}.plain{fill:#7a7a7a}\
@media(prefers-color-scheme:dark){text{fill:#ececec}.quiet{fill:#b4b4b4}\
.paper{fill:#16181b}.line{stroke:#5c6066}.grid{stroke:#2c3035}.cut{fill:#24272b}\
.lack{stroke:#ececec}.bad{stroke:#ececec}.plain{fill:#9a9a9a}}";

/// The picture of `timeline`.
pub(super) fn picture(timeline: &Timeline) -> String {
    let mut rows = Vec::new();
    for root in &timeline.tree {
        rows_of(root, None, 0, &mut rows);
    }
    let mut times = vec![0];
    for row in &rows {
        times.extend(span(row.node).into_iter().flat_map(|(from, to)| [from, to]));
    }
    let axis = Axis::new(times, LENGTH);
    let below = below(timeline);
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 14.0 + ROW * below.len() as f64;
    let mut svg = String::new();
    head(timeline, height, &mut svg);
    scale(&axis, bottom, &mut svg);
    for (at, row) in rows.iter().enumerate() {
        let cause = row.cause.and_then(|cause| span(rows[cause].node));
        draw(row, at, cause, &axis, &mut svg);
    }
    for (at, text) in below.iter().enumerate() {
        let y = bottom + ROW * (at + 1) as f64;
        let _ = writeln!(
            svg,
            r#"<text x="12" y="{y}">{}</text>"#,
            fitting(text, 776.0)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A thing that happened, and where its cause stands.
struct Row<'a> {
    node: &'a Node,
    cause: Option<usize>,
    depth: usize,
}

fn rows_of<'a>(node: &'a Node, cause: Option<usize>, depth: usize, rows: &mut Vec<Row<'a>>) {
    let own = rows.len();
    rows.push(Row { node, cause, depth });
    for child in &node.children {
        rows_of(child, Some(own), depth + 1, rows);
    }
}

/// From when until when something lasted: a step since its cause was said, a state
/// from its beginning on.
fn span(node: &Node) -> Option<(i64, i64)> {
    let at = node.after_ms?;
    let took = node.took_ms.unwrap_or(0);
    Some(match node.kind {
        Kind::State | Kind::Execution => (at, at + took),
        _ => (at - took, at),
    })
}

/// What the order lacks, and what died.
fn below(timeline: &Timeline) -> Vec<String> {
    let dead = timeline.dead_letters.iter().map(|dead| {
        let kind = dead.kind.as_deref().unwrap_or("unread");
        format!("dead: {kind} in {}", dead.place)
    });
    let missing = timeline.missing.iter().map(|missing| {
        let until = missing.until.map(|at| format!(" until {at:.0}"));
        format!("missing: {}{}", missing.what, until.unwrap_or_default())
    });
    dead.chain(missing).collect()
}

fn head(timeline: &Timeline, height: f64, svg: &mut String) {
    let under = timeline.variant.unwrap_or("no variant");
    let mut about = format!("under {under}, {}", millis(timeline.elapsed_ms));
    for (count, what) in [
        (timeline.retries, "retries"),
        (timeline.duplicates, "told again"),
        (timeline.replays, "replayed"),
    ] {
        if count > 0 {
            let _ = write!(about, ", {count} {what}");
        }
    }
    let (order, outcome) = (escaped(&timeline.order), escaped(&timeline.outcome));
    let about = escaped(&about);
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="t d">
<title id="t">Order {order}: {outcome}</title>
<desc id="d">{about}. A row for each thing that happened, its cause above it; bars by time.</desc>
<style>{STYLE}</style>
<rect class="paper" width="{WIDTH}" height="{height}"/>
<text class="head" x="12" y="24">{}</text>
<text class="quiet" x="12" y="42">{about}</text>"#,
        fitting(&format!("{}  {}", timeline.order, timeline.outcome), 680.0)
    );
}

/// The axis, with what is cut from it.
fn scale(axis: &Axis, bottom: f64, svg: &mut String) {
    for cut in axis.cuts() {
        let (x, wide) = (LEFT + cut.from, cut.until - cut.from);
        let (tall, y, middle) = (bottom - TOP + 12.0, TOP - 12.0, x + wide / 2.0);
        let _ = writeln!(
            svg,
            r#"<rect class="cut" x="{x:.1}" y="{y}" width="{wide:.1}" height="{tall}"><title>nothing begins or ends for {ms}</title></rect>
<text class="quiet" x="{middle:.1}" y="{above}" text-anchor="middle">{ms}</text>"#,
            ms = millis(cut.ms),
            above = TOP - 32.0,
        );
    }
    for (ms, place) in axis.ticks(58.0) {
        let x = LEFT + place;
        let _ = writeln!(
            svg,
            r#"<path class="grid" d="M{x:.1} {}V{bottom}"/><text class="quiet" x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
            TOP - 12.0,
            TOP - 17.0,
            tick(ms)
        );
    }
}

/// A time of the axis, exact.
fn tick(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        _ if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        _ => format!("{} s", ms as f64 / 1_000.0),
    }
}

fn indent(depth: usize) -> f64 {
    12.0 + (INDENT * depth as f64).min(DEEPEST)
}

/// The row at `at`; `since` is when its cause was there.
fn draw(row: &Row<'_>, at: usize, since: Option<(i64, i64)>, axis: &Axis, svg: &mut String) {
    let Row { node, cause, depth } = row;
    let (top, x) = (TOP + ROW * at as f64, indent(*depth));
    let middle = top + ROW / 2.0;
    let then = if node.follows.is_some() { "then " } else { "" };
    let text = format!("{then}{}", caption(node));
    let _ = writeln!(svg, "<g><title>{}</title>", escaped(&told(node, &text)));
    if let Some(cause) = cause {
        let from = TOP + ROW * (*cause as f64 + 1.0) - 3.0;
        let line = indent(depth.saturating_sub(1)) + 3.0;
        if line < x {
            let _ = writeln!(
                svg,
                r#"<path class="line" d="M{line} {from}V{middle}H{}"/>"#,
                x - 1.0
            );
        }
    }
    let _ = writeln!(
        svg,
        r#"<text x="{}" y="{}">{}</text>"#,
        x + 2.0,
        middle + 4.0,
        fitting(&text, LEFT - x - 14.0)
    );
    if let Some((from, until)) = span(node) {
        let (from, until) = (LEFT + axis.at(from), LEFT + axis.at(until));
        svg.push_str(&mark(node, from, until, middle));
    } else if node.kind == Kind::Missing {
        let _ = writeln!(
            svg,
            r#"<rect class="lack" x="{:.1}" y="{}" width="18" height="10"/>"#,
            LEFT + since.map_or(0.0, |(_, said)| axis.at(said)),
            middle - 5.0
        );
    }
    svg.push_str("</g>\n");
}

/// A bar, or a diamond for what takes no time.
fn mark(node: &Node, from: f64, until: f64, middle: f64) -> String {
    let known = node
        .service
        .and_then(|service| SERVICES.into_iter().position(|known| known == service));
    let bad = node.outcome.as_deref().is_some_and(|how| {
        !["done", "SUCCEEDED", "RUNNING", "under way", "the last"].contains(&how)
    });
    let class = match (known, bad) {
        (Some(_), true) => r#"class="bad""#,
        (None, true) => r#"class="plain bad""#,
        (Some(_), false) => "",
        (None, false) => r#"class="plain""#,
    };
    let fill = known.map_or(String::new(), |at| {
        format!(r#"fill="{}""#, COLOURS[at % COLOURS.len()])
    });
    let is_moment = matches!(node.kind, Kind::Fact | Kind::Timer | Kind::Operator);
    if is_moment || until - from < 0.5 {
        return format!(
            r#"<path {class} {fill} d="M{:.1} {middle}l4.5 -4.5l4.5 4.5l-4.5 4.5z"/>"#,
            until - 4.5
        );
    }
    let (y, wide) = (middle - 5.0, (until - from).max(1.5));
    // Around what else is drawn on it, so paler.
    let pale = match node.kind {
        Kind::Execution => r#"fill-opacity=".25""#,
        _ if !node.children.is_empty() && node.kind == Kind::State => r#"fill-opacity=".4""#,
        _ => "",
    };
    format!(
        r#"<rect {class} {fill} {pale} x="{from:.1}" y="{y}" width="{wide:.1}" height="10" rx="2"/>"#
    )
}

/// What is told of a row to whoever points at it.
fn told(node: &Node, text: &str) -> String {
    let mut told = text.to_owned();
    if let Some(after) = node.after_ms {
        let _ = write!(told, "; after {after} ms");
    }
    if let Some(took) = node.took_ms {
        let _ = write!(told, ", took {took} ms");
    }
    told
}

/// `text`, cut to `room`, as XML text.
fn fitting(text: &str, room: f64) -> String {
    let most = (room / LETTER).max(4.0) as usize;
    if text.chars().count() <= most {
        return escaped(text);
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{}…", escaped(kept.trim_end()))
}

/// `text` as XML text or as an attribute's value.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML 1.0 has no place for these.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
