//! One table per operator: what a field's values accept and what they do not. `null` stands for itself; an event without
//! the field is written as `()`.

use duet_pattern::{Matcher, Pattern, explain};
use serde_json::{Value, json};

/// Every way to ask must give the same answer: alone, compiled, explained.
#[track_caller]
fn check(pattern: &Value, event: &Value, expected: bool) {
    let parsed = Pattern::from_value(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    assert_eq!(parsed.matches(event), expected, "{pattern} on {event}");
    let mut matcher = Matcher::new();
    matcher.add((), &parsed);
    assert_eq!(
        matcher.matches(event).len(),
        usize::from(expected),
        "compiled {pattern} on {event}"
    );
    assert_eq!(
        explain(&parsed, event).matches,
        expected,
        "explained {pattern} on {event}"
    );
}

/// The values of one field against leaves that match and leaves that do not.
#[track_caller]
fn field(values: Value, yes: &[Value], no: &[Value]) {
    let pattern = json!({"detail": {"x": values}});
    for (leaves, expected) in [(yes, true), (no, false)] {
        for leaf in leaves {
            check(&pattern, &json!({"detail": {"x": leaf}}), expected);
        }
    }
}

const MISSING: fn() -> Value = || json!({"detail": {"y": 1}});

#[test]
fn exact_values() {
    field(
        json!(["a", "b"]),
        &[json!("a"), json!("b"), json!(["z", "b"])],
        &[
            json!("A"),
            json!("ab"),
            json!(""),
            json!(null),
            json!(["a b"]),
        ],
    );
    field(
        json!([""]),
        &[json!("")],
        &[json!(null), json!(" "), json!([]), json!({})],
    );
    field(
        json!([true]),
        &[json!(true)],
        &[json!(false), json!("true"), json!(1)],
    );
    field(
        json!([null]),
        &[json!(null)],
        &[json!("null"), json!(""), json!([]), json!(0)],
    );
    check(&json!({"detail": {"x": [null]}}), &MISSING(), false);
    field(json!([{"exactly": "a"}]), &[json!("a")], &[json!("b")]);
}

#[test]
fn exact_numbers_compare_by_value_within_the_range_and_by_spelling_beyond() {
    field(
        json!([300]),
        &[json!(300), json!(300.0), json!(3e2)],
        &[json!("300"), json!(300.5), json!(301)],
    );
    field(
        json!([0.1]),
        &[json!(0.1)],
        &[json!(0.2), json!(0.100_000_1)],
    );
    field(
        json!([123_456_789_012_i64]),
        &[json!(123_456_789_012_i64)],
        &[json!(123_456_789_013_i64), json!("123456789012")],
    );
    field(
        json!([0.123_456_789]),
        &[json!(0.123_456_789)],
        &[json!(0.123_456)],
    );
}

#[test]
fn addresses_match_in_every_spelling() {
    field(
        json!(["10.0.0.1"]),
        &[json!("10.0.0.1"), json!("10.0.0.01"), json!("::ffff:a00:1")],
        &[json!("10.0.0.2"), json!("10.0.0.1 ")],
    );
    field(
        json!(["2001:DB8::1"]),
        &[json!("2001:db8:0:0:0:0:0:1")],
        &[json!("2001:db8::2")],
    );
    field(
        json!(["999.0.0.1"]),
        &[json!("999.0.0.1")],
        &[json!("999.0.0.2")],
    );
}

#[test]
fn prefix_and_suffix() {
    field(
        json!([{"prefix": "duet."}]),
        &[json!("duet.order"), json!("duet."), json!(["x", "duet.a"])],
        &[json!("Duet.order"), json!("a duet."), json!(1), json!(null)],
    );
    field(
        json!([{"prefix": ""}]),
        &[json!("anything"), json!("")],
        &[json!(1), json!(null), json!([])],
    );
    field(
        json!([{"suffix": ".png"}]),
        &[json!("a.png"), json!(".png")],
        &[json!("a.PNG"), json!("a.png ")],
    );
    field(
        json!([{"suffix": ""}]),
        &[json!("anything"), json!("")],
        &[json!(7)],
    );
    field(
        json!([{"prefix": {"equals-ignore-case": "EventB"}}]),
        &[json!("eventbridge"), json!("EVENTB")],
        &[json!("event"), json!("my eventb")],
    );
    field(
        json!([{"suffix": {"equals-ignore-case": ".Png"}}]),
        &[json!("x.PNG"), json!(".png")],
        &[json!("png"), json!("x.png.bak")],
    );
    check(
        &json!({"detail": {"x": [{"prefix": ""}]}}),
        &MISSING(),
        false,
    );
}

#[test]
fn equals_ignore_case() {
    field(
        json!([{"equals-ignore-case": "Größe"}]),
        &[json!("GRÖßE"), json!("größe")],
        &[json!("grösse"), json!("größer"), json!("größ"), json!(1)],
    );
    field(
        json!([{"equals-ignore-case": ""}]),
        &[json!("")],
        &[json!("a"), json!(null)],
    );
}

#[test]
fn wildcard() {
    field(
        json!([{"wildcard": "arn:*:queue/*"}]),
        &[
            json!("arn:aws:queue/a"),
            json!("arn::queue/"),
            json!("arn:x:queue/:queue/y"),
        ],
        &[json!("arn:queue/a"), json!("arn:aws:queue"), json!(5)],
    );
    field(
        json!([{"wildcard": "*"}]),
        &[json!(""), json!("x")],
        &[json!(1), json!(null)],
    );
    field(json!([{"wildcard": ""}]), &[json!("")], &[json!("x")]);
    field(
        json!([{"wildcard": r"2\*3\\*"}]),
        &[json!(r"2*3\"), json!(r"2*3\abc")],
        &[json!(r"2x3\"), json!("2*3")],
    );
    field(
        json!([{"wildcard": "a*ba"}]),
        &[json!("aba"), json!("abba"), json!("a ba ba")],
        &[json!("ab"), json!("ba")],
    );
    field(json!([{"wildcard": "a*a"}]), &[json!("aa")], &[json!("a")]);
}

#[test]
fn anything_but_refuses_what_it_lists_and_takes_the_rest_of_any_type() {
    field(
        json!([{"anything-but": "a"}]),
        &[
            json!("b"),
            json!(""),
            json!(1),
            json!(null),
            json!(true),
            json!(["a", "b"]),
        ],
        &[json!("a"), json!(["a"]), json!([]), json!({"y": 1})],
    );
    field(
        json!([{"anything-but": ["a", "b"]}]),
        &[json!("c"), json!(null)],
        &[json!("a"), json!("b")],
    );
    field(
        json!([{"anything-but": 0}]),
        &[json!(1), json!("0"), json!(null)],
        &[json!(0), json!(0.0)],
    );
    field(
        json!([{"anything-but": [1, 2.5]}]),
        &[json!(2), json!("1")],
        &[json!(1.0), json!(2.5)],
    );
    check(
        &json!({"detail": {"x": [{"anything-but": "a"}]}}),
        &MISSING(),
        false,
    );
}

#[test]
fn anything_but_nests() {
    field(
        json!([{"anything-but": {"prefix": "us-"}}]),
        &[json!("eu-1"), json!(1), json!(null)],
        &[json!("us-1")],
    );
    field(
        json!([{"anything-but": {"prefix": ["us-", "eu-"]}}]),
        &[json!("ap-1")],
        &[json!("us-1"), json!("eu-1")],
    );
    field(
        json!([{"anything-but": {"suffix": [".png", ".jpg"]}}]),
        &[json!("a.txt"), json!(null)],
        &[json!("a.png"), json!("a.jpg")],
    );
    field(
        json!([{"anything-but": {"equals-ignore-case": ["Init", "Stop"]}}]),
        &[json!("run"), json!(null)],
        &[json!("INIT"), json!("stop")],
    );
    field(
        json!([{"anything-but": {"wildcard": ["*/lib/*", "/tmp/*"]}}]),
        &[json!("/a/b"), json!(5), json!(null)],
        &[json!("/a/lib/b"), json!("/tmp/")],
    );
    check(
        &json!({"detail": {"x": [{"anything-but": {"wildcard": "*"}}]}}),
        &MISSING(),
        false,
    );
}

#[test]
fn numeric() {
    field(
        json!([{"numeric": ["=", 3.018e2]}]),
        &[json!(301.8)],
        &[json!(301.81), json!("301.8")],
    );
    field(
        json!([{"numeric": ["<", 0]}]),
        &[json!(-0.000_001), json!(-5_000_000_001_i64)],
        &[json!(0), json!(5_000_000_001_i64)],
    );
    field(
        json!([{"numeric": ["<=", 0]}]),
        &[json!(0), json!(-0.0)],
        &[json!(0.000_001)],
    );
    field(
        json!([{"numeric": [">", 0]}]),
        &[
            json!(1),
            json!(5_000_000_001_i64),
            json!(0.000_000_1),
            json!(1e300),
        ],
        &[json!(0), json!(-1e300), json!(null)],
    );
    field(
        json!([{"numeric": [">=", 0]}]),
        &[json!(0)],
        &[json!(-1), json!("1"), json!(true)],
    );
    field(
        json!([{"numeric": [">", 0, "<=", 5]}]),
        &[json!(0.5), json!(5), json!([9, 5])],
        &[json!(0), json!(5.1)],
    );
    field(
        json!([{"numeric": [">=", 0, "<", 5]}]),
        &[json!(0), json!(4.999_999)],
        &[json!(5)],
    );
    field(
        json!([{"numeric": [">", 0.123_456]}]),
        &[json!(0.123_456_7)],
        &[json!(0.123_455_9)],
    );
}

#[test]
fn exists_looks_at_leaves_only() {
    field(
        json!([{"exists": true}]),
        &[json!(0), json!(null), json!(""), json!(["a"])],
        &[json!([]), json!({}), json!({"y": 1})],
    );
    field(
        json!([{"exists": false}]),
        &[json!([]), json!({}), json!({"y": 1})],
        &[json!(0), json!(null), json!("")],
    );
    check(
        &json!({"detail": {"x": [{"exists": true}]}}),
        &MISSING(),
        false,
    );
    check(
        &json!({"detail": {"x": [{"exists": false}]}}),
        &MISSING(),
        true,
    );
    check(
        &json!({"detail": {"x": [{"exists": false}]}}),
        &json!({}),
        true,
    );
    check(
        &json!({"detail": {"x": [{"exists": false}, "a"]}}),
        &json!({"detail": {"x": "a"}}),
        true,
    );
    check(
        &json!({"detail": {"x": [{"exists": false}, "a"]}}),
        &json!({"detail": {"x": "b"}}),
        false,
    );
}

#[test]
fn cidr() {
    field(
        json!([{"cidr": "10.0.0.0/24"}]),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[
            json!("10.0.1.0"),
            json!("x"),
            json!(10),
            json!("::1"),
            json!("10.0.0.0/24"),
        ],
    );
    field(
        json!([{"cidr": "10.0.0.77/24"}]),
        &[json!("10.0.0.1")],
        &[json!("10.0.1.1")],
    );
    field(
        json!([{"cidr": "0.0.0.0/0"}]),
        &[json!("255.255.255.255")],
        &[json!("2001:db8::1")],
    );
    field(
        json!([{"cidr": "2001:db8::/33"}]),
        &[json!("2001:db8::"), json!("2001:DB8:7fff::1")],
        &[json!("2001:db8:8000::"), json!("10.0.0.1")],
    );
}

#[test]
fn fields_join_by_and_values_by_or() {
    let pattern =
        json!({"source": ["a", {"prefix": "b"}], "detail": {"n": [{"numeric": [">", 1]}, "many"]}});
    check(
        &pattern,
        &json!({"source": "bee", "detail": {"n": "many"}}),
        true,
    );
    check(&pattern, &json!({"source": "a", "detail": {"n": 2}}), true);
    check(&pattern, &json!({"source": "a", "detail": {"n": 1}}), false);
    check(&pattern, &json!({"source": "a"}), false);
    for no_object in [json!([]), json!("x"), json!(null)] {
        check(&json!({"x": [{"exists": false}]}), &no_object, false);
    }
}

#[test]
fn a_dot_in_a_name_is_a_step() {
    for pattern in [
        json!({"a": {"b": {"c": [1]}}}),
        json!({"a.b.c": [1]}),
        json!({"a": {"b.c": [1]}}),
    ] {
        for event in [
            json!({"a": {"b": {"c": 1}}}),
            json!({"a.b": {"c": 1}}),
            json!({"a.b.c": 1}),
            json!({"a": {"b.c": 1}}),
        ] {
            check(&pattern, &event, true);
        }
        check(&pattern, &json!({"a": {"b": 1, "c": 1}}), false);
        check(&pattern, &json!({"A": {"b": {"c": 1}}}), false);
    }
}

#[test]
fn or_at_any_level() {
    let top = json!({"source": ["s"], "$or": [{"m": ["x"]}, {"n": [1], "o": [2]}]});
    check(&top, &json!({"source": "s", "m": "x"}), true);
    check(&top, &json!({"source": "s", "n": 1, "o": 2}), true);
    check(&top, &json!({"source": "s", "n": 1}), false);
    check(&top, &json!({"m": "x"}), false);

    let nested = json!({"detail": {"$or": [{"a": [{"numeric": ["<", 0]}]}, {"b": {"$or": [{"c": [1]}, {"d": [{"exists": false}]}]}}]}});
    check(
        &nested,
        &json!({"detail": {"a": -1, "b": {"c": 2, "d": 3}}}),
        true,
    );
    check(
        &nested,
        &json!({"detail": {"a": 1, "b": {"c": 1, "d": 3}}}),
        true,
    );
    check(&nested, &json!({"detail": {"a": 1, "b": {"c": 2}}}), true);
    check(
        &nested,
        &json!({"detail": {"a": 1, "b": {"c": 2, "d": 3}}}),
        false,
    );

    let two = json!({"$or": [{"a": [1]}, {"b": [1]}], "detail": {"$or": [{"c": [1]}, {"d": [1]}]}});
    check(&two, &json!({"b": 1, "detail": {"d": 1}}), true);
    check(&two, &json!({"a": 1, "b": 1, "detail": {}}), false);
}

#[test]
fn or_that_is_only_a_name() {
    check(&json!({"$or": ["a", "b"]}), &json!({"$or": "b"}), true);
    check(&json!({"$or": {"a": [1]}}), &json!({"$or": {"a": 1}}), true);
    check(
        &json!({"$or": [{"prefix": "a"}, {"suffix": "z"}]}),
        &json!({"$or": "fizz"}),
        true,
    );
}

#[test]
fn fields_are_listed_once() {
    let pattern = Pattern::parse(r#"{"source": ["s"], "$or": [{"source": {"x": [1]}}, {"detail": {"a": {"b": [2]}}}], "detail": {"c": [3]}}"#).unwrap();
    assert_eq!(
        pattern.fields(),
        ["detail.a.b", "detail.c", "source", "source.x"]
    );
}

#[test]
fn explanations_name_the_field_the_wish_and_the_find() {
    let pattern = Pattern::parse(r#"{"source": ["s"], "detail": {"n": [{"numeric": [">", 1]}, "many"], "o": [{"exists": true}], "p": ["x"]}}"#).unwrap();
    let text = explain(
        &pattern,
        &json!({"source": "s", "detail": {"n": [1, 0], "o": {"q": 1}}}),
    )
    .to_string();
    assert_eq!(
        text,
        "no match\n  detail.n: wanted {\"numeric\":[\">\",1]} or \"many\", found 1, 0\n  detail.o: wanted {\"exists\":true}, found an object or an empty array, which has no value\n  detail.p: wanted \"x\", found nothing"
    );
    let either =
        Pattern::parse(r#"{"$or": [{"a": [1], "b": [1]}, {"a": [2], "c": [1]}]}"#).unwrap();
    let text = explain(&either, &json!({"a": 2})).to_string();
    assert_eq!(
        text,
        "no match\nalternative 1 of 2:\n  c: wanted 1, found nothing\nalternative 2 of 2:\n  a: wanted 1, found 2\n  b: wanted 1, found nothing"
    );
    let json = serde_json::to_value(explain(&either, &json!({"a": 2}))).unwrap();
    assert_eq!(
        json["alternatives"][0]["fields"][1]["found"],
        json!({"kind": "missing"})
    );
}
