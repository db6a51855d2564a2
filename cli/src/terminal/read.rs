//! Reading what people hand in: every mistake is told with the place it is at.

use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::terminal::exit::{Outcome, Problem};

/// The text of `path`; `-` is standard input.
///
/// # Errors
/// [`Problem`] when it cannot be read as UTF-8 text.
pub fn text(path: &Path) -> Outcome<String> {
    let mut text = String::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    match result {
        Ok(_) => Ok(text),
        Err(error) => Err(Problem::usage(format!(
            "{} cannot be read: {error}",
            path.display()
        ))),
    }
}

/// The JSON in `argument`, or in the file that it names with `@`, or on standard input if
/// it is `-`; `what` is the argument's name.
///
/// # Errors
/// [`Problem`] when the file cannot be read, or it is no JSON.
pub fn json(what: &str, argument: &str) -> Outcome<Value> {
    let text = match argument.strip_prefix('@') {
        Some(file) => text(Path::new(file))?,
        None if argument == "-" => text(Path::new(argument))?,
        None => argument.to_owned(),
    };
    serde_json::from_str(&text).map_err(|e| Problem::usage(format!("{what} is no JSON: {e}")))
}

/// Everything in `text`: one JSON value, a list of them, or one per line.
///
/// # Errors
/// [`Problem`] naming the entry and the path of the offending field.
pub fn all<T: DeserializeOwned>(text: &str, origin: &str) -> Outcome<Vec<T>> {
    let mut values = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match value.map_err(|e| Problem::usage(format!("{origin} is no JSON: {e}")))? {
            Value::Array(list) => values.extend(list),
            one => values.push(one),
        }
    }
    if values.is_empty() {
        return Err(Problem::usage(format!("{origin} is empty")));
    }
    let several = values.len() > 1;
    let one = |(n, value)| {
        let place = if several {
            format!("{origin}, entry {}", n + 1)
        } else {
            origin.to_owned()
        };
        typed(value, &place)
    };
    values.into_iter().enumerate().map(one).collect()
}

/// `value` as a `T`, and nothing else in it: a field that is passed over is a
/// mistake nobody hears of.
///
/// # Errors
/// [`Problem`] naming the path of the offending field.
pub fn typed<T: DeserializeOwned>(value: Value, origin: &str) -> Outcome<T> {
    let mut strange = None;
    let read = serde_ignored::deserialize(&value, |path| {
        strange.get_or_insert_with(|| place(&path));
    });
    // Read again where it does not fit, for the path.
    let read = read.or_else(|_| serde_path_to_error::deserialize(&value));
    let problem = |at: &str, why: &dyn std::fmt::Display| {
        Problem::usage(format!(
            "{origin}: {at}{}{why}",
            if at.is_empty() { "" } else { ": " }
        ))
    };
    match (read, strange) {
        (Ok(read), None) => Ok(read),
        (Ok(_), Some(path)) => {
            let field = path.rsplit('.').next().unwrap_or(&path);
            Err(problem(&path, &format!("unknown field `{field}`")))
        }
        (Err(error), _) => {
            let path = error.path().to_string();
            let at = if path == "." { "" } else { &path };
            Err(problem(at, error.inner()))
        }
    }
}

/// A path as it is told everywhere: `lines[0].colour`.
fn place(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", place(parent)),
        Path::Map { parent, key } => match place(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => place(parent),
    }
}

#[cfg(test)]
mod tests {
    use duet_order::command::PlaceOrder;
    use serde_json::json;

    use super::*;

    fn order() -> Value {
        json!({
            "order": "o-1", "customer": "c-1",
            "lines": [{ "sku": "kettle", "quantity": 1 }],
            "total": { "amount": 5450, "currency": "EUR" },
            "payment_token": "tok_visa",
            "ship_to": { "name": "A", "street": "B 1", "city": "C", "postcode": "12345", "country": "SE" },
        })
    }

    #[test]
    fn one_a_list_or_lines() {
        let one = order().to_string();
        for text in [
            one.clone(),
            format!("[{one},{one}]"),
            format!("{one}\n{one}\n"),
        ] {
            assert!(all::<PlaceOrder>(&text, "orders.json").is_ok(), "{text}");
        }
        assert!(all::<PlaceOrder>("", "orders.json").is_err());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases: [(&str, Value, &str); 5] = [
            ("/lines/0/quantity", json!(0), "lines[0].quantity: "),
            (
                "/total/currency",
                json!("euro"),
                "total.currency: not an ISO 4217",
            ),
            (
                "/total/amount",
                json!(-1),
                "total.amount: an amount is never negative",
            ),
            (
                "/order",
                json!("a b"),
                "order: an id has 1 to 64 characters",
            ),
            (
                "/lines/0",
                json!({"sku": "k", "quantity": 1, "colour": "red"}),
                "lines[0].colour: unknown field",
            ),
        ];
        for (pointer, value, expected) in cases {
            let mut order = order();
            *order.pointer_mut(pointer).unwrap() = value;
            let problem = all::<PlaceOrder>(&order.to_string(), "o.json")
                .unwrap_err()
                .to_string();
            assert!(
                problem.contains(expected),
                "{problem} should contain {expected}"
            );
        }
    }
}
