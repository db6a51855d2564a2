//! An event as patterns see it: the leaves of the fields somebody asks for, each with the array elements it lies in.
//!
//! One walk over the event, guided by a tree of the wanted paths, finds them all; parts of the event that no path leads
//! into are never entered. So an event that is text need not be read whole: [`Paths::read`] skips those parts. This module
//! must not know operators or rules.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashMap;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The number of a path within one [`Paths`].
pub(crate) type FieldId = u32;

const NONE: u32 = u32::MAX;

/// The wanted paths, as a tree of their steps.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    nodes: Vec<Step>,
    fields: u32,
}

#[derive(Debug, Clone, Default)]
struct Step {
    next: FxHashMap<Box<str>, u32>,
    field: Option<FieldId>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            nodes: vec![Step::default()],
            fields: 0,
        }
    }
}

impl Paths {
    /// The number of a dotted path, which is added if it is new.
    pub(crate) fn add(&mut self, path: &str) -> FieldId {
        let mut at = 0;
        for step in path.split('.') {
            at = match self.nodes[at].next.get(step) {
                Some(&next) => next as usize,
                None => {
                    let new = self.nodes.len();
                    self.nodes.push(Step::default());
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "a pattern has at most 2,048 characters"
                    )]
                    self.nodes[at].next.insert(step.into(), new as u32);
                    new
                }
            };
        }
        *self.nodes[at].field.get_or_insert_with(|| {
            self.fields += 1;
            self.fields - 1
        })
    }

    /// Reads as much of an event as has wanted fields in it; the leaves are those of the whole event.
    ///
    /// # Errors
    /// The text is not JSON.
    pub(crate) fn read(&self, event: &str) -> serde_json::Result<Value> {
        let mut reader = serde_json::Deserializer::from_str(event);
        let value = Wanted { paths: self, at: 0 }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// Where the member `key` of the object at `at` leads, if into a wanted path.
    fn next(&self, at: u32, key: &str) -> Option<u32> {
        let next = |at: u32, name: &str| self.nodes[at as usize].next.get(name).copied();
        // `{"a.b": 1}` is the field a.b, just as `{"a": {"b": 1}}` is.
        next(at, key).or_else(|| match key.contains('.') {
            true => key.split('.').try_fold(at, next),
            false => None,
        })
    }

    /// The leaves of all wanted fields.
    pub(crate) fn leaves<'e>(&self, event: &'e Value) -> Leaves<'e> {
        let mut leaves = Leaves {
            first: vec![NONE; self.fields as usize],
            leaves: Vec::with_capacity(16),
            places: Vec::new(),
            arrays: Vec::new(),
        };
        if let Value::Object(_) = event {
            self.value(0, event, NONE, &mut leaves);
        }
        leaves
    }

    fn value<'e>(&self, at: u32, value: &'e Value, place: u32, leaves: &mut Leaves<'e>) {
        let step = &self.nodes[at as usize];
        match value {
            Value::Object(members) => {
                if step.next.is_empty() {
                    return;
                }
                for (key, member) in members {
                    if let Some(next) = self.next(at, key) {
                        self.value(next, member, place, leaves);
                    }
                }
            }
            Value::Array(items) => {
                let array = leaves.open();
                for (index, item) in items.iter().enumerate() {
                    // A plain value in an array is one of the field's values; only what lies inside an element belongs to it.
                    if matches!(item, Value::Object(_) | Value::Array(_)) {
                        let inside = leaves.enter(array, index, place);
                        self.value(at, item, inside, leaves);
                        leaves.places[inside as usize].until = leaves.count();
                    } else {
                        self.value(at, item, place, leaves);
                        leaves.arrays[array as usize].plain = true;
                    }
                }
                leaves.arrays[array as usize].until = leaves.count();
            }
            leaf => {
                if let Some(field) = step.field {
                    leaves.add(field, leaf, place);
                }
            }
        }
    }
}

/// Reads the wanted part of what lies where the steps so far lead.
#[derive(Clone, Copy)]
struct Wanted<'p> {
    paths: &'p Paths,
    at: u32,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(Key(key)) = members.next_key()? {
            match self.paths.next(self.at, &key) {
                Some(at) => {
                    let wanted = Wanted { at, ..self };
                    let member = members.next_value_seed(wanted)?;
                    all.insert(key.into_owned(), member);
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(all))
    }
}

/// A member's name, borrowed from the text where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

/// The leaves found in one event, in the order in which they stand there, and grouped by field.
#[derive(Debug)]
pub(crate) struct Leaves<'e> {
    first: Vec<u32>,
    leaves: Vec<Leaf<'e>>,
    places: Vec<Place>,
    arrays: Vec<Array>,
}

/// One value of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'e> {
    pub(crate) value: &'e Value,
    /// Where it stands among all leaves.
    pub(crate) at: u32,
    place: u32,
    next: u32,
}

impl Leaf<'_> {
    /// Whether the field has a further value behind this one.
    pub(crate) fn has_more(&self) -> bool {
        self.next != NONE
    }
}

/// An array: its leaves stand together.
#[derive(Debug, Clone, Copy)]
struct Array {
    from: u32,
    until: u32,
    /// Some of its values are plain: they stand among its elements and belong to none.
    plain: bool,
}

/// An element of an array, the element that array lies in, and its leaves.
#[derive(Debug, Clone, Copy)]
struct Place {
    array: u32,
    index: usize,
    outer: u32,
    from: u32,
    until: u32,
}

/// The array elements that a match has settled on so far, one for each array.
pub(crate) type Settled = Vec<Choice>;

/// One element of one array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Choice {
    pub(crate) array: u32,
    index: usize,
    place: u32,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "an event has at most 1 MiB"
)]
impl<'e> Leaves<'e> {
    fn count(&self) -> u32 {
        self.leaves.len() as u32
    }

    fn open(&mut self) -> u32 {
        let from = self.count();
        self.arrays.push(Array {
            from,
            until: from,
            plain: false,
        });
        (self.arrays.len() - 1) as u32
    }

    fn enter(&mut self, array: u32, index: usize, outer: u32) -> u32 {
        let from = self.count();
        self.places.push(Place {
            array,
            index,
            outer,
            from,
            until: from,
        });
        (self.places.len() - 1) as u32
    }

    fn add(&mut self, field: FieldId, value: &'e Value, place: u32) {
        let at = self.count();
        let next = std::mem::replace(&mut self.first[field as usize], at);
        self.leaves.push(Leaf {
            value,
            at,
            place,
            next,
        });
    }

    /// Whether some leaf may lie in an element of an array.
    pub(crate) fn within_arrays(&self) -> bool {
        !self.places.is_empty()
    }

    /// How many arrays the walk came through.
    pub(crate) fn arrays(&self) -> usize {
        self.arrays.len()
    }

    /// The values of a field, the last of the event first.
    pub(crate) fn of(&self, field: FieldId) -> impl Iterator<Item = Leaf<'e>> {
        let mut at = self.first.get(field as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let leaf = *self.leaves.get(at as usize)?;
            at = leaf.next;
            Some(leaf)
        })
    }

    /// The arrays that a leaf lies in, the innermost first.
    pub(crate) fn around(&self, leaf: Leaf<'_>) -> impl Iterator<Item = u32> {
        let mut at = leaf.place;
        std::iter::from_fn(move || {
            let place = self.places.get(at as usize)?;
            at = place.outer;
            Some(place.array)
        })
    }

    /// Where the next leaf may stand that does not contradict what is settled, if this one does: behind the array, or at
    /// the beginning of the element that was settled on.
    pub(crate) fn beyond(&self, leaf: Leaf<'_>, settled: &[Choice]) -> Option<u32> {
        let at = leaf.at;
        settled.iter().find_map(|choice| {
            let array = self.arrays.get(choice.array as usize)?;
            let place = self.places.get(choice.place as usize)?;
            if at < array.from || at >= array.until || (place.from <= at && at < place.until) {
                return None;
            }
            if array.plain {
                return self
                    .around(leaf)
                    .any(|around| around == choice.array)
                    .then_some(at + 1);
            }
            Some(if at < place.from && place.from < place.until {
                place.from
            } else {
                array.until
            })
        })
    }

    /// Settles on the elements that a leaf lies in. False if another element of the same array was settled on; what was
    /// added until then stays, and is the caller's to cut off.
    pub(crate) fn settle(&self, leaf: Leaf<'_>, settled: &mut Settled) -> bool {
        let mut at = leaf.place;
        while let Some(&Place {
            array,
            index,
            outer,
            ..
        }) = self.places.get(at as usize)
        {
            match settled.iter().find(|choice| choice.array == array) {
                Some(choice) if choice.index != index => return false,
                Some(_) => {}
                None => settled.push(Choice {
                    array,
                    index,
                    place: at,
                }),
            }
            at = outer;
        }
        true
    }
}
