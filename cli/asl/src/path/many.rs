//! Following a path that may select several places, as Jayway's library does.
//!
//! | where | then |
//! |---|---|
//! | a name or index is missing on a definite way | nothing is found at all |
//! | it is missing further on | that place is left out |
//! | a filter meets an object | the object itself is tried, not its members |
//! | a list of names comes last | one object with those of them that are there |
//! | a function follows `..` | it is that of all that was found, else that of each |

use super::{Many, Query, Segment, position};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A definite way leads nowhere.
struct Nowhere;

type Places<'a> = Vec<Cow<'a, Value>>;

impl Query {
    /// The value for a filter, nothing where the path leads nowhere. `root` is what `$` stands for in filters.
    pub(super) fn value<'a>(&self, at: &'a Value, root: &'a Value) -> Option<Cow<'a, Value>> {
        match self {
            Query::Many(many) => many.follow(at, root),
            Query::Definite { steps, function } => {
                let mut at = at;
                for step in steps {
                    at = match step {
                        super::Step::Name(name) => at.as_object()?.get(&**name)?,
                        super::Step::Index(i) => {
                            let items = at.as_array()?;
                            items.get(position(*i, items.len())?)?
                        }
                    };
                }
                match function {
                    None => Some(Cow::Borrowed(at)),
                    Some(function) => function.apply(at, root).map(Cow::Owned),
                }
            }
        }
    }
}

impl Many {
    /// What the path selects, from `at`.
    pub(super) fn follow<'a>(&self, at: &'a Value, root: &'a Value) -> Option<Cow<'a, Value>> {
        let mut found = Places::new();
        walk(&self.segments, at, root, true, &mut found).ok()?;
        let scans = self.segments.iter().any(|s| matches!(s, Segment::Scan));
        match &self.function {
            Some(function) if scans => {
                let all = found.into_iter().map(Cow::into_owned).collect();
                function.apply(&Value::Array(all), root).map(Cow::Owned)
            }
            Some(function) => {
                let each = found.iter().map(|value| function.apply(value, root));
                let each = each.collect::<Option<Vec<_>>>()?;
                self.one_or_all(each.into_iter().map(Cow::Owned).collect())
            }
            None => self.one_or_all(found),
        }
    }

    fn one_or_all<'a>(&self, found: Places<'a>) -> Option<Cow<'a, Value>> {
        let (last, before) = self.segments.split_last()?;
        let definite = |s: &Segment| matches!(s, Segment::Name(_) | Segment::Index(_));
        if before.iter().all(definite) && (definite(last) || matches!(last, Segment::Names(_))) {
            return found.into_iter().next();
        }
        let all = found.into_iter().map(Cow::into_owned).collect();
        Some(Cow::Owned(Value::Array(all)))
    }
}

fn walk<'a>(
    segments: &[Segment],
    at: &'a Value,
    root: &'a Value,
    definite: bool,
    found: &mut Places<'a>,
) -> Result<(), Nowhere> {
    let Some((segment, rest)) = segments.split_first() else {
        found.push(Cow::Borrowed(at));
        return Ok(());
    };
    let missing = || if definite { Err(Nowhere) } else { Ok(()) };
    match segment {
        Segment::Name(name) => match (at.as_object(), rest.is_empty()) {
            (None, _) => missing(),
            (Some(map), last) => match map.get(&**name) {
                Some(next) => walk(rest, next, root, definite, found),
                None if last => Ok(()),
                None => missing(),
            },
        },
        Segment::Index(index) => {
            let Some(items) = at.as_array() else {
                return missing();
            };
            match position(*index, items.len()) {
                Some(i) => walk(rest, &items[i], root, definite, found),
                None => missing(),
            }
        }
        Segment::Names(names) => {
            let Some(map) = at.as_object() else {
                return missing();
            };
            let there = names
                .iter()
                .filter_map(|name| Some((name, map.get(&**name)?)));
            if rest.is_empty() {
                let merged: Map<String, Value> = there
                    .map(|(name, value)| (name.to_string(), value.clone()))
                    .collect();
                found.push(Cow::Owned(Value::Object(merged)));
                return Ok(());
            }
            each(there.map(|(_, value)| value), rest, root, found)
        }
        Segment::Indexes(indexes) => {
            let Some(items) = at.as_array() else {
                return missing();
            };
            let there = indexes
                .iter()
                .filter_map(|i| items.get(position(*i, items.len())?));
            each(there, rest, root, found)
        }
        Segment::Slice(from, to) => {
            let Some(items) = at.as_array() else {
                return missing();
            };
            let length = items.len() as i64;
            let clamp = |at: i64| (if at < 0 { length + at } else { at }).clamp(0, length) as usize;
            let (from, to) = (clamp(from.unwrap_or(0)), clamp(to.unwrap_or(length)));
            each(items.get(from..to).into_iter().flatten(), rest, root, found)
        }
        Segment::Wildcard => each(children(at), rest, root, found),
        Segment::Filter(filter) => match at {
            Value::Array(items) => each(
                items.iter().filter(|i| filter.holds(i, root)),
                rest,
                root,
                found,
            ),
            Value::Object(_) if filter.holds(at, root) => walk(rest, at, root, false, found),
            Value::Object(_) => Ok(()),
            _ => missing(),
        },
        Segment::Scan => scan(rest, at, root, found),
    }
}

fn each<'a>(
    places: impl Iterator<Item = &'a Value>,
    rest: &[Segment],
    root: &'a Value,
    found: &mut Places<'a>,
) -> Result<(), Nowhere> {
    for place in places {
        walk(rest, place, root, false, found)?;
    }
    Ok(())
}

fn children<'a>(at: &'a Value) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    match at {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Each object and array that the next step fits, before what lies in it.
fn scan<'a>(
    rest: &[Segment],
    at: &'a Value,
    root: &'a Value,
    found: &mut Places<'a>,
) -> Result<(), Nowhere> {
    let fits = match rest.first() {
        Some(Segment::Name(_) | Segment::Names(_) | Segment::Filter(_)) => at.is_object(),
        Some(Segment::Index(_) | Segment::Indexes(_) | Segment::Slice(..)) => at.is_array(),
        _ => at.is_object() || at.is_array(),
    };
    if fits {
        // A list of names that are all missing is no place.
        let empty = |names: &[Box<str>]| !names.iter().any(|n| at.get(&**n).is_some());
        if !matches!(rest.first(), Some(Segment::Names(names)) if empty(names)) {
            walk(rest, at, root, false, found)?;
        }
    }
    for child in children(at) {
        if child.is_object() || child.is_array() {
            scan(rest, child, root, found)?;
        }
    }
    Ok(())
}
