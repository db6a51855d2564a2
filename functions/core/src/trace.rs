//! Trace context as messages carry it (W3C Trace Context, `traceparent`).
//!
//! A step, one service at one message, is a span. Its id is drawn from what is
//! done, not at random, so that a repeat of a step is the same span and facts
//! stay identical however often they are published.

use sha2::{Digest, Sha256};

use crate::message::hex;

/// The `traceparent` of the span called `step` that continues `parent`: same
/// trace, same flags, a span id of its own. Without a valid parent it begins
/// the trace of `correlation`, sampled.
#[must_use]
pub fn span(parent: Option<&str>, correlation: &str, step: &str) -> String {
    let span = drawn(step, 8);
    match parent.and_then(parts) {
        Some((trace, _, flags)) => format!("00-{trace}-{span}-{flags}"),
        None => format!("00-{}-{span}-01", drawn(correlation, 16)),
    }
}

/// The span id in `traceparent`, if that is valid.
#[must_use]
pub fn span_id(traceparent: &str) -> Option<&str> {
    parts(traceparent).map(|(_, span, _)| span)
}

/// Trace id, span id and flags of a valid `traceparent`. A version to come may
/// say more behind them; what comes behind version 00 makes it invalid.
fn parts(traceparent: &str) -> Option<(&str, &str, &str)> {
    let mut parts = traceparent.splitn(5, '-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags, more) = (parts.next()?, parts.next()?, parts.next());
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let not_zero = |text: &str| text.bytes().any(|b| b != b'0');
    let valid = is_hex(version, 2)
        && version != "ff"
        && (more.is_none() || version != "00")
        && is_hex(trace, 32)
        && not_zero(trace)
        && is_hex(span, 16)
        && not_zero(span)
        && is_hex(flags, 2);
    valid.then_some((trace, span, flags))
}

fn drawn(text: &str, bytes: usize) -> String {
    hex(&Sha256::digest(text.as_bytes())[..bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn a_span_keeps_the_trace_and_has_an_id_of_its_own() {
        let child = span(Some(PARENT), "o-1", "payment/m-1");
        let (trace, id, flags) = parts(&child).unwrap();
        assert_eq!((trace, flags), ("0af7651916cd43dd8448eb211c80319c", "00"));
        assert_ne!(id, "b7ad6b7169203331");
        assert_eq!(child, span(Some(PARENT), "o-1", "payment/m-1"));
        assert_ne!(child, span(Some(PARENT), "o-1", "payment/m-2"));
    }

    #[test]
    fn without_a_valid_parent_a_correlation_has_one_trace() {
        let first = span(None, "o-1", "a");
        let trace = |text: &str| parts(text).map(|(trace, ..)| trace.to_owned());
        assert!(trace(&first).is_some());
        let zeros = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        for invalid in [
            "",
            "ada@example.org",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            zeros.as_str(),
        ] {
            assert_eq!(
                trace(&span(Some(invalid), "o-1", "b")),
                trace(&first),
                "{invalid}"
            );
        }
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert_eq!(span_id(later), Some("b7ad6b7169203331"));
    }
}
