//! What the keywords of one type say.

use serde_json::{Map, Value};

use crate::node::{List, Object, Others};
use crate::number::{Num, Range, of_format};
use crate::text::Text;

fn size(keywords: &Map<String, Value>, name: &str) -> Option<usize> {
    let number = keywords.get(name)?;
    let number = number.as_u64().or_else(|| {
        let whole = number.as_f64().filter(|it| it.fract() == 0.0 && *it >= 0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a size"
        )]
        whole.map(|it| it as u64)
    });
    number.and_then(|it| usize::try_from(it).ok())
}

/// The numbers that `keywords` take; `whole` numbers only, if they say so.
pub(crate) fn range(keywords: &Map<String, Value>, whole: bool) -> Range {
    let number = |name: &str| keywords.get(name).and_then(Num::of);
    // In Draft 4 and OpenAPI 3.0 the exclusive ones are marks on the others.
    let is_marked = |name: &str| keywords.get(name) == Some(&Value::Bool(true));
    let mut range = Range {
        whole,
        low: number("minimum").map(|it| (it, is_marked("exclusiveMinimum"))),
        high: number("maximum").map(|it| (it, is_marked("exclusiveMaximum"))),
        multiples: number("multipleOf").into_iter().collect(),
    };
    range = range.and(Range {
        low: number("exclusiveMinimum").map(|it| (it, true)),
        high: number("exclusiveMaximum").map(|it| (it, true)),
        ..Range::default()
    });
    let format = keywords.get("format").and_then(Value::as_str);
    if let Some((low, high)) = format.filter(|_| whole).and_then(of_format) {
        range = range.and(Range {
            whole,
            low: Some((Num::Whole(low), false)),
            high: Some((Num::Whole(high), false)),
            multiples: Vec::new(),
        });
    }
    range.tight()
}

/// The text that they take.
pub(crate) fn text(keywords: &Map<String, Value>) -> Text<'_> {
    let word = |name: &str| keywords.get(name).and_then(Value::as_str);
    Text {
        least: size(keywords, "minLength").unwrap_or(0),
        most: size(keywords, "maxLength"),
        patterns: word("pattern").into_iter().collect(),
        formats: word("format")
            .filter(|it| of_format(it).is_none())
            .into_iter()
            .collect(),
    }
}

/// The lists that they take.
pub(crate) fn list(keywords: &Map<String, Value>) -> List<'_> {
    List {
        items: keywords.get("items").into_iter().collect(),
        least: size(keywords, "minItems").unwrap_or(0),
        most: size(keywords, "maxItems"),
        unique: keywords.get("uniqueItems") == Some(&Value::Bool(true)),
    }
}

/// The objects that they take.
pub(crate) fn object(keywords: &Map<String, Value>) -> Object<'_> {
    let members = keywords.get("properties").and_then(Value::as_object);
    let required = keywords.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    Object {
        named: members.is_some(),
        members: members
            .into_iter()
            .flatten()
            .map(|(name, node)| (name.as_str(), vec![node]))
            .collect(),
        required: required.collect(),
        others: match keywords.get("additionalProperties") {
            None => Others::Unsaid,
            Some(node) => Others::Fit(vec![node]),
        },
    }
}
