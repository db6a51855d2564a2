//! What an update takes away, and who still needs it.
//!
//! What goes is read from the templates, with the parameters of before and of
//! after: variants, fraud detection, queues and state machines. Nothing here
//! knows their names, or which parameters there are.

use std::collections::BTreeSet;
use std::fmt;

use duet_customer::domain::{Customer, Status as CustomerStatus};
use duet_fraud::review::{Review, Status as ReviewStatus};
use duet_lab::Definitions;
use duet_order::domain::{Compensation, Fate, Order};
use serde::Serialize;

use crate::ops::{orders, redrive};
use crate::shop::parameters::Fraud;
use crate::shop::services::TableOf;
use crate::shop::variant::Description;
use crate::terminal::consent::Consent;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;
use crate::world::port::operate::Operate;

/// How many are named of what stands in the way.
const NAMED: usize = 5;

/// What messages in queues are called.
const IN_QUEUES: &str = "messages in queues that go";

/// How often a queue in which something lies is looked at, and how many
/// milliseconds apart.
const LOOKS: (u32, u64) = (30, 1_000);

/// What an update takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Going {
    /// Whether fraud detection goes.
    fraud: bool,
    /// The variants that go.
    variants: Vec<&'static str>,
    /// The names of the queues that go.
    queues: BTreeSet<String>,
    /// The names of the state machines that go.
    machines: BTreeSet<String>,
}

/// A kind of thing that still needs what goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// What.
    pub what: String,
    /// How many.
    pub count: u64,
    /// The first of them, or where they are.
    pub first: Vec<String>,
    /// Whether there are more.
    pub more: bool,
}

/// How far fraud detection is turned on by `definitions`.
pub(super) fn fraud(definitions: &Definitions) -> Fraud {
    Fraud::of(|name| definitions.outputs.get(name).cloned()).unwrap_or_default()
}

impl Going {
    /// What is there `before` an update and not `after` it.
    #[must_use]
    pub fn between(before: &Definitions, after: &Definitions) -> Self {
        let variants = |of: &Definitions| -> Vec<&'static str> {
            // Those that cannot be read are refused where they are opened.
            let all = Description::all(&of.outputs).unwrap_or_default();
            all.iter().map(|one| one.variant.name).collect()
        };
        let (mut gone, left) = (variants(before), variants(after));
        gone.retain(|name| !left.contains(name));
        let queues = |of: &Definitions| -> BTreeSet<String> {
            of.queues.iter().map(|queue| queue.name.clone()).collect()
        };
        let machines = |of: &Definitions| -> BTreeSet<String> {
            of.machines.iter().map(|it| it.name.clone()).collect()
        };
        Self {
            fraud: fraud(before) != Fraud::Off && fraud(after) == Fraud::Off,
            variants: gone,
            queues: &queues(before) - &queues(after),
            machines: &machines(before) - &machines(after),
        }
    }

    /// Whether nothing goes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn has_queues(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Who in `world` still needs it. A shop that runs has messages on their way
    /// at any moment, also to a service that does nothing with them: a queue in
    /// which something lies is looked at again, until nothing does.
    ///
    /// # Errors
    /// [`Problem`] when the target does not answer.
    pub async fn needs<W: Operate>(&self, world: &W) -> Outcome<Vec<Need>> {
        let (mut looks, pause) = LOOKS;
        loop {
            let needs = self.at_once(world).await?;
            let passing = needs.iter().all(|need| need.what == IN_QUEUES);
            if needs.is_empty() || !passing || looks == 0 {
                return Ok(needs);
            }
            looks -= 1;
            world.pause(pause).await;
        }
    }

    /// Who needs it at this moment. Timers that lie in a queue for later do not
    /// count: what they are about does, while it is not over.
    ///
    /// # Errors
    /// [`Problem`] when the target does not answer.
    async fn at_once<W: Operate>(&self, world: &W) -> Outcome<Vec<Need>> {
        let mut needs = Needs::default();
        for running in world.running_executions().await? {
            if self.machines.contains(&running.machine) {
                needs.add(
                    &format!("executions running on {}", running.machine),
                    &running.name,
                );
            }
        }
        let goes = |variant: &str| self.variants.contains(&variant);
        for order in orders::documents::<W, Order>(world, TableOf::Order, "order").await? {
            let id = order.placed.order.as_str();
            let open = order.fate == Fate::Undecided;
            // From before there were marks: it may wait for one.
            let marked = order.placed.clearance != Some(false);
            if goes(&order.variant) && open {
                needs.add(&format!("undecided orders under {}", order.variant), id);
            } else if self.fraud && marked && open {
                needs.add("undecided orders that wait for fraud's word", id);
            }
            let whole = order.owed.is_empty()
                && matches!(order.compensation, Compensation::None | Compensation::Done);
            if goes(&order.variant) && !whole {
                let what = format!("orders under {} of which something is owed", order.variant);
                needs.add(&what, id);
            }
        }
        for customer in
            orders::documents::<W, Customer>(world, TableOf::Customer, "customer").await?
        {
            let pending = customer.status == CustomerStatus::Pending;
            if pending && (self.fraud || goes(&customer.variant)) {
                needs.add(
                    "customers who are Pending",
                    customer.registered.customer.as_str(),
                );
            }
        }
        for review in orders::documents::<W, Review>(world, TableOf::Fraud, "review").await? {
            let open = review.status == ReviewStatus::Open;
            if open && (self.fraud || goes(&review.variant)) {
                needs.add("open reviews", review.order.as_str());
            }
        }
        for queue in &self.queues {
            let messages = world.messages(queue).await?.unwrap_or(0);
            needs.add_all(IN_QUEUES, messages, queue);
        }
        Ok(needs.0)
    }

    /// Why it stays, given who needs it.
    #[must_use]
    pub fn refusal(&self, needs: &[Need]) -> Problem {
        let rows: Vec<String> = needs.iter().map(ToString::to_string).collect();
        Problem::failed(format!(
            "{self} cannot be taken out, for it is still needed:\n  {}",
            rows.join("\n  ")
        ))
        .hint("most of it ends by itself; `duet review`, `duet dlq`, `duet redrive` and `duet repair` do the rest; then the same command goes on where it was")
    }

    /// The failed executions on the machines that go and could be redriven until
    /// then, and whether the target says which could.
    ///
    /// # Errors
    /// [`Problem`] when the target does not answer.
    pub async fn lost<W: Operate>(&self, world: &W) -> Outcome<(Vec<Need>, bool)> {
        let (mut lost, mut told) = (Needs::default(), true);
        for failed in world.failed_executions().await? {
            if !self.machines.contains(&failed.machine) {
                continue;
            }
            let failed = world.explained(failed).await?;
            let last =
                failed.redrivable != Some(false) && redrive::is_eligible(world, &failed).await?;
            if last {
                told &= failed.redrivable.is_some();
                let what = format!("failed executions on {}", failed.machine);
                lost.add(&what, &failed.name);
            }
        }
        Ok((lost.0, told))
    }

    /// Names the failed executions that nobody can redrive afterwards, and asks
    /// whether they may be lost.
    ///
    /// # Errors
    /// [`Problem`] when nobody agrees, or the target does not answer.
    pub async fn agree<W: Operate>(&self, world: &W, yes: bool) -> Outcome<()> {
        let (lost, told) = self.lost(world).await?;
        if lost.is_empty() {
            return Ok(());
        }
        for row in &lost {
            tell(&format!("{row}: cannot be redriven when {self} is gone"));
        }
        if !told {
            tell(
                "this target does not say which executions it would redrive: all that failed are named",
            );
        }
        let nothing = "nothing was changed";
        let remedy =
            "`duet redrive` takes them up again; or add --yes to go on without being asked";
        let consent = Consent::of(yes, nothing, remedy)?;
        consent.obtain("lose them", "type \"lose them\" to go on:", nothing)
    }
}

impl fmt::Display for Going {
    /// What goes, as people call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraud = self.fraud.then_some("fraud detection");
        let all: Vec<&str> = fraud.into_iter().chain(self.variants.clone()).collect();
        match all.as_slice() {
            [] => f.write_str("what the update deletes"),
            some => f.write_str(&some.join(" and ")),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.count, self.what, self.first.join(", "))?;
        match self.more {
            true => f.write_str(", …"),
            false => Ok(()),
        }
    }
}

/// Rows, by what they are about.
#[derive(Default)]
struct Needs(Vec<Need>);

impl Needs {
    fn add(&mut self, what: &str, id: &str) {
        self.add_all(what, 1, id);
    }

    fn add_all(&mut self, what: &str, count: u64, id: &str) {
        if count == 0 {
            return;
        }
        let known = self.0.iter().position(|need| need.what == what);
        let at = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(Need {
                what: what.to_owned(),
                count: 0,
                first: Vec::new(),
                more: false,
            });
        }
        let need = &mut self.0[at];
        need.count += count;
        need.more = need.first.len() == NAMED;
        if !need.more {
            need.first.push(id.to_owned());
        }
    }
}
