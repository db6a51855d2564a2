//! The words for tests: what does not hold panics and says why.

use duet_pattern::testing::pattern;
use serde_json::json;

#[test]
fn what_holds_passes() {
    pattern(r#"{"a": [1, {"prefix": "x"}]}"#)
        .matches(json!({"a": "xy"}))
        .matches(json!({"a": [0, 1]}))
        .refuses(json!({"a": 0}))
        .refuses(json!({}));
}

#[test]
#[should_panic(expected = "a: wanted 1, found 0")]
fn what_should_match_says_why_it_does_not() {
    pattern(r#"{"a": [1]}"#).matches(json!({"a": 0}));
}

#[test]
#[should_panic(expected = "matches")]
fn what_should_not_match_does_not() {
    pattern(r#"{"a": [1]}"#).refuses(json!({"a": 1}));
}

#[test]
#[should_panic(expected = "event pattern is not valid")]
fn what_eventbridge_refuses_is_no_pattern() {
    let _ = pattern(r#"{"a": 1}"#);
}
