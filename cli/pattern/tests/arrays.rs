//! Arrays in events: any element, and what lies in one element stays together.

use duet_pattern::{Matcher, Pattern, explain};
use serde_json::{Value, json};

#[track_caller]
fn check(pattern: Value, event: Value, expected: bool) {
    let parsed = Pattern::from_value(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let mut matcher = Matcher::new();
    matcher.add((), &parsed);
    assert_eq!(parsed.matches(&event), expected, "{pattern} on {event}");
    assert_eq!(
        matcher.matches(&event).len(),
        usize::from(expected),
        "compiled {pattern} on {event}"
    );
    assert_eq!(
        explain(&parsed, &event).matches,
        expected,
        "explained {pattern} on {event}"
    );
}

#[test]
fn any_element_will_do() {
    check(
        json!({"resources": ["b"]}),
        json!({"resources": ["a", "b"]}),
        true,
    );
    check(
        json!({"resources": ["b"]}),
        json!({"resources": [["a"], ["b"]]}),
        true,
    );
    check(json!({"resources": ["b"]}), json!({"resources": []}), false);
    check(
        json!({"resources": ["b"]}),
        json!({"resources": [{"b": "b"}]}),
        false,
    );
    check(
        json!({"lines": {"sku": ["s2"]}}),
        json!({"lines": [{"sku": "s1"}, {"sku": "s2"}]}),
        true,
    );
}

#[test]
fn fields_of_one_array_match_in_one_element() {
    let pattern = || json!({"lines": {"sku": ["s1"], "quantity": [{"numeric": [">", 1]}]}});
    check(
        pattern(),
        json!({"lines": [{"sku": "s1", "quantity": 2}]}),
        true,
    );
    check(
        pattern(),
        json!({"lines": [{"sku": "s1", "quantity": 1}, {"sku": "s2", "quantity": 2}]}),
        false,
    );
    check(
        pattern(),
        json!({"lines": [{"sku": "s1", "quantity": 1}, {"sku": "s1", "quantity": 2}]}),
        true,
    );
    check(
        pattern(),
        json!({"lines": [{"sku": "s1", "quantity": 2}, {"sku": "s1", "quantity": 1}]}),
        true,
    );
    let parsed = Pattern::from_value(&pattern()).unwrap();
    let why = explain(
        &parsed,
        &json!({"lines": [{"sku": "s1", "quantity": 1}, {"sku": "s2", "quantity": 2}]}),
    );
    assert!(why.alternatives[0].split_over_elements);
    assert!(
        why.to_string().contains("different elements of one array"),
        "{why}"
    );
}

#[test]
fn a_first_choice_is_taken_back() {
    // `a` holds in every element, `b` in one of them, wherever it stands.
    for at in 0..3 {
        let mut items = vec![json!({"a": 1, "b": 0}); 3];
        items[at] = json!({"a": 1, "b": 1});
        check(
            json!({"items": {"a": [1], "b": [1]}}),
            json!({"items": items}),
            true,
        );
    }
}

#[test]
fn inner_arrays_belong_to_their_outer_element() {
    let pattern = || json!({"orders": {"id": ["o2"], "lines": {"sku": ["s1"], "gift": [true]}}});
    let event = |first: Value, second: Value| json!({"orders": [{"id": "o1", "lines": first}, {"id": "o2", "lines": second}]});
    let wanted = || json!([{"sku": "s0", "gift": false}, {"sku": "s1", "gift": true}]);
    check(pattern(), event(json!([]), wanted()), true);
    check(
        pattern(),
        event(wanted(), json!([{"sku": "s1", "gift": false}])),
        false,
    );
    check(
        pattern(),
        event(
            wanted(),
            json!([{"sku": "s1", "gift": false}, {"sku": "s2", "gift": true}]),
        ),
        false,
    );
}

#[test]
fn different_arrays_and_plain_values_are_free() {
    check(
        json!({"a": {"x": [1]}, "b": {"x": [1]}}),
        json!({"a": [{"x": 0}, {"x": 1}], "b": [{"x": 1}, {"x": 0}]}),
        true,
    );
    // The elements themselves, not members of them: two plain values of one array may answer for two fields of one path only.
    check(
        json!({"tags": ["x"], "more": {"tags": ["y"]}}),
        json!({"tags": ["w", "x"], "more": {"tags": ["x", "y"]}}),
        true,
    );
    // An element that holds an array binds what lies in it.
    check(
        json!({"a": {"x": [1], "y": [1]}}),
        json!({"a": [[{"x": 1}, {"y": 1}]]}),
        false,
    );
    check(
        json!({"a": {"x": [1], "y": [1]}}),
        json!({"a": [[{"x": 1, "y": 1}]]}),
        true,
    );
}

#[test]
fn absence_is_judged_in_the_elements_settled_before_it() {
    // `x` is looked at before `y`, and settles on the first element, where `y` is absent.
    check(
        json!({"a": {"x": [1], "y": [{"exists": false}]}}),
        json!({"a": [{"x": 1}, {"y": 2}]}),
        true,
    );
    check(
        json!({"a": {"x": [1], "y": [{"exists": false}]}}),
        json!({"a": [{"x": 1, "y": 2}, {"x": 2}]}),
        false,
    );
    // `b` is looked at before `x`, when nothing is settled: any `b` counts.
    check(
        json!({"a": {"b": [{"exists": false}], "x": [1]}}),
        json!({"a": [{"x": 1}, {"b": 2}]}),
        false,
    );
}

#[test]
fn absence_is_helped_by_an_element_settled_on() {
    // The plain `x` binds nothing and `b` is there; the `x` of the list within binds an element that has no `b`.
    let pattern = || json!({"a": [{"anything-but": [""]}], "a.b": [{"exists": false}]});
    check(pattern(), json!({"a": ["x", {"b": ""}, ["x"]]}), true);
    check(pattern(), json!({"a": [["x"], {"b": ""}, "x"]}), true);
    check(pattern(), json!({"a": ["x", {"b": ""}]}), false);
}

#[test]
fn large_arrays_are_no_trouble() {
    let lines: Vec<Value> = (0..2_000)
        .map(|i| json!({"sku": "s", "quantity": i}))
        .collect();
    let event = json!({"lines": lines});
    check(
        json!({"lines": {"sku": ["s"], "quantity": [1999]}}),
        event.clone(),
        true,
    );
    check(
        json!({"lines": {"sku": ["s"], "quantity": [2000]}}),
        event,
        false,
    );

    // Four arrays of their own: trying every combination would take 10^12 steps.
    let many: Vec<Value> = (0..1_000).map(|_| json!({"x": 1})).collect();
    let event = json!({"a": many, "b": many, "c": many, "d": many});
    check(
        json!({"a": {"x": [1]}, "b": {"x": [1]}, "c": {"x": [1]}, "d": {"x": [2]}}),
        event,
        false,
    );
}
