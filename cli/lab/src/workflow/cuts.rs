//! Executions that are cut short: stopped from outside, or out of time.

use duet_asl::Status;

use crate::fault::{Aim, Fault};
use crate::lab::{Action, Lab};
use crate::latency::{CUT_LATE, CUT_SHORT};
use crate::random::mix;

impl Lab {
    /// Draws whether an execution is to be stopped, or to run out of time, and
    /// when: mostly soon, for most executions are over soon.
    pub(super) fn plan_cuts(&mut self, run: usize) {
        // Nobody stops an Express execution (API_StopExecution).
        let kinds: &[Fault] = match self.is_express(self.runs[run].machine) {
            true => &[Fault::ExpressTimeout],
            false => &[Fault::Abort, Fault::ExecutionTimeout],
        };
        for &kind in kinds {
            let it = &self.runs[run];
            let ident = it.ident;
            let machine = &self.definitions.machines[it.machine].name;
            let aim = Aim {
                service: "",
                step: machine,
                ident,
                about: &[it.owner],
            };
            let drawn = {
                let faults = &mut self.host.lock().faults;
                let drawn = faults.draw(kind, aim);
                if drawn == Some(false) {
                    faults.count(kind, false);
                }
                drawn
            };
            if drawn == Some(true) {
                let span = match mix(ident, 6) % 4 {
                    0 => CUT_LATE,
                    _ => CUT_SHORT,
                };
                let wait = self.draw(span, mix(ident, kind as u64));
                self.after(wait, Action::CutShort(run, kind));
            }
        }
    }

    /// StopExecution, or the end of the execution's own time.
    pub(crate) fn cut_short(&mut self, run: usize, kind: Fault) {
        let now = self.now;
        let it = &mut self.runs[run];
        let running = it
            .execution
            .as_mut()
            .filter(|execution| execution.status() == Status::Running);
        {
            let faults = &mut self.host.lock().faults;
            if faults.quiet {
                return;
            }
            faults.count(kind, running.is_some());
            if running.is_some() {
                let aim = Aim {
                    service: "",
                    step: &self.definitions.machines[it.machine].name,
                    ident: it.ident,
                    about: &[it.owner],
                };
                faults.blow(kind, aim);
            }
        }
        if let Some(execution) = running {
            match kind {
                Fault::ExecutionTimeout | Fault::ExpressTimeout => execution.expire(now),
                _ => execution.stop(None, None, now),
            }
        }
        self.drive(run);
    }
}
