//! Ctrl-C: a command that is interrupted says what became of its work.

use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of what was interrupted: 128 and the signal's number, as shells have it.
pub const INTERRUPTED: i32 = 130;

/// Whether the command ends by itself, having cleaned up.
static CLEANS_UP: AtomicBool = AtomicBool::new(false);

/// From here on the command ends by itself when it is interrupted.
pub fn cleans_up() {
    CLEANS_UP.store(true, Ordering::Relaxed);
}

/// Ends the process when somebody interrupts it, and says `what` became of its work;
/// unless the command [cleans up](cleans_up) itself.
pub fn watch(what: &'static str) {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() && !CLEANS_UP.load(Ordering::Relaxed) {
            super::tell(&format!("interrupted: {what}"));
            std::process::exit(INTERRUPTED);
        }
    });
}
