use serde_json::{Value, json};

use super::*;

fn sample() -> Item {
    let item = json!({"n": {"N": "5"}, "s": {"S": "abc"}, "l": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]},
        "m": {"M": {"a": {"S": "x"}}}});
    item.as_object().unwrap().clone()
}

fn given<'a>(names: &'a Value, values: &'a Value) -> Placeholders<'a> {
    Placeholders { names, values }
}

#[test]
fn conditions() {
    let names = json!({"#n": "n", "#m": "m"});
    let values = json!({":5": {"N": "5"}, ":4": {"N": "4.5"}, ":6": {"N": "6"}, ":ab": {"S": "ab"}, ":x": {"S": "x"},
        ":one": {"N": "1"}, ":N": {"S": "N"}});
    for (text, wanted) in [
        ("n = :5", true),
        ("#n <> :5", false),
        ("n > :4 AND n < :6", true),
        ("n >= :6 OR s = :ab", false),
        ("NOT n = :6 and (n = :5 or n = :6)", true),
        ("n BETWEEN :4 AND :6", true),
        ("n IN (:4, :5)", true),
        ("n IN (:4)", false),
        ("attribute_exists(#m.a) AND attribute_not_exists(m.b)", true),
        ("attribute_exists(l[3])", false),
        ("begins_with(s, :ab) AND contains(l, :one)", true),
        ("contains(s, :x)", false),
        ("attribute_type(n, :N)", true),
        ("size(s) < size(l)", false),
        ("size(l) <= n", true),
        ("missing = :5", false),
        ("missing <> :5", true),
        ("missing < :5", false),
        // Numbers and texts do not compare.
        ("s > :5", false),
    ] {
        let holds = holds(text, given(&names, &values), &sample());
        assert_eq!(holds, Ok(wanted), "{text}");
    }
    for wrong in [
        "n",
        "n =",
        "n = :7",
        "#x = :5",
        "n = :5 n",
        "(n = :5",
        "n ! :5",
        "",
        "n BETWEEN :4 :6",
        "l[a] = :5",
    ] {
        assert!(
            holds(wrong, given(&names, &values), &sample()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn updates_see_the_item_as_it_was() {
    let names = json!({"#n": "n"});
    let values =
        json!({":1": {"N": "1"}, ":z": {"S": "z"}, ":l": {"L": [{"N": "4"}]}, ":h": {"N": "0.5"}});
    let apply = |text: &str| {
        let mut item = sample();
        update(text, given(&names, &values), &mut item).map(|named| (item, named))
    };
    let (item, named) = apply(
        "SET #n = n + :1, m.a = :z, k = if_not_exists(k, n), l[9] = :1 REMOVE s ADD c :1, h :h",
    )
    .unwrap();
    assert_eq!(
        Value::Object(item),
        json!({"n": {"N": "6"}, "k": {"N": "5"}, "c": {"N": "1"}, "h": {"N": "0.5"}, "m": {"M": {"a": {"S": "z"}}},
            "l": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}, {"N": "1"}]}})
    );
    assert_eq!(named, ["n", "m", "k", "l", "s", "c", "h"]);
    let (item, _) = apply("SET l = list_append(l, :l), n = n - :h REMOVE l[0], l[1]").unwrap();
    assert_eq!(item["l"], json!({"L": [{"N": "3"}, {"N": "4"}]}));
    assert_eq!(item["n"], json!({"N": "4.5"}));
    for wrong in [
        "SET n + :1",
        "SET x = y",
        "SET n = s + :1",
        "SET q.a = :1",
        "SET n.a = :1",
        "SET l = list_append(n, :l)",
        "ADD s :1",
        "ADD n n",
        "DELETE n :1",
        "PUT n = :1",
        "SET n = :9",
    ] {
        assert!(apply(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn projections_name_attributes() {
    let (names, values) = (json!({"#n": "n"}), Value::Null);
    let part = project("#n, s, q", given(&names, &values), &sample()).unwrap();
    assert_eq!(
        Value::Object(part),
        json!({"n": {"N": "5"}, "s": {"S": "abc"}})
    );
    assert!(project("m.a", given(&names, &values), &sample()).is_err());
    assert!(project("n s", given(&names, &values), &sample()).is_err());
}
