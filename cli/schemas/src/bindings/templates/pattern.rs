//! Patterns.

use std::sync::OnceLock;

use regex::Regex;

use crate::support::Invalid;

/// Whether `text` fits `pattern`, which is compiled once into `cell`.
pub(crate) fn fits(text: &str, pattern: &str, cell: &OnceLock<Regex>) -> Result<(), Invalid> {
    if cell.get().is_none() {
        let compiled = Regex::new(pattern).map_err(|why| Invalid(why.to_string()))?;
        let _ = cell.set(compiled);
    }
    match cell.get() {
        Some(compiled) if compiled.is_match(text) => Ok(()),
        _ => Err(Invalid(format!("{text:?} does not fit {pattern}"))),
    }
}
