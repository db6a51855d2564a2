//! Every intrinsic function, its refusals, and JSONata's six additions.

use crate::world::{failure, output, single};
use serde_json::{Value, json};

fn call(text: &str, input: Value) -> Value {
    let state = json!({"Type": "Pass", "Parameters": {"v.$": text}});
    output(&single("JSONPath", state), input)["v"].clone()
}

#[test]
fn each_gives_what_aws_documents() {
    let input = json!({
        "name": "Ann", "n": 7, "arr": [1, 2, 3, 3, 1.0, "a"], "json": "{\"a\": [1]}",
        "obj": {"x": 1, "y": {"a": 1}}, "other": {"y": {"b": 2}, "z": 3}, "empty": []
    });
    for (text, expect) in [
        (
            "States.Format('Hi {}, you are {} {}', $.name, $.n, $.obj.y)",
            json!("Hi Ann, you are 7 {a=1}"),
        ),
        (
            r"States.Format('\{\} it\'s {} \\', 'x')",
            json!("{} it's x \\"),
        ),
        ("States.StringToJson($.json)", json!({"a": [1]})),
        (
            "States.JsonToString($.obj)",
            json!("{\"x\":1,\"y\":{\"a\":1}}"),
        ),
        (
            "States.Array($.n, 'x', null, true, 1.5, States.Array())",
            json!([7, "x", null, true, 1.5, []]),
        ),
        (
            "States.ArrayPartition($.arr, 4)",
            json!([[1, 2, 3, 3], [1.0, "a"]]),
        ),
        ("States.ArrayContains($.arr, 'a')", json!(true)),
        ("States.ArrayContains($.arr, 9)", json!(false)),
        ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
        ("States.ArrayRange(5, 0, -2)", json!([5, 3, 1])),
        ("States.ArrayGetItem($.arr, 5)", json!("a")),
        ("States.ArrayLength($.empty)", json!(0)),
        ("States.ArrayUnique($.arr)", json!([1, 2, 3, "a"])),
        (
            "States.Base64Encode('Data to encode')",
            json!("RGF0YSB0byBlbmNvZGU="),
        ),
        (
            "States.Base64Decode('RGF0YSB0byBlbmNvZGU=')",
            json!("Data to encode"),
        ),
        (
            "States.Hash('input data', 'SHA-1')",
            json!("aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ),
        (
            "States.Hash('abc', 'MD5')",
            json!("900150983cd24fb0d6963f7d28e17f72"),
        ),
        (
            "States.Hash('abc', 'SHA-256')",
            json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ),
        (
            "States.JsonMerge($.obj, $.other, false)",
            json!({"x": 1, "y": {"b": 2}, "z": 3}),
        ),
        ("States.MathAdd($.n, -10)", json!(-3)),
        (
            "States.StringSplit('This.is+a,test=string', '.+,=')",
            json!(["This", "is", "a", "test", "string"]),
        ),
        (
            "States.ArrayGetItem(States.StringSplit('a/b/c', '/'), 1)",
            json!("b"),
        ),
    ] {
        assert_eq!(call(text, input.clone()), expect, "{text}");
    }
    let length = |algorithm: &str| {
        let text = format!("States.Hash('abc', '{algorithm}')");
        call(&text, json!({})).as_str().unwrap().len()
    };
    assert_eq!((length("SHA-384"), length("SHA-512")), (96, 128));
}

#[test]
fn chance_comes_from_the_seed() {
    let n = call("States.MathRandom(1, 10)", json!({}))
        .as_i64()
        .unwrap();
    assert!((1..10).contains(&n));
    assert_eq!(call("States.MathRandom(1, 10)", json!({})), n);
    let seeded = |seed: i64| call("States.MathRandom(1, 1000000, $.s)", json!({"s": seed}));
    assert_eq!(seeded(5), seeded(5));
    assert_ne!(seeded(5), seeded(6));
    let id = call("States.UUID()", json!({}));
    assert_eq!(id.as_str().unwrap().len(), 36);
}

#[test]
fn what_they_cannot_do_is_a_runtime_error() {
    for text in [
        "States.StringToJson($.bad)",
        "States.ArrayGetItem($.arr, 2)",
        "States.ArrayPartition($.arr, 0)",
        "States.ArrayRange(0, 5000, 1)",
        "States.ArrayRange(0, 5, 0)",
        "States.Base64Decode('?')",
        "States.Hash('a', 'CRC')",
        "States.JsonMerge($, $, true)",
        "States.MathAdd(2147483648, 1)",
        "States.Format('{} {}', 'one')",
        "States.ArrayLength($.bad)",
        "States.Format('{}', $.missing)",
    ] {
        let state = json!({"Type": "Pass", "Parameters": {"v.$": text}});
        let (error, cause) = failure(
            &single("JSONPath", state),
            json!({"bad": "{", "arr": [1, 2]}),
        );
        assert_eq!(error, "States.Runtime", "{text}");
        assert!(
            cause.starts_with(
                "An error occurred while executing the state 'S' (entered at the event id #2). "
            ),
            "{cause}"
        );
    }
}

/// A state whose output is the value of `text`.
fn jsonata(text: &str) -> Value {
    let state = json!({"Type": "Pass", "Output": format!("{{% {text} %}}")});
    single("JSONata", state)
}

/// A sum of `n` terms.
fn chain(n: usize) -> String {
    vec!["1"; n].join("+")
}

fn wrapped(n: usize) -> String {
    format!("{}1{}", "(".repeat(n), ")".repeat(n))
}

/// A function that calls itself `n` times, and goes on with what it was given.
fn recursive(n: usize) -> String {
    format!("($f := function($n) {{ $n = 0 ? 0 : 1 + $f($n - 1) }}; $f({n}))")
}

/// A text that is doubled `n` times.
fn doubled(n: usize) -> String {
    format!(
        "($p := function($s, $n) {{ $n = 0 ? $s : $p($s & $s, $n - 1) }}; $length($p('x', {n})))"
    )
}

/// JSONata 2.0.6, and AWS's limits as measured on the service.
#[test]
fn jsonata_is_2_0_6_within_aws_limits() {
    for (text, expect) in [
        (chain(100), json!(100)),
        (wrapped(99), json!(1)),
        (recursive(31), json!(31)),
        ("$count([1..873782])".into(), json!(873_782)),
        (doubled(22), json!(4_194_304)),
        (
            "($f := function($x) { $x > 99999 ? $x : $f($x + 1) }; $f(1))".into(),
            json!(100_000),
        ),
        (
            "($f := function($n) { $n = 0 ? 0 : $f($n - 1) + 1 }; $f(31))".into(),
            json!(31),
        ),
        (
            "($inc := function($x) { $x + 1 }; $map([1, 2], $inc))".into(),
            json!([2, 3]),
        ),
        ("$number('12.50')".into(), json!(12.5)),
        ("$number('-1e2')".into(), json!(-100)),
        ("$number('0x1F')".into(), json!(31)),
        ("$number(true)".into(), json!(1)),
        ("$map(['1', '2'], $number)".into(), json!([1, 2])),
        ("'7' ~> $number".into(), json!(7)),
        ("$sum($states.input.xs.$number())".into(), json!(6)),
        (
            "$match('ab', /(z)?(b)/)".into(),
            json!({"match": "b", "index": 1, "groups": [null, "b"]}),
        ),
        (
            "9007199254740992 + 2".into(),
            json!(9_007_199_254_740_994_i64),
        ),
        ("$string(1e20)".into(), json!("100000000000000000000")),
        ("$string(1e21)".into(), json!("1e+21")),
        ("$string(0.1 + 0.2)".into(), json!("0.3")),
        ("0.1 + 0.2".into(), json!(0.300_000_000_000_000_04)),
    ] {
        assert_eq!(
            output(&jsonata(&text), json!({"xs": ["1", "2", "3"]})),
            expect,
            "{text}"
        );
    }
}

#[test]
fn jsonata_fails_past_aws_limits_and_where_2_0_6_does() {
    for (text, why) in [
        (chain(101), "evaluation: Stack overflow error"),
        (wrapped(100), "evaluation: Stack overflow error"),
        (recursive(32), "evaluation: Stack overflow error"),
        (
            "$count([1..873783])".into(),
            "evaluation: Expression evaluation memory limit exceeded",
        ),
        (
            "$range(1, 360146, 1)".into(),
            "evaluation: Expression evaluation memory limit exceeded",
        ),
        (
            doubled(23),
            "evaluation: Expression evaluation memory limit exceeded",
        ),
        (
            "($f := function($x) { $f($x + 1) }; $f(1))".into(),
            "evaluation: Expression evaluation timeout",
        ),
        (
            "($f := function($x) { $x < 0 ? 0 : $f($x + 1) }; $f(1))".into(),
            "evaluation: Expression evaluation timeout",
        ),
        ("$number(' 12')".into(), "evaluation. D3030"),
        ("$number('+12')".into(), "evaluation. D3030"),
        ("$number('.5')".into(), "evaluation. D3030"),
        ("$number('5.')".into(), "evaluation. D3030"),
        ("$map([' 1'], $number)".into(), "evaluation. D3030"),
    ] {
        let (error, cause) = failure(&jsonata(&text), json!({}));
        assert_eq!(error, "States.QueryEvaluationError", "{text}");
        assert!(cause.contains(why), "{text}: {cause}");
    }
}

#[test]
fn jsonata_has_its_own_six() {
    let eval = |text: &str| {
        let state = json!({"Type": "Pass", "Output": format!("{{% {text} %}}")});
        output(
            &single("JSONata", state),
            json!({"text": "{\"a\":[1,2]}", "xs": [1, 2, 3]}),
        )
    };
    for (text, expect) in [
        ("$partition($states.input.xs, 2)", json!([[1, 2], [3]])),
        ("$range(0, 10, 2)", json!([0, 2, 4, 6, 8, 10])),
        ("$range(3, 1, -1)", json!([3, 2, 1])),
        ("$range(4, 4, 1)", json!(4)),
        (
            "$hash('abc', 'SHA-1')",
            json!("a9993e364706816aba3e25717850c26c9cd0d89d"),
        ),
        ("$parse($states.input.text).a[1]", json!(2)),
        ("$random(7) = $random(7)", json!(true)),
        ("$random(42)", json!(0.727_563_680_032_868_1)),
        ("$length($uuid())", json!(36)),
        (
            "$map($states.input.xs, function($x) { $parse('{\"v\":' & $x & '}').v })",
            json!([1, 2, 3]),
        ),
        ("$now()", json!("2026-01-01T00:00:00.000Z")),
        ("$millis()", json!(1_767_225_600_000_i64)),
        ("$now('[Y]')", json!("2026")),
        ("1/0", json!("Infinity")),
    ] {
        assert_eq!(eval(text), expect, "{text}");
    }
    for text in [
        "$partition($states.input.xs, 0)",
        "$range(1, 5)",
        "$eval('1')",
        "$hash('a')",
    ] {
        let state = json!({"Type": "Pass", "Output": format!("{{% {text} %}}")});
        let (error, _) = failure(&single("JSONata", state), json!({"xs": [1]}));
        assert_eq!(error, "States.QueryEvaluationError", "{text}");
    }
}
