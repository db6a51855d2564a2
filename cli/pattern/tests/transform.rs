//! Target inputs: what each placeholder becomes, and what `PutTargets` refuses.

use std::collections::BTreeMap;

use duet_pattern::{InputPath, InputTransformer, RuleContext, TargetInput};
use serde_json::{Value, json};

const CONTEXT: RuleContext<'static> = RuleContext {
    rule_arn: "arn:aws:events:eu-west-1:123456789012:rule/shop/orders",
    rule_name: "orders",
    ingestion_time: "2025-11-11T21:29:55Z",
};

fn event() -> Value {
    json!({
        "version": "0", "id": "7bf7", "detail-type": "NewOrder", "source": "duet.order", "account": "123456789012",
        "time": "2025-11-11T21:29:54Z", "region": "eu-west-1", "resources": [],
        "detail": {"id": "o-1", "total": 42, "gift": false, "note": null, "said": "a \"b\"", "to": {"zip": "10115"},
                   "lines": [{"sku": "s1"}, {"sku": "s2"}], "tags": ["x", "y"]}
    })
}

fn paths() -> Value {
    json!({"id": "$.detail.id", "total": "$.detail.total", "gift": "$.detail.gift", "note": "$.detail.note", "said": "$.detail.said",
           "to": "$.detail.to", "tags": "$.detail.tags", "second": "$.detail.lines[1].sku", "skus": "$.detail.lines[*].sku",
           "none": "$.detail.nothing", "type": "$.detail-type"})
}

#[track_caller]
fn renders(template: &str, expected: &str) {
    let target = json!({"Id": "t1", "InputTransformer": {"InputPathsMap": paths(), "InputTemplate": template}});
    let input =
        TargetInput::from_target(&target).unwrap_or_else(|error| panic!("{template}: {error}"));
    assert_eq!(
        input.render(&event(), CONTEXT).as_deref(),
        Some(expected),
        "{template}"
    );
}

#[test]
fn placeholders() {
    for (template, expected) in [
        (r#""order <id> of <type>""#, r#""order o-1 of NewOrder""#),
        (r#""order \"<id>\"""#, r#""order \"o-1\"""#),
        (
            r#"{ "id" : <id>, "total": <total>,"gift":<gift>, "note": <note> }"#,
            r#"{"id":"o-1","total":42,"gift":false,"note":null}"#,
        ),
        (
            r#"{"id": "<id>", "text": "<total> <gift>  x"}"#,
            r#"{"id":"o-1","text":"42 false  x"}"#,
        ),
        (
            r#"{"to": <to>, "tags": <tags>}"#,
            r#"{"to":{"zip":"10115"},"tags":["x","y"]}"#,
        ),
        (r#""<to> and <tags>""#, r#""{zip:10115} and [x,y]""#),
        (r#"[9, <second>, <skus>]"#, r#"[9,"s2",["s1","s2"]]"#),
        (
            r#"{"none": <none>, "quoted": "<none>"}"#,
            r#"{"none":"","quoted":""}"#,
        ),
        (r#"{"said": <said>}"#, r#"{"said":"a \"b\""}"#),
        (r#"<total>"#, "42"),
        ("\"first <id>\"\n\"second\"", "\"first o-1\"\n\"second\""),
        (r#"{"a < b": "1 > <total>"}"#, r#"{"a < b":"1 > 42"}"#),
    ] {
        renders(template, expected);
    }
}

/// Validated against AWS on 2025-10-08: nothing is delivered; the dead letter's ERROR_CODE is INVALID_JSON.
#[test]
fn a_json_template_that_is_no_json_once_filled_delivers_nothing() {
    for template in [
        // An object or a list within quotes.
        r#"{"note": "ship <skus>"}"#,
        r#"{"note": "<to>"}"#,
        r#"{"note": "<aws.events.event>"}"#,
        // Not escaped, so no longer JSON.
        r#"{"said": "<said>"}"#,
    ] {
        let target = json!({"Id": "t1", "InputTransformer": {"InputPathsMap": paths(), "InputTemplate": template}});
        let input = TargetInput::from_target(&target).unwrap();
        assert_eq!(input.render(&event(), CONTEXT), None, "{template}");
    }
    // A text is no JSON template: what is within its quotes loses its quotation marks.
    renders(r#""ship <skus>""#, r#""ship [s1,s2]""#);
}

#[test]
fn predefined_variables() {
    renders(
        r#"{"rule": <aws.events.rule-name>, "arn": "<aws.events.rule-arn>", "at": <aws.events.event.ingestion-time>}"#,
        r#"{"rule":"orders","arn":"arn:aws:events:eu-west-1:123456789012:rule/shop/orders","at":"2025-11-11T21:29:55Z"}"#,
    );
    renders(
        r#"{"event": <aws.events.event>}"#,
        r#"{"event":{"id":"7bf7","account":"123456789012","detailType":"NewOrder","time":"2025-11-11T21:29:54Z","source":"duet.order","region":"eu-west-1","resources":[],"version":"0"}}"#,
    );
    renders(
        r#"{"whole": <aws.events.event.json>}"#,
        &json!({"whole": event()}).to_string(),
    );
}

#[test]
fn other_inputs() {
    let input = |target: Value| {
        TargetInput::from_target(&target)
            .unwrap()
            .render(&event(), CONTEXT)
    };
    assert_eq!(input(json!({"Id": "t1"})), Some(event().to_string()));
    assert_eq!(
        input(json!({"Id": "t1", "Input": "{\"a\": 1}"})),
        Some("{\"a\": 1}".to_owned())
    );
    assert_eq!(
        input(json!({"Id": "t1", "InputPath": "$.detail.to"})),
        Some(r#"{"zip":"10115"}"#.to_owned())
    );
    assert_eq!(
        input(json!({"Id": "t1", "InputPath": "$.detail.id"})),
        Some(r#""o-1""#.to_owned())
    );
    assert_eq!(
        input(json!({"Id": "t1", "InputPath": "$"})),
        Some(event().to_string())
    );
    assert_eq!(
        input(json!({"Id": "t1", "InputPath": "$.detail.nothing"})),
        None
    );
}

#[test]
fn paths_are_a_subset_of_jsonpath() {
    for good in [
        "$",
        "$.detail-type",
        "$.detail.a_b[0][1].c",
        "$.detail.*",
        "$.detail.lines[*].sku",
        "$.a/b",
    ] {
        assert!(InputPath::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "detail",
        "$.",
        "$..sku",
        "$.detail['id']",
        "$.detail[\"id\"]",
        "$.lines[?(@.a)]",
        "$.lines[-1]",
        "$.lines[0",
        "$detail",
    ] {
        assert!(InputPath::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(
        InputPath::parse("$.detail.*")
            .unwrap()
            .find(&event())
            .unwrap()
            .as_array()
            .map(Vec::len),
        Some(8)
    );
}

#[test]
fn refusals() {
    let refused = |target: Value| TargetInput::from_target(&target).unwrap_err().to_string();
    let template = |template: &str| {
        refused(
            json!({"Id": "t1", "InputTransformer": {"InputPathsMap": {"id": "$.detail.id"}, "InputTemplate": template}}),
        )
    };
    assert_eq!(
        refused(json!({"Id": "t1", "Input": "1", "InputPath": "$"})),
        "Only one of Input, InputPath, or InputTransformer must be provided for target t1."
    );
    assert_eq!(
        template("\"<other>\""),
        "InputTemplate for target t1 contains invalid placeholder other."
    );
    for text in [
        "[<aws.events.event.json>]",
        "\"<aws.events.event.json>\"",
        "{\"a\": \"<aws.events.event.json>\"}",
    ] {
        assert_eq!(
            template(text),
            "InputTemplate for target t1 contains placeholder aws.events.event.json valid only for JSON template."
        );
    }
    assert!(template("<id> is new").starts_with("Invalid InputTemplate for target t1 : "));
    assert!(template("{\"a\": <id>").starts_with("Invalid InputTemplate for target t1 : "));
    assert!(template("").contains("0 characters"));
    assert!(
        refused(json!({"Id": "t1", "InputPath": "detail"}))
            .starts_with("InputPath for target t1 is invalid")
    );
    assert!(
        refused(json!({"Id": "t1", "Input": "no json"}))
            .starts_with("Input of target t1 is not valid")
    );
    assert!(refused(json!({"Id": "t1", "InputTransformer": {}})).contains("InputTemplate"));

    let many: BTreeMap<String, String> = (0..101)
        .map(|i| (format!("n{i}"), "$.a".to_owned()))
        .collect();
    assert!(
        InputTransformer::new("t1", &many, "\"a\"")
            .unwrap_err()
            .to_string()
            .contains("101 entries")
    );
    for name in ["aws.events.rule-name", "", "a b"] {
        let reserved = BTreeMap::from([(name.to_owned(), "$.a".to_owned())]);
        assert!(
            InputTransformer::new("t1", &reserved, "\"a\"").is_err(),
            "{name}"
        );
    }
}
