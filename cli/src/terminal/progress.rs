//! How far something is that takes longer than a second: on standard error, and
//! only where that is a terminal. It is gone when the work is done.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner is not worth a line.
const UNTOLD: Duration = Duration::from_secs(1);

/// What is shown: what is done within another's work is not.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn now_shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `say` while nothing of a progress stands in its way.
pub(super) fn aside(say: impl FnOnce()) {
    let shown = now_shown().clone();
    match shown {
        Some(bar) => bar.suspend(say),
        None => say(),
    }
}

/// What is under way.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Whether it is the one that is shown.
    is_shown: bool,
}

impl Progress {
    /// `total` of `what` are to be done.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        let hidden = ProgressDrawTarget::hidden();
        Self::shown(
            ProgressBar::with_draw_target(Some(total), hidden),
            what,
            COUNTED,
        )
    }

    /// Something is waited for that nobody can count: `what`, such as `waiting`.
    #[must_use]
    pub fn waiting(what: &'static str) -> Self {
        let hidden = ProgressDrawTarget::hidden();
        Self::shown(ProgressBar::with_draw_target(None, hidden), what, WAITED)
    }

    fn shown(bar: ProgressBar, what: &'static str, template: &str) -> Self {
        let bar = bar.with_message(what);
        // Only a template that is wrong fails, and these are tested.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let mut shown = now_shown();
        let is_shown = shown.is_none();
        if is_shown {
            *shown = Some(bar.clone());
            let shown = bar.clone();
            std::thread::spawn(move || {
                std::thread::sleep(UNTOLD);
                if !shown.is_finished() && !super::is_screen() {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                    shown.enable_steady_tick(Duration::from_millis(250));
                }
            });
        }
        Self { bar, is_shown }
    }

    /// One more is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }
}

/// How it looks: `120/1000 worlds [=====>    ] 12 s, 87 s to go`.
const COUNTED: &str = "{pos}/{len} {msg} [{bar:30}] {elapsed}, {eta} to go";

/// How it looks where nobody can count: `waiting, 12 s`.
const WAITED: &str = "{spinner} {msg}, {elapsed}";

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            *now_shown() = None;
        }
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_some() {
        for template in [COUNTED, WAITED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
