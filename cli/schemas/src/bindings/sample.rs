//! Documents that the generated crate's own tests read and write.

use serde_json::{Map, Value, json};

use crate::accept::Example;
use crate::contract::Contract;
use crate::node::{Document, Object, Piece};

/// How deep members that may be missing are filled in.
const DEPTH: usize = 5;

/// A document of `contract` with all its members and one that nobody knows, and what
/// its members must not be.
pub(super) fn of(contract: &Contract, within: Option<&str>) -> Value {
    let document = Document {
        root: &contract.root,
        open: true,
    };
    let nodes = [contract.schema()];
    let mut said = rich(&document, &nodes, DEPTH);
    let union = document.union(&nodes);
    let object = union.pieces.iter().find_map(|piece| match piece {
        Piece::Object(object) => Some(object),
        _ => None,
    });
    let mut refused = Vec::new();
    if let (Some(object), Value::Object(members)) = (object, &mut said) {
        let takes_any = object.rest(&document).is_some_and(|nodes| nodes.is_empty());
        if takes_any && union.pieces.len() == 1 {
            members.insert("not-in-the-schema".to_owned(), json!({ "a": [1, null] }));
        }
        if union.pieces.len() == 1 {
            refused = refusals(&document, object, members);
        }
    }
    json!({
        "detail-type": contract.detail_type.as_ref().unwrap_or(&contract.name),
        "source": contract.source.as_deref().unwrap_or("anybody"),
        "within": within,
        "said": said,
        "refused": refused,
    })
}

/// A document with as many members as there may be.
fn rich<'a>(document: &Document<'a>, nodes: &[&'a Value], depth: usize) -> Value {
    let plain = || match document.example(nodes) {
        Example::Is(value) => value,
        _ => Value::Null,
    };
    if depth == 0 {
        return plain();
    }
    let union = document.union(nodes);
    let best = union.pieces.iter().find_map(|piece| match piece {
        Piece::Object(object) => {
            let members = object.members.keys().map(|name| {
                let nodes = object.member(document, name).unwrap_or_default();
                ((*name).to_owned(), rich(document, &nodes, depth - 1))
            });
            Some(Value::Object(members.collect()))
        }
        Piece::List(list) if list.most != Some(0) => {
            let many = list.least.max(1);
            Some(vec![rich(document, &list.items, depth - 1); many].into())
        }
        _ => None,
    });
    let fits = |value: &Value| document.fits(nodes, value) == Some(true);
    best.filter(fits).unwrap_or_else(plain)
}

/// Values that members of `object` must not have: the rules of one string or number.
fn refusals<'a>(
    document: &Document<'a>,
    object: &Object<'a>,
    members: &Map<String, Value>,
) -> Vec<Value> {
    let each = object.members.iter().filter_map(|(name, nodes)| {
        let there = members.get(*name)?;
        let union = document.union(nodes);
        let [piece] = union.pieces.as_slice() else {
            return None;
        };
        let candidates = match piece {
            Piece::Text(text) if text.formats.is_empty() && union.unknown.is_empty() => {
                let long = "x".repeat(text.most.unwrap_or(0).min(10_000) + 1);
                vec![json!(""), json!(" \n "), json!(long)]
            }
            Piece::Number(_) => vec![json!(-1), json!(0), json!(9_007_199_254_740_993_i64)],
            _ => return None,
        };
        let wrong = |it: &Value| document.fits(nodes, it) == Some(false);
        let bad = candidates.into_iter().find(wrong)?;
        (there != &bad).then(|| json!({ "field": name, "value": bad }))
    });
    each.collect()
}
