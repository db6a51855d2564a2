//! AWS's JSONPath: `$.a.b[0]`, `$$.Execution.Id`, `$variable.field`.
//!
//! Owns reading a path once and following it many times, and injecting a
//! result at a reference path. It does not know where roots come from.
//!
//! The dialect is that of Jayway's library, which the service uses (its words
//! stand in recorded causes): a dot before a bracket, lists of names, functions
//! at the end, filters with operators of their own.
//!
//! A path that names exactly one place is *definite*: it is walked directly.
//! One that may select several (`*`, `..`, slices, unions, filters) goes through
//! [`many`] and always gives an array.

mod filter;
mod function;
mod many;
mod read;

use filter::Filter;
use function::Call;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// What a path starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// `$`: the current value.
    Current,
    /// `$$`: the context object.
    Context,
    /// `$name`: a workflow variable.
    Variable(Arc<str>),
}

/// One step of a definite path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Name(Box<str>),
    Index(i64),
}

#[derive(Debug)]
enum Query {
    Definite {
        steps: Vec<Step>,
        function: Option<Call>,
    },
    Many(Box<Many>),
}

/// A path with steps that may select several places.
#[derive(Debug)]
struct Many {
    segments: Vec<Segment>,
    function: Option<Call>,
}

/// One step of such a path.
#[derive(Debug)]
enum Segment {
    Name(Box<str>),
    Index(i64),
    /// `['a','b']`
    Names(Vec<Box<str>>),
    /// `[0,2]`
    Indexes(Vec<i64>),
    /// `[1:3]`
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    Filter(Box<Filter>),
    /// `..`: what follows is looked for at every depth.
    Scan,
}

/// A compiled path.
#[derive(Debug)]
pub(crate) struct Path {
    source: Arc<str>,
    root: Root,
    query: Query,
}

/// What following a path found.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Value(Cow<'a, Value>),
    /// Nothing there.
    Missing,
    /// An index past the end of an array that is there.
    PastEnd,
}

impl Path {
    /// Reads `source`; the error says what is wrong with it.
    pub(crate) fn parse(source: &str) -> Result<Path, String> {
        let Some(rest) = source.strip_prefix('$') else {
            return Err(format!(
                "a path must start with '$', and '{source}' does not"
            ));
        };
        let (root, rest) = if let Some(rest) = rest.strip_prefix('$') {
            (Root::Context, rest)
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let name = name.trim_end();
            if name.is_empty() {
                (Root::Current, rest)
            } else if is_identifier(name) {
                (Root::Variable(name.into()), rest)
            } else {
                return Err(format!("'{name}' is not a variable name"));
            }
        };
        let query = read::query(rest.trim_end()).map_err(|e| format!("{e} in path '{source}'"))?;
        Ok(Path {
            source: source.into(),
            root,
            query,
        })
    }

    pub(crate) fn source(&self) -> &Arc<str> {
        &self.source
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The steps, when this is a reference path (it names exactly one place).
    pub(crate) fn reference(&self) -> Option<&[Step]> {
        match &self.query {
            Query::Definite {
                steps,
                function: None,
            } => Some(steps),
            _ => None,
        }
    }

    /// The names a path begins with, up to its first other kind of step.
    pub(crate) fn leading_names(&self) -> impl Iterator<Item = &str> {
        let steps: &[Step] = match &self.query {
            Query::Definite { steps, .. } => steps,
            Query::Many(_) => &[],
        };
        steps.iter().map_while(|s| match s {
            Step::Name(n) => Some(&**n),
            Step::Index(_) => None,
        })
    }

    /// Follows the path from `root`, the value its [`Root`] stands for.
    pub(crate) fn follow<'a>(&self, root: &'a Value) -> Found<'a> {
        match &self.query {
            Query::Many(query) => query
                .follow(root, root)
                .map_or(Found::Missing, Found::Value),
            Query::Definite { steps, function } => {
                let mut at = root;
                for step in steps {
                    match (step, at) {
                        (Step::Name(name), Value::Object(map)) => match map.get(&**name) {
                            Some(next) => at = next,
                            None => return Found::Missing,
                        },
                        (Step::Index(i), Value::Array(items)) => match position(*i, items.len()) {
                            Some(i) => at = &items[i],
                            None => return Found::PastEnd,
                        },
                        _ => return Found::Missing,
                    }
                }
                match function {
                    None => Found::Value(Cow::Borrowed(at)),
                    Some(f) => match f.apply(at, root) {
                        Some(v) => Found::Value(Cow::Owned(v)),
                        None => Found::Missing,
                    },
                }
            }
        }
    }
}

/// A JSON number, written without a fraction when it has none.
pub(crate) fn number(n: f64) -> Value {
    // The doubles next below 2^63 and 2^64 are whole, and exact as integers.
    if n.fract() == 0.0 && n.abs() < 9_223_372_036_854_775_808.0 {
        (n as i64).into()
    } else if n.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(&n) {
        (n as u64).into()
    } else {
        serde_json::Number::from_f64(n).map_or(Value::Null, Value::Number)
    }
}

fn position(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { len as i64 + index } else { index };
    usize::try_from(at).ok().filter(|i| *i < len)
}

/// Whether `name` may name a variable (UAX 31 identifiers, at most 80 characters).
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().count() <= 80
}

/// Puts `value` at `steps` inside `target`, making objects on the way.
/// Fails when the way leads through something that is neither.
pub(crate) fn inject(target: &mut Value, steps: &[Step], value: Value) -> Result<(), ()> {
    let mut at = target;
    for step in steps {
        at = match step {
            Step::Name(name) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()
                    .ok_or(())?
                    .entry(&**name)
                    .or_insert(Value::Null)
            }
            Step::Index(i) => {
                let items = at.as_array_mut().ok_or(())?;
                let i = position(*i, items.len()).ok_or(())?;
                &mut items[i]
            }
        };
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn get(path: &str, value: &Value) -> Option<Value> {
        match Path::parse(path).unwrap().follow(value) {
            Found::Value(v) => Some(v.into_owned()),
            Found::Missing | Found::PastEnd => None,
        }
    }

    #[test]
    fn definite_paths_name_one_place() {
        let v = json!({"a": {"b-c": [1, {"d e": true}]}, "x.y": 2, "n": null});
        for (path, expect) in [
            ("$.a.b-c[0]", Some(json!(1))),
            ("$['a']['b-c'][-1]['d e']", Some(json!(true))),
            ("$[\"x.y\"]", Some(json!(2))),
            ("$.n", Some(Value::Null)),
            ("$.a.b-c.length()", Some(json!(2))),
            ("$", Some(v.clone())),
            ("$.a.q", None),
            ("$.a[0]", None),
            ("$.a.b-c[7]", None),
        ] {
            assert_eq!(get(path, &v), expect, "{path}");
        }
    }

    #[test]
    fn other_paths_give_arrays() {
        let v = json!({"items": [{"n": 1, "k": "a"}, {"n": 5, "k": "b"}], "deep": {"n": 9}});
        for (path, expect) in [
            ("$.items[*].n", json!([1, 5])),
            ("$..n", json!([1, 5, 9])),
            ("$.items[?(@.n > 2)].k", json!(["b"])),
            ("$.items[?(@.k == 'a')]", json!([{"n": 1, "k": "a"}])),
            ("$.items[0:1].k", json!(["a"])),
            ("$.items[0,1].n", json!([1, 5])),
            ("$.items[9:].n", json!([])),
        ] {
            let got = get(path, &v).unwrap();
            let sorted = |v: &Value| {
                let mut items = v.as_array().unwrap().clone();
                items.sort_by_key(Value::to_string);
                items
            };
            assert_eq!(sorted(&got), sorted(&expect), "{path}");
        }
    }

    #[test]
    fn roots_and_refusals() {
        assert_eq!(
            Path::parse("$$.Execution.Id").unwrap().root(),
            &Root::Context
        );
        assert_eq!(
            Path::parse("$order.id").unwrap().root(),
            &Root::Variable("order".into())
        );
        for bad in [
            "a.b",
            "$.",
            "$.a..",
            "$.a[",
            "$.a[?(]",
            "$-x",
            "$.a.foo()",
            "$x y",
            "$.a[?@.b]",
            "$.a[?(@.b) && (@.c)]",
            "$.a[?(@.b ==)]",
            "$.a[?(@.b = 1)]",
            "$.a[?(@.b]",
            "$.a[?('x')]",
            "$.a[?(@.b =~ /(/)]",
            "$.a['b",
            "$.a[x]",
            "$.a.",
            "$.a.length().b",
            "$.a b",
        ] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn injecting_makes_objects_on_the_way() {
        let mut v = json!({"a": [1, 2]});
        let at = |p: &str| Path::parse(p).unwrap();
        inject(&mut v, at("$.b.c").reference().unwrap(), json!(3)).unwrap();
        inject(&mut v, at("$.a[1]").reference().unwrap(), json!("x")).unwrap();
        assert_eq!(v, json!({"a": [1, "x"], "b": {"c": 3}}));
        assert!(inject(&mut v, at("$.a.b").reference().unwrap(), json!(3)).is_err());
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        const PIECES: [&str; 40] = [
            "$",
            ".",
            "..",
            "[",
            "]",
            "'",
            "\"",
            "a",
            "é",
            "*",
            "?",
            "?(",
            "(",
            ")",
            "@",
            "@.a",
            "==",
            "=~",
            "/",
            "/i",
            "in",
            "nin",
            "[1,",
            "1",
            "-1",
            ":",
            ",",
            "&&",
            "||",
            "!",
            "<",
            "length()",
            "sum()",
            " ",
            "\\",
            "{",
            "}",
            "null",
            "🦀",
            "['a','b']",
        ];
        let value = json!({"a": [{"a": 1, "b": [1, "x"]}, 7, "é"], "é": {"a": null}});
        let mut random = fastrand::Rng::with_seed(16);
        let mut read = 0;
        for _ in 0..60_000 {
            let mut path = String::from("$");
            for _ in 0..random.usize(0..12) {
                path.push_str(PIECES[random.usize(0..PIECES.len())]);
            }
            if let Ok(path) = Path::parse(&path) {
                read += 1;
                let _ = path.follow(&value);
            }
            let _ = crate::intrinsic::Call::parse(&format!("States.Array({path})"));
        }
        assert!(read > 500, "{read}");
    }

    #[test]
    fn deep_filters_are_refused_and_not_followed() {
        for path in [
            format!("$.a[?({}@.b{})]", "(".repeat(9_000), ")".repeat(9_000)),
            format!("$.a[?({}@.b)]", "!".repeat(9_000)),
            format!("$.a[?(@.b in {})]", "[".repeat(9_000)),
            format!("$.a{}", "[?(@.a".repeat(9_000)),
        ] {
            assert!(Path::parse(&path).is_err());
        }
    }
}
