//! What somebody finds who looks at a world that came to rest.

use duet_core::id::of_execution;
use duet_lab::Fault;
use duet_order::domain::Fate;

use super::{Play, WITHIN};
use crate::ops::repair;
use crate::ops::view::View;
use crate::shop::scenario::Expected;
use crate::shop::services::Subject;
use crate::simulate::judge::subject_of;
use crate::simulate::ready;
use crate::simulate::script::Script;
use crate::terminal::exit::Outcome;
use crate::world::World;

impl Play {
    /// Where nothing can strike but what every step bears by being tried again,
    /// nobody has to look after anything but what a scenario is about.
    pub(super) fn look_for_work(&self, scripts: &[Script]) -> Outcome<()> {
        if !self.borne {
            return Ok(());
        }
        let (letters, failed) = self
            .lab
            .with(|lab| (lab.dead_letters(), lab.failed_executions()));
        let mut work = Vec::new();
        let due = |id: &str| {
            scripts.iter().any(|script| {
                let repaired = matches!(script.expected, Expected::NeedsAttention(..));
                let orders = script.plan.orders();
                script.plan.dies() == Some(id) || repaired && orders.iter().any(|order| order == id)
            })
        };
        for letter in &letters {
            let tried = self.lab.with(|lab| lab.attributes(letter));
            let tried = tried
                .into_iter()
                .any(|(name, value)| name == "RETRY_ATTEMPTS" && value != "0");
            let poisoned = scripts
                .iter()
                .filter_map(|script| script.plan.dies())
                .any(|marker| letter.body.contains(marker));
            if !tried && !poisoned {
                let subject = subject_of(&letter.body);
                work.push(format!("{subject}: a message is dead in {}", letter.queue));
            }
        }
        for run in failed.iter().filter(|run| !due(&run.name)) {
            work.push(format!("{}: its execution failed", run.name));
        }
        for script in scripts {
            for id in script.plan.orders() {
                let view = ready(View::load(&self.lab, &id))??;
                let parked = view.order.as_ref().is_some_and(|it| it.parkings > 0);
                let blows = self.lab.with(|lab| lab.blows(&id));
                let mut kinds = blows.iter().map(|blow| blow.kind);
                let late = kinds
                    .any(|kind| matches!(kind, Fault::TargetUnavailable | Fault::BlockedGroup));
                if parked && !late && !due(&id) {
                    work.push(format!("{id}: it was parked"));
                }
                self.findings.borrow_mut().named(&id, &view);
            }
        }
        let mut findings = self.findings.borrow_mut();
        for what in work {
            findings.broken(6, format!("{what}, though all that struck can be borne"));
        }
        Ok(())
    }

    pub(super) fn redrive(&self, scripts: &[Script]) -> bool {
        // What is to lie dead by its scenario stays where it is.
        let dead = scripts.iter().filter_map(|script| script.plan.dies());
        self.lab.redrive_all(&dead.collect::<Vec<_>>())
    }

    /// An order whose execution failed is decided or parked before anybody clears
    /// up, unless a fault kept the end from being told, or what tells of it is dead.
    pub(super) fn look_for_unparked(&self) -> Outcome<()> {
        let (failed, letters) = self
            .lab
            .with(|lab| (lab.failed_executions(), lab.dead_letters()));
        for run in failed.iter().filter(|run| run.machine.contains("order")) {
            let id = of_execution(&run.name);
            let undecided = self
                .order(id)?
                .is_some_and(|there| there.fate == Fate::Undecided && there.owed.is_empty());
            let blows = self.lab.with(|lab| lab.blows(id));
            let untold = blows.iter().any(|blow| blow.kind == Fault::EndNever);
            let dead = letters.iter().any(|letter| letter.body.contains(id));
            // What is placed only after its execution ended is found by its age.
            let history = self.lab.history(self.variant, Subject::Order, id);
            let placed = ready(history)??.iter().any(|event| {
                event.kind.ends_with("StateExited") && event.state.as_deref() == Some("PlaceOrder")
            });
            if undecided && placed && !untold && !dead {
                let what = format!("{id}: its execution is over, and nobody parked it");
                self.findings.borrow_mut().broken(6, what);
            }
        }
        Ok(())
    }

    /// Repairs what is parked, as `duet repair` does.
    pub(super) fn repair(&self, scripts: &[Script]) -> Outcome<bool> {
        let mut worked = false;
        for order in scripts
            .iter()
            .flat_map(|script| script.plan.waves.iter().flatten())
        {
            let there = self.order(order.order.as_str())?;
            if there.is_some_and(|there| !there.owed.is_empty()) {
                worked = true;
                self.parked.borrow_mut().insert(order.order.to_string());
                self.look_at_parked(order.order.as_str())?;
                // What cannot be repaired now is found when the world is judged.
                let _ = ready(repair::repair(&self.lab, &order.order, WITHIN))?;
            }
        }
        Ok(worked)
    }

    /// The money of an order that is parked: what is owed is what is held.
    fn look_at_parked(&self, id: &str) -> Outcome<()> {
        let view = ready(View::load(&self.lab, id))??;
        if let Some(order) = &view.order {
            self.findings.borrow_mut().money(id, order, &view);
        }
        Ok(())
    }
}
