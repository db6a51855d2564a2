//! Schedules: functions that run by the clock, whoever asks for nothing.
//!
//! A rule with a schedule runs every so often since it was made, by the world's
//! clock (EventBridge user guide, "Creating a rule that runs on a schedule").
//! On AWS it also runs when there is nothing to do. Here a run that would find
//! nothing, and so change nothing, is left out, and a world in which nothing is
//! open comes to rest. A function that sweeps its own table runs only while the
//! sparse index that it reads lists something. One that goes over many tables
//! leaves nothing open: it runs only on the way to what else is due, or to the
//! time that the world is to reach. So a schedule has no place on the agenda:
//! when it is next due follows from that.
//!
//! A run that fails is not tried again: the next one does what it left.

use duet_asl::Millis;

use crate::host::Frame;
use crate::lab::Lab;
use crate::random::{digest, mix};
use crate::services::swept;

impl Lab {
    /// The schedule that is due next, and when, if one is due by `until` and has
    /// something to do.
    pub(crate) fn next_run(&self, until: Option<Millis>) -> Option<(Millis, usize)> {
        let schedules = self.definitions.schedules.iter().enumerate();
        let due = schedules.filter_map(|(at, it)| {
            let since = self.now - self.began;
            let next = self.began + (since / it.every + 1).saturating_mul(it.every);
            // Asked before every step: what is far off costs no look.
            if until.is_some_and(|until| until < next) {
                return None;
            }
            let function = self.definitions.function(&it.function)?;
            let function = &self.definitions.functions[function];
            let open = match (
                function.environment.get("DUET_TABLE"),
                swept(&function.service),
            ) {
                (Some(table), Some(index)) => self.tables.get(table)?.lists_anything(index),
                _ => until.is_some(),
            };
            open.then_some((next, at))
        });
        due.min()
    }

    /// A schedule runs its function.
    pub(crate) fn run_schedule(&mut self, schedule: usize) {
        let definitions = self.definitions.clone();
        let it = &definitions.schedules[schedule];
        let Some(function) = definitions.function(&it.function) else {
            return;
        };
        let name = &definitions.functions[function].name;
        // What it uses is nobody's order's.
        let owner = self.host.lock().meters.owner(name, "");
        self.note(|_| name.clone(), || format!("{} is due", it.name));
        let ident = mix(digest(&it.arn), self.now as u64);
        let service = self.services[function].clone();
        let frame = Frame::alone(ident, owner, service, "schedule".into());
        self.invoke_by_clock(function, frame);
    }
}
