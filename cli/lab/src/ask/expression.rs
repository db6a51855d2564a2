//! DynamoDB's expressions: conditions, updates and projections over an item.
//!
//! Source: DynamoDB developer guide, "Expressions in DynamoDB". Of its types sets are not
//! known here, for no table of the lab keeps them.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::values::{Item, kept, shown, typed};

/// What stands for names and values in an expression.
#[derive(Clone, Copy)]
pub(super) struct Placeholders<'a> {
    pub(super) names: &'a Value,
    pub(super) values: &'a Value,
}

/// Why an expression cannot be read or applied.
type Wrong = String;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Number(usize),
    Sign(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Name(String),
    At(usize),
}

type Path = Vec<Step>;

/// Reads one expression.
struct Reader<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    given: Placeholders<'a>,
}

const SIGNS: [&str; 14] = [
    "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-",
];

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '#' | ':');
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            all.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if word(first) {
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            let (read, after) = rest.split_at(end);
            all.push(match read.parse() {
                Ok(n) => Token::Number(n),
                Err(_) => Token::Word(read.to_owned()),
            });
            rest = after;
        } else {
            return Err(format!("Syntax error; token: \"{first}\""));
        }
        rest = rest.trim_start();
    }
    Ok(all)
}

impl<'a> Reader<'a> {
    fn new(text: &str, given: Placeholders<'a>) -> Result<Self, Wrong> {
        Ok(Self {
            tokens: tokens(text)?.into_iter().peekable(),
            given,
        })
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = |token: &Token| matches!(token, Token::Sign(it) if *it == sign);
        self.tokens.next_if(is).is_some()
    }

    fn needs(&mut self, sign: &str) -> Result<(), Wrong> {
        match self.takes(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("\"{sign}\" is expected"))),
        }
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is = |token: &Token| matches!(token, Token::Word(it) if it.eq_ignore_ascii_case(word));
        self.tokens.next_if(is).is_some()
    }

    fn unexpected(&mut self, why: &str) -> Wrong {
        match self.tokens.peek() {
            Some(Token::Word(it)) => format!("Syntax error; token: \"{it}\"; {why}"),
            Some(Token::Number(it)) => format!("Syntax error; token: \"{it}\"; {why}"),
            Some(Token::Sign(it)) => format!("Syntax error; token: \"{it}\"; {why}"),
            None => format!("Syntax error; token: <EOF>; {why}"),
        }
    }

    fn is_over(&mut self) -> bool {
        self.tokens.peek().is_none()
    }

    fn name(&mut self) -> Result<String, Wrong> {
        match self.tokens.next() {
            Some(Token::Word(word)) if word.starts_with('#') => {
                let name = self.given.names[word.as_str()].as_str();
                name.map(str::to_owned).ok_or_else(|| {
                    format!("An expression attribute name used in the document path is not defined; attribute name: {word}")
                })
            }
            Some(Token::Word(word)) if !word.starts_with(':') => Ok(word),
            _ => Err("Syntax error; an attribute's name is expected".to_owned()),
        }
    }

    fn path(&mut self) -> Result<Path, Wrong> {
        let mut path = vec![Step::Name(self.name()?)];
        loop {
            if self.takes(".") {
                path.push(Step::Name(self.name()?));
            } else if self.takes("[") {
                let Some(Token::Number(at)) = self.tokens.next() else {
                    return Err("Syntax error; an index is expected".to_owned());
                };
                path.push(Step::At(at));
                self.needs("]")?;
            } else {
                return Ok(path);
            }
        }
    }

    /// A value that is given, if one comes next.
    fn value(&mut self) -> Result<Option<Value>, Wrong> {
        let is = |token: &Token| matches!(token, Token::Word(it) if it.starts_with(':'));
        let Some(Token::Word(word)) = self.tokens.next_if(is) else {
            return Ok(None);
        };
        match self.given.values.get(&word) {
            Some(value) => kept(value).map(|it| Some(shown(&it))),
            None => Err(format!(
                "An expression attribute value used in expression is not defined; attribute value: {word}"
            )),
        }
    }

    /// A function's name, if one comes next, with its parenthesis opened.
    fn function(&mut self, names: &[&'static str]) -> Option<&'static str> {
        let Some(Token::Word(word)) = self.tokens.peek() else {
            return None;
        };
        let name = names.iter().find(|name| *name == word)?;
        self.tokens.next();
        self.takes("(").then_some(*name)
    }

    // ---- conditions

    fn any(&mut self, item: &Item) -> Result<bool, Wrong> {
        let mut holds = self.all(item)?;
        while self.takes_word("OR") {
            holds |= self.all(item)?;
        }
        Ok(holds)
    }

    fn all(&mut self, item: &Item) -> Result<bool, Wrong> {
        let mut holds = self.one(item)?;
        while self.takes_word("AND") {
            holds &= self.one(item)?;
        }
        Ok(holds)
    }

    fn one(&mut self, item: &Item) -> Result<bool, Wrong> {
        if self.takes_word("NOT") {
            return Ok(!self.one(item)?);
        }
        if self.takes("(") {
            let holds = self.any(item)?;
            self.needs(")")?;
            return Ok(holds);
        }
        let tests = [
            "attribute_exists",
            "attribute_not_exists",
            "attribute_type",
            "begins_with",
            "contains",
        ];
        if let Some(test) = self.function(&tests) {
            let holds = self.test(test, item)?;
            self.needs(")")?;
            return Ok(holds);
        }
        let left = self.operand(item)?;
        if self.takes_word("BETWEEN") {
            let low = self.operand(item)?;
            if !self.takes_word("AND") {
                return Err(self.unexpected("AND is expected"));
            }
            let high = self.operand(item)?;
            let at = |other: &Option<Value>| ordered(left.as_ref()?, other.as_ref()?);
            return Ok(
                at(&low).is_some_and(Ordering::is_ge) && at(&high).is_some_and(Ordering::is_le)
            );
        }
        if self.takes_word("IN") {
            self.needs("(")?;
            let mut holds = false;
            loop {
                holds |= self.operand(item)? == left && left.is_some();
                if !self.takes(",") {
                    break;
                }
            }
            self.needs(")")?;
            return Ok(holds);
        }
        let signs = ["=", "<>", "<=", ">=", "<", ">"];
        let Some(sign) = signs.into_iter().find(|sign| self.takes(sign)) else {
            return Err(self.unexpected("a comparison is expected"));
        };
        let right = self.operand(item)?;
        let (Some(left), Some(right)) = (left, right) else {
            // What is not there is different from everything, and compares with nothing.
            return Ok(sign == "<>");
        };
        let order = ordered(&left, &right);
        Ok(match sign {
            "=" => left == right,
            "<>" => left != right,
            "<=" => order.is_some_and(Ordering::is_le),
            ">=" => order.is_some_and(Ordering::is_ge),
            "<" => order.is_some_and(Ordering::is_lt),
            _ => order.is_some_and(Ordering::is_gt),
        })
    }

    fn test(&mut self, test: &str, item: &Item) -> Result<bool, Wrong> {
        let found = find(item, &self.path()?);
        if test == "attribute_exists" {
            return Ok(found.is_some());
        }
        if test == "attribute_not_exists" {
            return Ok(found.is_none());
        }
        self.needs(",")?;
        let other = self.operand(item)?;
        let (Some(found), Some(other)) = (found, other) else {
            return Ok(false);
        };
        let (Some((kind, held)), Some((_, looked_for))) = (typed(&found), typed(&other)) else {
            return Ok(false);
        };
        Ok(match (test, held, looked_for) {
            ("attribute_type", _, Value::String(wanted)) => kind == wanted,
            ("begins_with", Value::String(text), Value::String(start)) => text.starts_with(start),
            ("contains", Value::String(text), Value::String(part)) => text.contains(part),
            ("contains", Value::Array(all), _) => all.contains(&other),
            _ => false,
        })
    }

    /// A value: given, of the item, or a size.
    fn operand(&mut self, item: &Item) -> Result<Option<Value>, Wrong> {
        if let Some(value) = self.value()? {
            return Ok(Some(value));
        }
        if self.function(&["size"]).is_some() {
            let found = find(item, &self.path()?);
            self.needs(")")?;
            let size = found
                .as_ref()
                .and_then(typed)
                .and_then(|(_, held)| match held {
                    Value::String(text) => Some(text.len()),
                    Value::Array(all) => Some(all.len()),
                    Value::Object(all) => Some(all.len()),
                    _ => None,
                });
            return Ok(size.map(|size| json!({ "N": size.to_string() })));
        }
        Ok(find(item, &self.path()?))
    }

    // ---- updates

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
        Some(("N", Value::String(text))) => super::values::number(text).ok(),
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

/// How two values of one type stand to each other.
fn ordered(left: &Value, right: &Value) -> Option<Ordering> {
    match (typed(left)?, typed(right)?) {
        (("S", Value::String(a)), ("S", Value::String(b))) => Some(a.cmp(b)),
        (("N", Value::String(a)), ("N", Value::String(b))) => {
            match (a.parse::<i64>(), b.parse::<i64>()) {
                (Ok(a), Ok(b)) => Some(a.cmp(&b)),
                _ => a.parse::<f64>().ok()?.partial_cmp(&b.parse().ok()?),
            }
        }
        _ => None,
    }
}

/// The value at `path`.
fn find(item: &Item, path: &[Step]) -> Option<Value> {
    let (Step::Name(first), rest) = path.split_first()? else {
        return None;
    };
    let mut value = item.get(first)?;
    for step in rest {
        value = match (step, typed(value)?) {
            (Step::Name(name), ("M", members)) => members.get(name)?,
            (Step::At(at), ("L", all)) => all.get(at)?,
            _ => return None,
        };
    }
    Some(value.clone())
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

/// Whether `item` is as the condition `text` says; no item is one without attributes.
pub(super) fn holds(text: &str, given: Placeholders<'_>, item: &Item) -> Result<bool, Wrong> {
    let mut reader = Reader::new(text, given)?;
    let holds = reader.any(item)?;
    match reader.is_over() {
        true => Ok(holds),
        false => Err(reader.unexpected("nothing more is expected")),
    }
}

/// Changes `item` as the update `text` says. Gives the attributes that it names.
pub(super) fn update(
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

/// The part of `item` that the projection `text` names. Of nested attributes the whole
/// top-level one is given.
pub(super) fn project(text: &str, given: Placeholders<'_>, item: &Item) -> Result<Item, Wrong> {
    let mut reader = Reader::new(text, given)?;
    let mut part = Item::new();
    loop {
        let path = reader.path()?;
        if path.len() > 1 {
            return Err("the lab projects whole attributes, and no parts of them".to_owned());
        }
        if let (Some(Step::Name(name)), Some(value)) = (path.first(), find(item, &path)) {
            part.insert(name.clone(), value);
        }
        if !reader.takes(",") {
            break;
        }
    }
    match reader.is_over() {
        true => Ok(part),
        false => Err(reader.unexpected("\",\" is expected")),
    }
}

#[cfg(test)]
mod tests {
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
        let values = json!({":1": {"N": "1"}, ":z": {"S": "z"}, ":l": {"L": [{"N": "4"}]}, ":h": {"N": "0.5"}});
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
}
