//! Testing patterns from Rust: what should match and does not says why.
//!
//! ```
//! use duet_pattern::testing::pattern;
//! use serde_json::json;
//!
//! pattern(r#"{"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}"#)
//!     .matches(json!({"source": "shop", "detail": {"total": 250}}))
//!     .refuses(json!({"source": "shop", "detail": {"total": 20}}));
//! ```

use serde_json::Value;

use crate::{Pattern, explain};

/// A pattern under test.
#[derive(Debug, Clone)]
pub struct Tested(Pattern);

/// Reads a pattern.
///
/// # Panics
/// When EventBridge would refuse it: with its reason and the place.
#[track_caller]
#[must_use]
pub fn pattern(text: &str) -> Tested {
    match Pattern::parse(text) {
        Ok(pattern) => Tested(pattern),
        Err(why) => panic!("{why}"),
    }
}

impl Tested {
    /// The event matches.
    ///
    /// # Panics
    /// When it does not: with the fields that do not hold.
    #[track_caller]
    pub fn matches(&self, event: Value) -> &Self {
        let explained = explain(&self.0, &event);
        assert!(explained.matches, "{event} does not match: {explained}");
        self
    }

    /// The event does not match.
    ///
    /// # Panics
    /// When it does.
    #[track_caller]
    pub fn refuses(&self, event: Value) -> &Self {
        assert!(!self.0.matches(&event), "{event} matches");
        self
    }
}
