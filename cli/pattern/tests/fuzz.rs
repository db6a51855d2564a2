//! No pattern, path or template makes its reader panic, and none that is taken makes its use panic.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside test functions may take the shortcuts tests may"
)]

use std::collections::BTreeMap;
use std::path::Path;

use duet_pattern::{InputPath, InputTransformer, Matcher, Pattern, RuleContext, explain};
use serde_json::{Value, json};

#[path = "../../../tests/garble.rs"]
mod garble;

use garble::{Garbler, Shown};

const CONTEXT: RuleContext<'_> = RuleContext {
    rule_arn: "arn:aws:events:us-east-1:123456789012:rule/shop/orders",
    rule_name: "orders",
    ingestion_time: "2026-11-22T00:00:00Z",
};

fn event() -> Value {
    json!({"source": "a", "detail-type": "b", "n": [1, 2.5, null, true], "detail": {"x": "10.0.0.1", "y": [{"z": "a"}, {"z": "é"}], "": {}}})
}

/// Patterns from the cases, and one of each operator.
fn patterns(seed: u64) -> Garbler {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut texts: Vec<String> = read("wildcards.jsonl").lines().map(str::to_owned).collect();
    texts.push(read("explode5-rule.json"));
    texts.push(read("g09-ignore-case-sigma.pattern.json"));
    texts.push(read("p2-anything-but-empty.json"));
    let all = json!({"detail": {"x": [{"cidr": "10.0.0.0/8"}, "a", 1, null], "n": [{"numeric": [">", 0, "<=", 5e9]}, {"exists": false}],
        "y": {"z": [{"anything-but": {"wildcard": ["*a*", "é*"]}}, {"prefix": {"equals-ignore-case": "ß"}}, {"suffix": "x"}]}},
        "$or": [{"source": [{"equals-ignore-case": "A"}]}, {"detail-type": [{"anything-but": [1, 2]}]}]});
    texts.push(all.to_string());
    Garbler::new(seed, texts, &[])
}

/// How many of `count` patterns were taken.
fn read_patterns(seed: u64, count: u64) -> u64 {
    let (mut garbler, event) = (patterns(seed), event());
    let mut taken = 0;
    for _ in 0..count {
        let text = garbler.next();
        let _shown = Shown(&text);
        let Ok(pattern) = Pattern::parse(&text) else {
            continue;
        };
        taken += 1;
        let matcher: Matcher<()> = [((), pattern.clone())].into_iter().collect();
        let matches = !matcher.matches(&event).is_empty();
        assert_eq!(pattern.matches(&event), matches, "{text}");
        assert_eq!(explain(&pattern, &event).matches, matches, "{text}");
    }
    taken
}

/// How many of `count` pairs of a path and a template were taken.
fn read_transformers(seed: u64, count: u64) -> u64 {
    let templates = [
        r#"{"id": <id>, "text": "of <id> at <aws.events.rule-name>", "all": <aws.events.event.json>}"#,
        r#""<id> and <aws.events.event>""#,
        "\"one <id>\"\n\"two\"",
        r#"["<id>", <id>, {"a": "\"<id>\""}]"#,
    ];
    let templates = templates.map(str::to_owned).into();
    let mut templates = Garbler::new(seed, templates, &["<id>", "<", "<aws.events.event>", "\n"]);
    let paths = [
        "$.detail.y[0].z",
        "$.n[*]",
        "$",
        "$.detail.*",
        "$.detail-type",
    ];
    let mut paths = Garbler::new(
        seed + 1,
        paths.map(str::to_owned).into(),
        &["[*]", "[0]", ".*", "$.n"],
    );
    let event = event();
    let mut taken = 0;
    for _ in 0..count {
        let (path, template) = (paths.next(), templates.next());
        let both = format!("{path} and {template}");
        let _shown = Shown(&both);
        if let Ok(path) = InputPath::parse(&path) {
            let _ = path.find(&event);
        }
        let paths = BTreeMap::from([("id".to_owned(), path)]);
        if let Ok(transformer) = InputTransformer::new("target", &paths, &template) {
            taken += 1;
            let _ = transformer.render(&event, CONTEXT);
        }
    }
    taken
}

fn all(count: u64) {
    let (patterns, transformers) = (read_patterns(1, count), read_transformers(2, count));
    println!(
        "{count} patterns, {patterns} taken; {count} paths and templates, {transformers} taken"
    );
    // What is refused at once shows little.
    assert!(patterns > count / 50 && transformers > count / 50);
}

#[test]
fn nothing_makes_a_reader_panic() {
    all(5_000);
}

#[test]
#[ignore = "takes minutes: cargo test -p duet-pattern --test fuzz -- --ignored --nocapture"]
fn not_one_in_ten_million_makes_a_reader_panic() {
    all(10_000_000);
}
