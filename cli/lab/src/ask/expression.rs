//! DynamoDB's expressions: conditions, updates and projections over an item.
//!
//! Source: DynamoDB developer guide, "Expressions in DynamoDB". Of its types sets are not
//! known here, for no table of the lab keeps them.

mod update;

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::values::{Item, kept, shown, typed};

pub(super) use update::update;

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

/// Whether `item` is as the condition `text` says; no item is one without attributes.
pub(super) fn holds(text: &str, given: Placeholders<'_>, item: &Item) -> Result<bool, Wrong> {
    let mut reader = Reader::new(text, given)?;
    let holds = reader.any(item)?;
    match reader.is_over() {
        true => Ok(holds),
        false => Err(reader.unexpected("nothing more is expected")),
    }
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
mod tests;
