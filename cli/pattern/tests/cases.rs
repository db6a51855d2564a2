//! Small inputs with what is right for each, from a file, and how the work of matching grows.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside test functions may take the shortcuts tests may"
)]

use duet_pattern::{Matcher, Pattern, RuleContext, TargetInput, explain};
use serde_json::{Map, Value, json};
use std::path::Path;

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn value(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

#[test]
fn every_case_answers_as_written() {
    let context = RuleContext {
        rule_arn: "arn:aws:events:us-east-1:123456789012:rule/shop/orders",
        rule_name: "orders",
        ingestion_time: "2026-11-22T00:00:00Z",
    };
    for line in read("cases.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let file = case["file"].as_str().unwrap();
        let want = &case["want"];
        match case["kind"].as_str().unwrap() {
            "pattern" => match Pattern::parse(&read(file)) {
                Err(error) => assert_eq!(want["refused"], true, "{file}: {error}"),
                Ok(pattern) => {
                    let event = value(case["input"].as_str().expect(file));
                    assert_eq!(pattern.matches(&event), want["match"], "{file}");
                    assert_eq!(explain(&pattern, &event).matches, want["match"], "{file}");
                }
            },
            "pattern-time" => {
                let event = value(case["input"].as_str().unwrap());
                let pattern = Pattern::parse(&read(file)).unwrap();
                let (_, steps) = pattern.matches_counting(&event);
                assert!(steps < 3_000, "{file}: {steps} steps");
            }
            "transform" => {
                let case = value(file);
                let input = TargetInput::from_target(&case["target"]).unwrap();
                let delivered = input.render(&case["event"], context).is_some();
                assert_eq!(delivered, want["delivered"], "{file}");
            }
            kind => panic!("{kind} is no kind of case"),
        }
    }
}

/// Event Ruler's count, and between 9 (taken) and 11 (refused) the limit.
#[test]
fn wildcards_are_refused_when_a_text_can_match_more_than_ten_beginnings() {
    let mut refused = Vec::new();
    for line in read("wildcards.jsonl").lines() {
        if let Err(error) = Pattern::parse(line) {
            refused.push((line.to_owned(), error.message));
        }
    }
    let complex: Vec<&str> = refused
        .iter()
        .filter(|(_, why)| why.starts_with("Rule is too complex"))
        .map(|(line, _)| line.as_str())
        .collect();
    assert_eq!(
        complex,
        [r#"{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}"#]
    );
    // Numbers, lists and two stars in a row, in the words for those.
    assert_eq!(refused.len(), 6, "{refused:#?}");
}

#[test]
fn complexity_adds_up_over_the_wildcards_of_a_field() {
    let rule = |names: &[&str]| {
        let tests: Vec<Value> = names
            .iter()
            .map(|name| json!({"wildcard": format!("*:stack/{name}/*")}))
            .collect();
        Pattern::from_value(&json!({"detail": {"stack-id": tests}}))
    };
    // A deployed rule with three of these was taken, and one with four was refused.
    assert!(rule(&["one", "two", "three"]).is_ok());
    let error = rule(&["one", "two", "three", "four"]).unwrap_err();
    assert_eq!(
        error.aws_message(),
        "Event pattern is not valid. Reason: Rule is too complex - try using fewer wildcard characters or fewer \
         repeating character sequences after a wildcard character"
    );
    // The same one twice counts once; fields count apart.
    assert!(rule(&["one", "one", "one", "one", "one"]).is_ok());
    let wild = json!([{"wildcard": "*a*a*a*"}]);
    assert!(Pattern::from_value(&json!({"x": wild, "y": wild, "z": wild})).is_ok());
    let alternatives = json!([{"x": wild}, {"x": [{"wildcard": "*b*a*b*"}]}]);
    assert!(Pattern::from_value(&json!({"$or": alternatives})).is_err());
}

/// `fields` arrays of so many like elements that an event of this size results, and a rule that just fails at the end.
fn exploding(fields: usize, bytes: usize, nested: bool) -> (Value, Value) {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let element = if nested {
        json!({"x": "1", "in": [{"y": "1"}, {"y": "2"}]})
    } else {
        json!({"x": "1"})
    };
    let count = bytes / (fields + 1) / element.to_string().len();
    let list = Value::Array(vec![element; count.max(1)]);
    let mut event = Map::new();
    let mut rule = Map::new();
    for name in &names[..fields] {
        event.insert((*name).to_owned(), list.clone());
        let wanted = if nested {
            json!({"x": ["1"], "in": {"y": ["2"]}})
        } else {
            json!({"x": ["1"]})
        };
        rule.insert((*name).to_owned(), wanted);
    }
    let half = (count / 2).max(1);
    let mut last = vec![json!({"x": "1"}); half];
    last.extend(vec![json!({"y": "1"}); half]);
    event.insert("z".into(), last.into());
    rule.insert("z".into(), json!({"x": ["1"], "y": ["1"]}));
    (event.into(), rule.into())
}

#[test]
fn work_grows_with_the_event_and_not_with_the_product_of_its_arrays() {
    for nested in [false, true] {
        for fields in 1..=8 {
            let mut before: Option<f64> = None;
            for kilobytes in [1, 2, 4, 8, 16] {
                let (event, rule) = exploding(fields, kilobytes * 1_024, nested);
                let pattern = Pattern::from_value(&rule).unwrap();
                let (matches, steps) = pattern.matches_counting(&event);
                assert!(!matches);
                let per_byte = steps as f64 / event.to_string().len() as f64;
                if let Some(before) = before {
                    assert!(
                        per_byte <= before * 1.1,
                        "{fields} arrays, {kilobytes} kB: {before} to {per_byte}"
                    );
                }
                before = Some(per_byte);
                assert!(!pattern.matches(&event));
                let matcher: Matcher<()> = [((), pattern)].into_iter().collect();
                assert!(matcher.matches(&event).is_empty());
            }
        }
    }
}

/// A plain value in an array belongs to none of its elements, wherever it stands between them.
#[test]
fn plain_values_among_elements_are_free() {
    let many = |list: Value| {
        let filler: Vec<Value> = (0..40).map(|_| json!({"x": "0", "z": "0"})).collect();
        let mut all = filler.clone();
        all.extend(list.as_array().unwrap().clone());
        all.extend(filler);
        json!({"m": all, "n": [{"q": "1"}, {"r": "1"}]})
    };
    let rule = json!({"m": [{"numeric": ["=", 7]}], "m.x": ["1"], "m.z": ["1"], "n": {"q": ["1"]}});
    let pattern = Pattern::from_value(&rule).unwrap();
    assert!(pattern.matches(&many(json!([7, {"x": "1", "z": "1"}, 8]))));
    assert!(pattern.matches(&many(json!([8, {"x": "1", "z": "1"}, 7]))));
    assert!(!pattern.matches(&many(json!([7, {"x": "1"}, {"z": "1"}]))));
}
