//! What an expression can see while it is evaluated.
//!
//! Owns the lookup of roots (`$`, `$$`, variables) and the context object. It
//! reads the execution; it changes nothing but the random stream.

use crate::jsonata::Need;
use crate::path::{Found, Path, Root};
use crate::{Data, Millis};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

/// The facts of an execution that its context object shows.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) execution_arn: Arc<str>,
    pub(crate) execution_name: Arc<str>,
    pub(crate) machine_arn: Arc<str>,
    pub(crate) machine_name: Arc<str>,
    /// The version and the alias that it was started by.
    pub(crate) version: Option<u64>,
    pub(crate) alias: Option<Arc<str>>,
    pub(crate) role_arn: Arc<str>,
    pub(crate) input: Data,
    pub(crate) started: Millis,
    pub(crate) redrives: u32,
    pub(crate) redriven: Option<Millis>,
    /// What the caller wants the context object to show besides, or instead.
    pub(crate) extra: Option<Arc<Map<String, Value>>>,
}

impl Identity {
    /// The region and the account, as they stand in its ARNs.
    pub(crate) fn owner(&self) -> (&str, &str) {
        let mut parts = self.execution_arn.split(':').skip(3);
        let region = parts.next().unwrap_or_default();
        (region, parts.next().unwrap_or_default())
    }
}

/// The item a Map iteration works on.
#[derive(Debug, Clone)]
pub(crate) struct MapItem {
    pub(crate) index: usize,
    pub(crate) value: Data,
    /// The key, when the Map runs over an object.
    pub(crate) key: Option<Arc<str>>,
}

/// The context object, built only as far as an expression asks for it.
pub(crate) struct Context<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) state: &'a str,
    pub(crate) entered: Millis,
    /// Set for states that can be retried.
    pub(crate) retries: Option<u32>,
    pub(crate) token: Option<&'a str>,
    pub(crate) item: Option<&'a MapItem>,
}

impl Context<'_> {
    /// The context object with at least the members that `wants` accepts, and of
    /// the execution and the state the fields that `reads` does.
    fn build(&self, wants: impl Fn(&str) -> bool, reads: impl Fn(&str, &str) -> bool) -> Value {
        let id = self.identity;
        let mut all = Map::new();
        if wants("Execution") {
            let mut e = Map::new();
            let mut put = |field: &str, value: &dyn Fn() -> Value| {
                if reads("Execution", field) {
                    e.insert(field.into(), value());
                }
            };
            put("Id", &|| json!(&*id.execution_arn));
            put("Input", &|| (*id.input).clone());
            put("StartTime", &|| json!(iso(id.started)));
            put("Name", &|| json!(&*id.execution_name));
            put("RoleArn", &|| json!(&*id.role_arn));
            put("RedriveCount", &|| json!(id.redrives));
            if let Some(at) = id.redriven {
                put("RedriveTime", &|| json!(iso(at)));
            }
            all.insert("Execution".into(), Value::Object(e));
        }
        if wants("StateMachine") {
            all.insert(
                "StateMachine".into(),
                json!({"Id": &*id.machine_arn, "Name": &*id.machine_name}),
            );
        }
        if wants("State") {
            let mut s = Map::new();
            let mut put = |field: &str, value: &dyn Fn() -> Value| {
                if reads("State", field) {
                    s.insert(field.into(), value());
                }
            };
            put("Name", &|| json!(self.state));
            put("EnteredTime", &|| json!(iso(self.entered)));
            if let Some(n) = self.retries {
                put("RetryCount", &|| json!(n));
            }
            all.insert("State".into(), Value::Object(s));
        }
        if let (Some(token), true) = (self.token, wants("Task")) {
            all.insert("Task".into(), json!({"Token": token}));
        }
        if let (Some(item), true) = (self.item, wants("Map")) {
            let mut m = Map::new();
            m.insert("Index".into(), json!(item.index));
            if let Some(key) = &item.key {
                m.insert("Key".into(), json!(&**key));
            }
            m.insert("Value".into(), (*item.value).clone());
            all.insert("Map".into(), json!({"Item": m}));
        }
        let mut context = Value::Object(all);
        for (member, value) in id.extra.iter().flat_map(|extra| extra.iter()) {
            if wants(member) {
                overlay(&mut context[member.as_str()], value);
            }
        }
        context
    }

    /// The part of the context object that a JSONata expression reads.
    pub(crate) fn for_need(&self, need: &Need) -> Value {
        self.build(
            |member| need.field(member).is_some(),
            |member, field| {
                need.field(member)
                    .is_some_and(|it| it.field(field).is_some())
            },
        )
    }

    /// The part of the context object that a JSONPath reads.
    fn for_path(&self, path: &Path) -> Value {
        let mut names = path.leading_names();
        let first = names.next();
        let second = names.next();
        self.build(
            |member| first.is_none_or(|f| f == member),
            // What is not found is shown with all that was there, but the input.
            |_, field| field != "Input" || second.is_none_or(|s| s == "Input"),
        )
    }
}

/// Puts `over` onto `value`, member by member where both are objects.
fn overlay(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Object(value), Value::Object(over)) => {
            for (name, over) in over {
                overlay(value.entry(name.as_str()).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over.clone(),
    }
}

/// The time as AWS writes it: ISO 8601, UTC, milliseconds.
pub(crate) fn iso(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(
        |_| at.to_string(),
        |t| t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    )
}

/// Looks variables up, innermost scope first.
pub(crate) trait Variables {
    /// The value of a variable as it was on state entry.
    fn get(&self, name: &str) -> Option<&Data>;
}

/// Everything an expression can see.
pub(crate) struct Env<'a> {
    /// `$` of a JSONPath.
    pub(crate) current: &'a Value,
    /// `$states.input`.
    pub(crate) input: &'a Value,
    /// `$states.result`.
    pub(crate) result: Option<&'a Value>,
    /// `$states.errorOutput`.
    pub(crate) error_output: Option<&'a Value>,
    pub(crate) variables: &'a dyn Variables,
    pub(crate) context: &'a Context<'a>,
    pub(crate) random: &'a RefCell<fastrand::Rng>,
    pub(crate) now: Millis,
}

impl<'a> Env<'a> {
    /// Follows `path` from whatever it starts from.
    pub(crate) fn follow(&self, path: &Path) -> Found<'a> {
        match path.root() {
            Root::Current => path.follow(self.current),
            Root::Context => {
                let context = self.context.for_path(path);
                match path.follow(&context) {
                    Found::Value(v) => Found::Value(Cow::Owned(v.into_owned())),
                    Found::Missing => Found::Missing,
                    Found::PastEnd => Found::PastEnd,
                }
            }
            Root::Variable(name) => match self.variables.get(name) {
                Some(value) => path.follow(value),
                None => Found::Missing,
            },
        }
    }

    /// The value at `path`, if there is one.
    pub(crate) fn value(&self, path: &Path) -> Option<Cow<'a, Value>> {
        match self.follow(path) {
            Found::Value(v) => Some(v),
            Found::Missing | Found::PastEnd => None,
        }
    }

    /// What the value a path starts from looks like, for error texts.
    pub(crate) fn shown(&self, path: &Path) -> String {
        match path.root() {
            Root::Current => self.current.to_string(),
            Root::Context => self.context.for_path(path).to_string(),
            Root::Variable(name) => self
                .variables
                .get(name)
                .map_or_else(|| "undefined".into(), |v| v.to_string()),
        }
    }
}

/// A version 4 UUID from the execution's random stream.
pub(crate) fn uuid(random: &mut fastrand::Rng) -> String {
    let n = (random.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        (n >> 80) & 0xffff,
        (n >> 64) & 0xffff,
        (n >> 48) & 0xffff,
        n & 0xffff_ffff_ffff
    )
}

/// The hexadecimal digest AWS's `States.Hash` and `$hash` give, if it knows `algorithm`.
pub(crate) fn digest(of: impl AsRef<[u8]>, algorithm: &str) -> Option<String> {
    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
    }
    use sha2::Digest as _;
    let bytes = of.as_ref();
    Some(match algorithm {
        "MD5" => hex(&md5::Md5::digest(bytes)),
        "SHA-1" => hex(&sha1::Sha1::digest(bytes)),
        "SHA-256" => hex(&sha2::Sha256::digest(bytes)),
        "SHA-384" => hex(&sha2::Sha384::digest(bytes)),
        "SHA-512" => hex(&sha2::Sha512::digest(bytes)),
        _ => return None,
    })
}

/// The length of `value` as compact JSON, in bytes.
#[must_use]
pub fn size(value: &Value) -> usize {
    length(value, string_size)
}

/// Whether the [`size`] of `value` is `most` or less.
pub(crate) fn fits(value: &Value, most: usize) -> bool {
    // At its longest, each byte of a text is `\u0000`. Nearly all data fits even
    // so, and then nobody has to look into its texts.
    length(value, |text| 2 + 6 * text.len()) <= most || size(value) <= most
}

/// The length of `value` as compact JSON where `text` gives that of a text.
fn length(value: &Value, text: impl Fn(&str) -> usize + Copy) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(b) => 5 - usize::from(*b),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => digits(n),
            (None, Some(n)) => 1 + digits(n.unsigned_abs()),
            _ => n.to_string().len(),
        },
        Value::String(s) => text(s),
        Value::Array(items) => {
            1 + items
                .iter()
                .map(|v| length(v, text) + 1)
                .sum::<usize>()
                .max(1)
        }
        Value::Object(map) => {
            1 + map
                .iter()
                .map(|(k, v)| text(k) + length(v, text) + 2)
                .sum::<usize>()
                .max(1)
        }
    }
}

fn digits(n: u64) -> usize {
    n.checked_ilog10().map_or(1, |d| d as usize + 1)
}

fn string_size(s: &str) -> usize {
    // Most texts have nothing to escape, which many bytes at once can tell.
    let escaped = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
    if s.as_bytes().iter().filter(|b| escaped(b)).count() == 0 {
        return 2 + s.len();
    }
    2 + s
        .bytes()
        .map(|b| match b {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
            0..0x20 => 6,
            _ => 1,
        })
        .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_text() {
        for v in [
            json!(null),
            json!([]),
            json!({}),
            json!([1, -20, 1.5, true, false]),
            json!({"a\"b": "line\n\u{1}é", "c": [{}, [0]], "d": {"e": null}}),
        ] {
            let bytes = v.to_string().len();
            assert_eq!(size(&v), bytes, "{v}");
            assert!(fits(&v, bytes) && !fits(&v, bytes - 1), "{v}");
        }
    }

    #[test]
    fn uuids_are_version_four() {
        let mut random = fastrand::Rng::with_seed(7);
        let id = uuid(&mut random);
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert_ne!(id, uuid(&mut random));
    }
}
