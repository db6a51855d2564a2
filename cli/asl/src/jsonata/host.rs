//! The functions an expression gets from Step Functions rather than from JSONata.
//!
//! Behaviour at the edges (an empty array, no step, an unknown algorithm) as
//! measured on AWS: most of it is "nothing", which then fails the field.

use super::rewrite::{CALLED, NUMBER, number};
use crate::env::{Env, digest, iso, uuid};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The functions Step Functions adds, and those whose answer must come
/// from the execution's own clock and random stream.
pub(super) fn register(evaluator: &mut Evaluator, env: &Env<'_>) -> Result<(), EvaluatorError> {
    let seed = env.random.borrow_mut().u64(..);
    let random = Rc::new(RefCell::new(fastrand::Rng::with_seed(seed)));
    let now = env.now;
    let host = random.clone();
    evaluator.register_fn_override("random", move |args: &[JValue]| {
        Ok(JValue::from_f64(
            match args.first().and_then(JValue::as_f64) {
                Some(seed) => java_random(seed as i64),
                None => host.borrow_mut().f64(),
            },
        ))
    })?;
    let host = random.clone();
    evaluator.register_fn_override("shuffle", move |args: &[JValue]| {
        Ok(match args.first().and_then(JValue::as_array) {
            Some(items) => {
                let mut items = items.clone();
                host.borrow_mut().shuffle(&mut items);
                JValue::array(items)
            }
            None => args.first().cloned().unwrap_or(JValue::Undefined),
        })
    })?;
    evaluator.register_fn_override("uuid", move |_: &[JValue]| {
        Ok(JValue::string(uuid(&mut random.borrow_mut())))
    })?;
    evaluator.register_fn_override("millis", move |_: &[JValue]| {
        Ok(JValue::from_f64(now as f64))
    })?;
    evaluator.register_fn_override("now", move |args: &[JValue]| {
        if args.is_empty() {
            return Ok(JValue::string(iso(now)));
        }
        // With a picture, `$now` is `$fromMillis` of the same instant.
        let mut inner = Context::new();
        inner.bind("at".into(), JValue::from_f64(now as f64));
        inner.bind("picture".into(), args[0].clone());
        let zone = args.get(1).cloned().unwrap_or(JValue::Undefined);
        inner.bind("zone".into(), zone);
        let ast = parser::parse("$fromMillis($at, $picture, $zone)")
            .map_err(|e| EvaluatorError::EvaluationError(e.to_string()))?;
        Evaluator::with_context(inner).evaluate(&ast, &JValue::Undefined)
    })?;
    evaluator.register_fn_override("hash", |args: &[JValue]| {
        let text = args.first().and_then(JValue::as_str);
        let algorithm = args.get(1).and_then(JValue::as_str);
        match (text, algorithm) {
            (Some(text), Some(algorithm)) => digest(text, algorithm)
                .map(JValue::string)
                .ok_or_else(|| error(format!("unknown hash algorithm '{algorithm}'"))),
            _ => Ok(JValue::Undefined),
        }
    })?;
    evaluator.register_fn_override("parse", |args: &[JValue]| {
        let Some(text) = args.first().and_then(JValue::as_str) else {
            return Ok(JValue::Undefined);
        };
        JValue::from_json_str(text).map_err(|e| error(format!("cannot parse JSON: {e}")))
    })?;
    evaluator.register_fn_override("partition", |args: &[JValue]| Ok(partition(args)))?;
    evaluator.register_fn_override("range", range)?;
    evaluator.register_fn_override(NUMBER, to_number)?;
    let calls = Cell::new(0_u32);
    evaluator.register_fn_override(CALLED, move |args: &[JValue]| {
        calls.set(calls.get() + 1);
        if calls.get() > super::MAX_CALLS {
            return Err(error(super::ENDLESS.into()));
        }
        if args.iter().any(|value| held(value) > super::MAX_HELD) {
            return Err(error(super::MEMORY.into()));
        }
        Ok(JValue::Undefined)
    })?;
    evaluator.register_fn_override("eval", |_: &[JValue]| {
        Err(error(
            "T1006: Attempted to invoke a non-function: $eval is not available, use $parse".into(),
        ))
    })
}

/// Bytes that a value holds, as AWS seems to count: eight a number, one a character. Of lists only the length is
/// looked at, for this is asked at every call.
fn held(value: &JValue) -> usize {
    match value {
        JValue::String(text) => text.len(),
        JValue::Array(items) => items.len() * 8,
        _ => 8,
    }
}

/// The first `nextDouble()` of Java's `Random(seed)`, which is what AWS gives: 0.7275636800328681 for 42
/// (floci-io/floci#2662).
fn java_random(seed: i64) -> f64 {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (seed as u64 ^ MULTIPLIER) & MASK;
    let mut next = |bits: u32| {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        state >> (48 - bits)
    };
    let (high, low) = (next(26), next(27));
    ((high << 27) + low) as f64 / (1_u64 << 53) as f64
}

/// `$number(value)` of JSONata 2.0.6.
fn to_number(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    match args.first() {
        None => Ok(JValue::Undefined),
        Some(value) if value.is_undefined() => Ok(JValue::Undefined),
        Some(JValue::Number(n)) => Ok(JValue::Number(*n)),
        Some(JValue::Bool(b)) => Ok(JValue::Number(f64::from(u8::from(*b)))),
        Some(JValue::String(text)) => number(text).map(JValue::Number).ok_or_else(|| {
            error(format!(
                "D3030: Unable to cast value to a number: {}",
                serde_json::Value::from(&**text)
            ))
        }),
        Some(_) => Err(error(
            "T0410: Argument 1 of function \"number\" does not match function signature".into(),
        )),
    }
}

fn error(text: String) -> EvaluatorError {
    EvaluatorError::EvaluationError(text)
}

/// `$partition(array, size)`; nothing for an empty array or a size of zero.
fn partition(args: &[JValue]) -> JValue {
    let items = args.first().and_then(JValue::as_array);
    let size = args
        .get(1)
        .and_then(JValue::as_f64)
        .map_or(0, |n| n as usize);
    match items {
        Some(items) if size > 0 && !items.is_empty() => JValue::array(
            items
                .chunks(size)
                .map(|c| JValue::array(c.to_vec()))
                .collect(),
        ),
        _ => JValue::Undefined,
    }
}

/// `$range(start, end, step)`, inclusive; a range of one is the number itself.
fn range(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let whole = |i: usize| args.get(i).and_then(JValue::as_f64).map(|n| n as i64);
    let (Some(start), Some(end), Some(step)) = (whole(0), whole(1), whole(2)) else {
        return Ok(JValue::Undefined);
    };
    if step == 0 || (end > start && step < 0) || (end < start && step > 0) {
        return Ok(JValue::Undefined);
    }
    let count = end.abs_diff(start) / step.unsigned_abs() + 1;
    if count > 360_145 {
        return Err(error(super::MEMORY.into()));
    }
    let items: Vec<JValue> = (0..count as i64)
        .map(|i| JValue::from_f64((start + i * step) as f64))
        .collect();
    Ok(match items.as_slice() {
        [one] => one.clone(),
        _ => JValue::array(items),
    })
}
