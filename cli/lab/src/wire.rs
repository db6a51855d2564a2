//! What waits in the world for somebody else, an event or a message, is text.

use serde_json::Value;

/// The JSON text of `value`, in one go: what `Value` itself offers goes through
/// a formatter piece by piece and takes about twice as long.
pub(crate) fn text(value: &Value) -> String {
    // Its keys are strings and its numbers are finite: it does not fail.
    serde_json::to_string(value).unwrap_or_default()
}
