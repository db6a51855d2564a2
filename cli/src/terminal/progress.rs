//! How far something is that takes longer than a second: on standard error, and
//! only where that is a terminal. It is gone when the work is done.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner is not worth a line.
const UNTOLD: Duration = Duration::from_secs(1);

/// What is under way.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// `total` of `what` are to be done.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        let hidden = ProgressDrawTarget::hidden();
        let bar = ProgressBar::with_draw_target(Some(total), hidden).with_message(what);
        // Only a template that is wrong fails, and this one is tested.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let shown = bar.clone();
        std::thread::spawn(move || {
            std::thread::sleep(UNTOLD);
            if !shown.is_finished() {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(250));
            }
        });
        Self(bar)
    }

    /// One more is done.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

/// How it looks: `120/1000 worlds [=====>    ] 12 s, 87 s to go`.
const TEMPLATE: &str = "{pos}/{len} {msg} [{bar:30}] {elapsed}, {eta} to go";

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
