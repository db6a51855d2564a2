//! UpdateExpression: what it gives attributes, and what it takes away.

use serde_json::{Value, json};

use super::super::values::{Item, number, typed};
use super::{Path, Placeholders, Reader, Step, Wrong, find};

impl Reader<'_> {
    /// What SET gives an attribute: an operand, or two of them added or subtracted.
    fn sum(&mut self, item: &Item) -> Result<Value, Wrong> {
        let left = self.term(item)?;
        let plus = self.takes("+");
        if !plus && !self.takes("-") {
            return Ok(left);
        }
        let right = self.term(item)?;
        add(&left, &right, plus)
    }

    fn term(&mut self, item: &Item) -> Result<Value, Wrong> {
        const MISSING: &str =
            "The provided expression refers to an attribute that does not exist in the item";
        match self.function(&["if_not_exists", "list_append"]) {
            Some("if_not_exists") => {
                let found = find(item, &self.path()?);
                self.needs(",")?;
                let otherwise = self.operand(item)?;
                self.needs(")")?;
                found.or(otherwise).ok_or_else(|| MISSING.to_owned())
            }
            Some(_) => {
                let first = self.term(item)?;
                self.needs(",")?;
                let second = self.term(item)?;
                self.needs(")")?;
                match (typed(&first), typed(&second)) {
                    (Some(("L", Value::Array(a))), Some(("L", Value::Array(b)))) => {
                        let all = [a.as_slice(), b].concat();
                        Ok(json!({ "L": all }))
                    }
                    _ => Err("Incorrect operand type for operator or function; operator or function: list_append".to_owned()),
                }
            }
            None => self.operand(item)?.ok_or_else(|| MISSING.to_owned()),
        }
    }
}

/// The sum or difference of two numbers.
fn add(left: &Value, right: &Value, plus: bool) -> Result<Value, Wrong> {
    let read = |value: &Value| match typed(value) {
        Some(("N", Value::String(text))) => number(text).ok(),
        _ => None,
    };
    let (Some(a), Some(b)) = (read(left), read(right)) else {
        let sign = if plus { "+" } else { "-" };
        return Err(format!(
            "Incorrect operand type for operator or function; operator or function: {sign}"
        ));
    };
    let whole = match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) if plus => a.checked_add(b),
        (Some(a), Some(b)) => a.checked_sub(b),
        _ => None,
    };
    if let Some(whole) = whole {
        return Ok(json!({ "N": whole.to_string() }));
    }
    let (a, b) = (a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0));
    let sum = if plus { a + b } else { a - b };
    Ok(json!({ "N": sum.to_string() }))
}

/// Puts `value` at `path`, or takes away what is there.
fn place(item: &mut Item, path: &[Step], value: Option<Value>) -> Result<(), Wrong> {
    const INVALID: &str =
        "The document path provided in the update expression is invalid for update";
    let Some((Step::Name(first), rest)) = path.split_first() else {
        return Err(INVALID.to_owned());
    };
    let Some((last, between)) = rest.split_last() else {
        match value {
            Some(value) => _ = item.insert(first.clone(), value),
            None => _ = item.remove(first),
        }
        return Ok(());
    };
    let mut holder = item.get_mut(first).ok_or(INVALID)?;
    for step in between {
        holder = match step {
            Step::Name(name) => holder["M"].get_mut(name),
            Step::At(at) => holder["L"].get_mut(at),
        }
        .ok_or(INVALID)?;
    }
    match (last, holder) {
        (Step::Name(name), Value::Object(of)) => {
            let members = of.get_mut("M").and_then(Value::as_object_mut);
            let members = members.ok_or(INVALID)?;
            match value {
                Some(value) => _ = members.insert(name.clone(), value),
                None => _ = members.remove(name),
            }
        }
        (Step::At(at), Value::Object(of)) => {
            let all = of.get_mut("L").and_then(Value::as_array_mut);
            let all = all.ok_or(INVALID)?;
            match (value, *at < all.len()) {
                (Some(value), true) => all[*at] = value,
                // Beyond the end it is appended.
                (Some(value), false) => all.push(value),
                (None, true) => _ = all.remove(*at),
                (None, false) => {}
            }
        }
        _ => return Err(INVALID.to_owned()),
    }
    Ok(())
}

/// Changes `item` as the update `text` says. Gives the attributes that it names.
pub(in crate::ask) fn update(
    text: &str,
    given: Placeholders<'_>,
    item: &mut Item,
) -> Result<Vec<String>, Wrong> {
    let before = item.clone();
    let mut reader = Reader::new(text, given)?;
    let mut named = Vec::new();
    let mut removed = Vec::new();
    while !reader.is_over() {
        let clauses = ["SET", "REMOVE", "ADD", "DELETE"];
        let Some(clause) = clauses.into_iter().find(|word| reader.takes_word(word)) else {
            return Err(reader.unexpected("SET, REMOVE, ADD or DELETE is expected"));
        };
        loop {
            let path = reader.path()?;
            if let Some(Step::Name(name)) = path.first() {
                named.push(name.clone());
            }
            // What an expression sees is the item as it was.
            match clause {
                "SET" => {
                    reader.needs("=")?;
                    let value = reader.sum(&before)?;
                    place(item, &path, Some(value))?;
                }
                "REMOVE" => removed.push(path),
                "ADD" => {
                    let more = reader.value()?.ok_or("Syntax error; a value is expected")?;
                    let now = find(&before, &path).unwrap_or_else(|| json!({ "N": "0" }));
                    place(item, &path, Some(add(&now, &more, true)?))?;
                }
                _ => return Err("DELETE is of sets, and the lab's tables keep none".to_owned()),
            }
            if !reader.takes(",") {
                break;
            }
        }
    }
    // Later ones first, so that the indexes of a list stay what they were.
    removed.sort_by(|a: &Path, b| {
        let at = |path: &Path| match path.last() {
            Some(Step::At(at)) => *at,
            _ => 0,
        };
        at(b).cmp(&at(a))
    });
    for path in removed {
        place(item, &path, None)?;
    }
    Ok(named)
}
