//! Panics, without their words: a panic's text may quote what the code was
//! looking at. Where it happened is enough to find the bug.

use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo};

use duet_core::Failure;
use futures_util::FutureExt;
use serde_json::json;

/// Has `tell` told of every panic of this process, in place of its text on
/// standard error: one line of JSON with the place in the code.
pub fn hush(service: &'static str, tell: impl Fn(String) + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map_or_else(
            || "an unknown place".to_owned(),
            |at| format!("{}:{}:{}", at.file(), at.line(), at.column()),
        );
        let line = json!({ "level": "ERROR", "service": service, "outcome": "panic", "why": format!("panicked at {place}") });
        tell(line.to_string());
    }));
}

/// What `work` gives; a panic is a bug, and asking again would meet it again.
///
/// An `async fn` would hold `work` twice, as its argument and as what it awaits,
/// and `work` is all that a service does: kilobytes, moved with each message.
pub(crate) fn caught<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> impl Future<Output = Result<T, Failure>> {
    // What the panic left behind is dropped with the work; state is in the store.
    let caught = AssertUnwindSafe(work).catch_unwind();
    caught.map(|outcome| outcome.unwrap_or_else(|_| Err(Failure::invalid("the service panicked"))))
}
