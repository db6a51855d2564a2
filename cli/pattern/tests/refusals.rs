//! Malformed patterns: the reason, in AWS's words, and the place.

use duet_pattern::{Dialect, Duplicates, Pattern};
use serde_json::json;

#[track_caller]
fn refused(text: &str, at: &str, reason: &str) {
    let Err(error) = Pattern::parse(text) else {
        panic!("taken, though it should be refused: {text}");
    };
    assert_eq!(
        (error.path.as_str(), error.message.as_str()),
        (at, reason),
        "{text}"
    );
}

#[test]
fn shapes() {
    for (text, at, reason) in [
        (r#"["a"]"#, "$", "Filter is not an object"),
        (r#""a""#, "$", "Filter is not an object"),
        ("{}", "$", "Empty objects are not allowed"),
        (
            r#"{"detail": {}}"#,
            "$.detail",
            "Empty objects are not allowed",
        ),
        (
            r#"{"resources": []}"#,
            "$.resources",
            "Empty arrays are not allowed",
        ),
        (
            r#"{"int": 42}"#,
            "$.int",
            "\"int\" must be an object or an array",
        ),
        (
            r#"{"detail": {"a": null}}"#,
            "$.detail.a",
            "\"a\" must be an object or an array",
        ),
        (
            r#"{"a": [["b"]]}"#,
            "$.a[0]",
            "Match value must be String, number, true, false, or null",
        ),
        (
            r#"{"a": [1, {}]}"#,
            "$.a[1]",
            "Match expression name not found",
        ),
        (
            r#"{"a": [{"EXISTS": true}]}"#,
            "$.a[0].EXISTS",
            "Unrecognized match type EXISTS",
        ),
        (
            r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
            "$.a[0].prefix",
            "Only one key allowed in match expression",
        ),
        (
            r#"{"a": [{"numeric": ["=", 1], "suffix": "y"}]}"#,
            "$.a[0].numeric",
            "Too many elements in numeric expression",
        ),
    ] {
        refused(text, at, reason);
    }
    let error = Pattern::parse("{'a': 1}").unwrap_err();
    assert!(error.message.starts_with("Invalid JSON: "), "{error}");
    assert_eq!(
        Pattern::parse(r#"{"a": []}"#).unwrap_err().aws_message(),
        "Event pattern is not valid. Reason: Empty arrays are not allowed"
    );
    assert_eq!(
        Pattern::parse(r#"{"a": "b"}"#).unwrap_err().to_string(),
        r#"event pattern is not valid at $.a: "a" must be an object or an array (write ["b"])"#
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table: one row a refusal")]
fn operands() {
    for (expression, at, reason) in [
        (
            r#"{"prefix": 1}"#,
            "prefix",
            "prefix match pattern must be a string",
        ),
        (
            r#"{"prefix": ["a"]}"#,
            "prefix",
            "prefix match pattern must be a string",
        ),
        (
            r#"{"prefix": {}}"#,
            "prefix",
            "Prefix expression name not found",
        ),
        (
            r#"{"prefix": {"wildcard": "a"}}"#,
            "prefix",
            "Unsupported prefix pattern: wildcard",
        ),
        (
            r#"{"prefix": {"equals-ignore-case": 1}}"#,
            "prefix.equals-ignore-case",
            "equals-ignore-case match pattern must be a string",
        ),
        (
            r#"{"suffix": null}"#,
            "suffix",
            "suffix match pattern must be a string",
        ),
        (
            r#"{"suffix": {"prefix": "a"}}"#,
            "suffix",
            "Unsupported suffix pattern: prefix",
        ),
        (
            r#"{"equals-ignore-case": ["a"]}"#,
            "equals-ignore-case",
            "equals-ignore-case match pattern must be a string",
        ),
        (
            r#"{"exists": "true"}"#,
            "exists",
            "exists match pattern must be either true or false.",
        ),
        (
            r#"{"exactly": 1}"#,
            "exactly",
            "exact match pattern must be a string",
        ),
        (
            r#"{"wildcard": 1}"#,
            "wildcard",
            "wildcard match pattern must be a string",
        ),
        (
            r#"{"wildcard": "a:**"}"#,
            "wildcard",
            "Consecutive wildcard characters at pos 3",
        ),
        (
            r#"{"wildcard": "é**"}"#,
            "wildcard",
            "Consecutive wildcard characters at pos 3",
        ),
        (
            r#"{"wildcard": "a\\b"}"#,
            "wildcard",
            "Invalid escape character at pos 2",
        ),
        (
            r#"{"wildcard": "a\\"}"#,
            "wildcard",
            "Invalid escape character at pos 2",
        ),
        (
            r#"{"cidr": ["a"]}"#,
            "cidr",
            "prefix match pattern must be a string",
        ),
        (
            r#"{"cidr": "10.0.0.0"}"#,
            "cidr",
            "Malformed CIDR, one '/' required",
        ),
        (
            r#"{"cidr": "10.0.0.0/x"}"#,
            "cidr",
            "Malformed CIDR, mask bits must be an integer",
        ),
        (
            r#"{"cidr": "10.0.0.0/-1"}"#,
            "cidr",
            "Malformed CIDR, mask bits must not be negative",
        ),
        (
            r#"{"cidr": "10.0.0.0/32"}"#,
            "cidr",
            "IPv4 mask bits must be < 32",
        ),
        (
            r#"{"cidr": "::/128"}"#,
            "cidr",
            "IPv6 mask bits must be < 128",
        ),
        (
            r#"{"cidr": "xx.11.xx/8"}"#,
            "cidr",
            "Nonstandard IP address: xx.11.xx",
        ),
        (
            r#"{"cidr": "300.0.0.1/8"}"#,
            "cidr",
            "Invalid IP address: 300.0.0.1",
        ),
    ] {
        refused(
            &format!(r#"{{"a": [{expression}]}}"#),
            &format!("$.a[0].{at}"),
            reason,
        );
    }
}

#[test]
fn numeric() {
    for (terms, reason) in [
        ("10", "Value of numeric must be an array."),
        ("[]", "Invalid member in numeric match: ]"),
        ("[5]", "Invalid member in numeric match: 5"),
        (r#"["!", 5]"#, "Unrecognized numeric range operator: !"),
        (r#"["=", "5"]"#, "Value of equals must be numeric"),
        (r#"["<"]"#, "Value of < must be numeric"),
        (r#"[">=", null]"#, "Value of >= must be numeric"),
        (
            r#"["=", 5, "<", 6]"#,
            "Too many elements in numeric expression",
        ),
        (
            r#"["<", 5, ">", 1]"#,
            "Too many elements in numeric expression",
        ),
        (r#"[">", 0, ">", 0]"#, "Bad numeric range operator: >"),
        (r#"[">", 0, 5]"#, "Bad value in numeric range: 5"),
        (r#"[">", 0, "<"]"#, "Value of < must be numeric"),
        (
            r#"[">", 0, "<", 5, 6]"#,
            "Too many terms in numeric range expression",
        ),
        (r#"[">", 5, "<", 5]"#, "Bottom must be less than top"),
        (
            r#"["=", 5000000001]"#,
            "Value must be between -5.0E9 and 5.0E9, inclusive",
        ),
        (
            r#"["=", 0.1234567]"#,
            "Only values upto 6 decimals are supported",
        ),
    ] {
        refused(
            &format!(r#"{{"a": [{{"numeric": {terms}}}]}}"#),
            "$.a[0].numeric",
            reason,
        );
    }
}

#[test]
fn anything_but() {
    const NOT_A_VALUE: &str =
        "Value of anything-but must be an array or single string/number value.";
    const MIXED: &str = "Inside anything but list, either all values are number or string, mixed type is not supported";
    const AFFIX: &str = "prefix/suffix match pattern must be a string";
    const CASE: &str =
        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.";
    for (operand, at, reason) in [
        ("null", "", NOT_A_VALUE),
        ("true", "", NOT_A_VALUE),
        ("[]", "", MIXED),
        (r#"["a", 1]"#, "", MIXED),
        (
            r#"["a", null]"#,
            "[1]",
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        ("{}", "", "Anything-But expression name not found"),
        (
            r#"{"numeric": [">", 1]}"#,
            ".numeric",
            "Unsupported anything-but pattern: numeric",
        ),
        (
            r#"{"prefix": ""}"#,
            ".prefix",
            "Null prefix/suffix not allowed",
        ),
        (
            r#"{"suffix": ["a", ""]}"#,
            ".suffix[1]",
            "Null prefix/suffix not allowed",
        ),
        (r#"{"prefix": 1}"#, ".prefix", AFFIX),
        (r#"{"suffix": [null]}"#, ".suffix[0]", AFFIX),
        (
            r#"{"prefix": {"equals-ignore-case": "a"}}"#,
            ".prefix",
            NOT_A_VALUE,
        ),
        (
            r#"{"equals-ignore-case": 123}"#,
            ".equals-ignore-case",
            CASE,
        ),
        (
            r#"{"equals-ignore-case": [123]}"#,
            ".equals-ignore-case[0]",
            CASE,
        ),
        (
            r#"{"wildcard": [123]}"#,
            ".wildcard[0]",
            "wildcard match pattern must be a string",
        ),
        (
            r#"{"wildcard": "a**"}"#,
            ".wildcard",
            "Consecutive wildcard characters at pos 2",
        ),
        (
            r#"{"prefix": "a", "suffix": "b"}"#,
            ".prefix",
            "Too many elements in numeric expression",
        ),
        (
            "1e10",
            "",
            "Value must be between -5.0E9 and 5.0E9, inclusive",
        ),
    ] {
        refused(
            &format!(r#"{{"a": [{{"anything-but": {operand}}}]}}"#),
            &format!("$.a[0].anything-but{at}"),
            reason,
        );
    }
}

#[test]
fn or() {
    refused(
        r#"{"$or": [{"a": [1]}]}"#,
        "$.$or[0].a",
        "Unrecognized match type a",
    );
    refused(
        r#"{"$or": [{"a": [1]}, {}]}"#,
        "$.$or[1]",
        "Empty objects are not allowed",
    );
    refused(
        r#"{"$or": [{"a": [1]}, {"prefix": [1]}]}"#,
        "$.$or[0].a",
        "Unrecognized match type a",
    );
    refused(r#"{"$or": []}"#, "$.$or", "Empty arrays are not allowed");
    refused(
        r#"{"$or": 1}"#,
        "$.$or",
        "\"$or\" must be an object or an array",
    );
    let hint = Pattern::parse(r#"{"$or": [{"a": [1]}]}"#)
        .unwrap_err()
        .hint
        .unwrap();
    assert!(hint.contains("at least two objects"), "{hint}");

    let branches: Vec<_> = (0..10).map(|i| json!({"v": [i]})).collect();
    let two = json!({"a": {"$or": branches}, "b": {"$or": branches}, "c": {"$or": branches}});
    assert!(
        Pattern::from_value(&two).is_ok(),
        "1,000 combinations are allowed"
    );
    let three = json!({"a": {"$or": branches}, "b": {"$or": branches}, "c": {"$or": branches}, "d": {"$or": [{"x": [1]}, {"y": [1]}]}});
    let error = Pattern::from_value(&three).unwrap_err();
    assert_eq!(
        (error.path.as_str(), error.message.as_str()),
        ("$.d.$or", "`$or` makes over 1000 rule combinations")
    );
}

#[test]
fn duplicates() {
    refused(
        r#"{"a": ["x"], "a": ["y"]}"#,
        "$.a",
        "Path `a` cannot be allowed multiple times",
    );
    refused(
        r#"{"d": {"a": ["x"]}, "d": {"b": ["y"]}}"#,
        "$.d",
        "Path `d` cannot be allowed multiple times",
    );
    refused(
        r#"{"d": {"a": ["x"]}, "d.a": ["y"]}"#,
        "$.d.a",
        "Path `d.a` cannot be allowed multiple times",
    );
    refused(
        r#"{"a": ["x"], "$or": [{"a": ["y"]}, {"b": ["z"]}]}"#,
        "$.$or[0].a",
        "Path `a` cannot be allowed multiple times",
    );

    let as_the_service = Dialect::EVENT_BRIDGE.with_duplicates(Duplicates::LastWins);
    let last = Pattern::parse_in(&as_the_service, r#"{"a": ["x"], "a": ["y"]}"#).unwrap();
    assert!(last.matches(&json!({"a": "y"})) && !last.matches(&json!({"a": "x"})));
}

#[test]
fn length_counts_characters_without_spaces_between_tokens() {
    let pattern = |value: usize| format!("{{\n    \"é\": [ \"{}\" ]\n}}", " ".repeat(value));
    assert!(Pattern::parse(&pattern(2_038)).is_ok());
    let error = Pattern::parse(&pattern(2_039)).unwrap_err();
    assert_eq!(
        error.message,
        "the pattern has 2049 characters, and 2048 are allowed"
    );
}
