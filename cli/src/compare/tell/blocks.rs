//! The blocks: rows of a question, a cell for each variant, and how to read them.

use std::collections::BTreeSet;

use super::words::{counted, dollars, grouped, lasting, listed, ranged};
use crate::compare::change::{Change, Scratch};
use crate::compare::failure::Row;
use crate::compare::guarantees::SHOWN;
use crate::compare::time::Spread;
use crate::compare::{Comparison, money};

/// A block: a question's rows.
pub(super) struct Block {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) reading: String,
}

impl Comparison {
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.variants.iter().map(|column| &column.name)
    }

    /// A row: its title, and a cell for each variant.
    fn row(&self, title: &str, cell: impl Fn(&str) -> String) -> Vec<String> {
        let cells = self.names().map(|name| cell(name));
        std::iter::once(title.to_owned()).chain(cells).collect()
    }

    fn time_block(&self) -> Block {
        let mut rows = Vec::new();
        let time = |name: &str| &self.time[name];
        for (at, (quantile, _)) in Spread::default().each().into_iter().enumerate() {
            rows.push(self.row(&format!("decided, {quantile}"), |name| {
                let spread = &time(name).decided_ms;
                ranged(spread, quantile, spread.each()[at].1)
            }));
        }
        rows.push(self.row("cold, p50", |name| {
            let spread = &time(name).cold_decided_ms;
            ranged(spread, "p50", spread.p50)
        }));
        rows.push(self.row("rejected and whole, p50", |name| {
            let spread = &time(name).whole_ms;
            ranged(spread, "p50", spread.p50)
        }));
        let parts = self.time.values().flat_map(|time| time.share.keys());
        let parts: BTreeSet<&String> = parts.collect();
        let mut parts: Vec<(&String, f64)> = parts
            .into_iter()
            .map(|part| {
                let most = self.time.values().map(|it| it.share.get(part).copied());
                (part, most.flatten().fold(0.0, f64::max))
            })
            .filter(|(_, most)| *most >= 0.005)
            .collect();
        parts.sort_by(|one, other| other.1.total_cmp(&one.1));
        for (part, _) in parts {
            let title = format!("  of it: {}", part.replace('_', " "));
            rows.push(self.row(&title, |name| {
                let share = time(name).share.get(part).copied().unwrap_or(0.0);
                format!("{:.0} %", share * 100.0)
            }));
        }
        Block {
            title: "TIME",
            about: "milliseconds from placing an order; in brackets the range over the draws of what is assumed",
            rows,
            reading: self.time_reading(),
        }
    }

    pub(super) fn time_reading(&self) -> String {
        if !self.settings.profile_is_of_aws {
            return format!(
                "The profile {} is for tests: these times say nothing about AWS.",
                self.settings.profile
            );
        }
        let mut all: Vec<&String> = self.names().collect();
        all.sort_by_key(|name| self.time[*name].decided_ms.p50);
        let mut said = Vec::new();
        for pair in all.windows(2) {
            let [faster, slower] = [pair[0], pair[1]];
            let together = self
                .indistinguishable
                .iter()
                .any(|both| both.contains(faster) && both.contains(slower));
            let ratio = self.time[slower].decided_ms.p50 as f64
                / self.time[faster].decided_ms.p50.max(1) as f64;
            said.push(match together {
                true => format!(
                    "{faster} and {slower} cannot be told apart: for all that is known, either may be the faster."
                ),
                false => format!("{slower} takes {ratio:.1} times as long as {faster}."),
            });
        }
        if said.is_empty() {
            said.push("With one variant there is nothing to compare.".to_owned());
        }
        said.join("\n")
    }

    fn money_block(&self) -> Block {
        let mut rows = Vec::new();
        for group in [
            "coordination",
            "functions",
            "storage",
            "logs",
            "notices",
            "total",
        ] {
            let title = match group {
                "total" => "a million orders, at least".to_owned(),
                group => format!("  {group}"),
            };
            rows.push(self.row(&title, |name| {
                dollars(self.money[name].per_million_usd[group])
            }));
        }
        rows.push(self.row("  of it: waiting for a third party", |name| {
            dollars(self.money[name].third_party_usd)
        }));
        rows.push(self.row("a month with no order, at least", |name| {
            dollars(self.money[name].standing_month_usd)
        }));
        for (title, unit) in [
            ("units an order: transitions", "transitions"),
            ("  events", "events"),
            ("  messages to topics", "published"),
            ("  messages to a FIFO topic", "fifo_published"),
            ("  queue requests", "queue_requests"),
            ("  requests to FIFO queues", "fifo_requests"),
            ("  invocations", "invocations"),
            ("  write units", "write_units"),
            ("  bytes of log lines", "log_bytes"),
            ("  retries", "retries"),
        ] {
            rows.push(self.row(title, |name| {
                let units = self.money[name].units.get(unit).copied().unwrap_or(0.0);
                format!("{units:.1}")
            }));
        }
        Block {
            title: "MONEY",
            about: "US dollars, us-east-1, from metered units and dated list prices",
            rows,
            reading: self.money_reading(),
        }
    }

    fn money_reading(&self) -> String {
        let mut said: Vec<String> = self.break_even.iter().map(even).collect();
        let stale = self.prices.iter().filter(|price| price.stale).count();
        let second = self.prices.iter().filter(|it| it.price.second_hand).count();
        let second = match second {
            1 => "one is".to_owned(),
            many => format!("{many} are"),
        };
        said.push(format!(
            "{stale} of {} prices are older than 180 days, and {second} second-hand.",
            self.prices.len()
        ));
        let missing = self.money.values().next();
        let missing = missing.map_or(&[][..], |money| &money.not_established);
        said.push(format!(
            "Not established, so not in it: {}.",
            listed(missing)
        ));
        if let Some(budget) = &self.budget {
            said.push(match budget.exceeded_by.as_slice() {
                [] => format!("All stay within {} a million orders.", dollars(budget.usd)),
                some => format!(
                    "Over the budget of {} a million orders: {}.",
                    dollars(budget.usd),
                    listed(some)
                ),
            });
        }
        said.join("\n")
    }

    fn failure_block(&self) -> Option<Block> {
        let mut faults: Vec<&String> = self.failure.iter().map(|row| &row.fault).collect();
        faults.dedup();
        let first = faults.first()?;
        let orders = self.failure.iter().find(|row| row.fault == **first);
        let orders = orders.map_or(0, |row| row.orders);
        let rows = faults.iter().map(|fault| {
            self.row(fault, |name| {
                let row = self.failure.iter();
                let mut row = row.filter(|row| row.fault == **fault && row.variant == name);
                row.next().map_or_else(String::new, cell)
            })
        });
        let rows = rows.collect();
        let worst = self.names().map(|name| {
            let rows = self.failure.iter().filter(|row| &row.variant == name);
            let worst = rows.max_by_key(|row| row.lost);
            match worst {
                Some(row) if row.lost > 0 => {
                    format!(
                        "{name} loses most to {} ({} of {orders})",
                        row.fault, row.lost
                    )
                }
                _ => format!("{name} loses none"),
            }
        });
        let worst: Vec<String> = worst.collect();
        Some(Block {
            title: "FAILURE",
            about: "good orders lost; +: how long after the last order, or the outage's end, the last one ended by itself; what an operator finds: D dead letters, P parked orders, F failed executions; and C commands that make all whole",
            rows,
            reading: format!("Of {orders} good orders in each row {}.", worst.join(", ")),
        })
    }

    fn coupling_block(&self) -> Block {
        let graph = |name: &str| &self.coupling[name].services;
        let mut rows = vec![
            self.row("nodes: services, workflows", |name| {
                graph(name).nodes.to_string()
            }),
            self.row("dependencies", |name| graph(name).edges.to_string()),
            self.row("  share of all possible", |name| {
                format!("{:.2}", graph(name).density)
            }),
            self.row("largest circle", |name| {
                graph(name).largest_cycle.to_string()
            }),
            self.row("pairs that know each other", |name| {
                graph(name).mutual_pairs.to_string()
            }),
            self.row("reached by a change, share", |name| {
                format!("{:.2}", graph(name).propagation_cost)
            }),
        ];
        let contracts = |name: &str| &self.coupling[name].contracts;
        rows.push(self.row("with facts or commands as nodes", |name| {
            format!("{} dependencies", contracts(name).edges)
        }));
        rows.push(self.row(
            "  largest circle",
            |name| match contracts(name).largest_cycle {
                1 => "none".to_owned(),
                many => many.to_string(),
            },
        ));
        let mut all: Vec<&String> = self.names().collect();
        all.sort_by_key(|name| graph(name).edges);
        let reading = match all.as_slice() {
            [least, .., most] => format!(
                "Between services {most} has more dependencies than {least} ({} against {}); with contracts as nodes nobody depends on a service.",
                graph(most).edges,
                graph(least).edges
            ),
            _ => "With one variant there is nothing to compare.".to_owned(),
        };
        Block {
            title: "COUPLING",
            about: "who knows whom, from the deployed rules and definitions",
            rows,
            reading,
        }
    }

    fn guarantees_block(&self) -> Block {
        let mut questions: Vec<&String> = Vec::new();
        for row in &self.guarantees {
            if !questions.contains(&&row.question) {
                questions.push(&row.question);
            }
        }
        let rows = questions.iter().map(|question| {
            self.row(question, |name| {
                let its = self.guarantees.iter();
                let its = its.filter(|it| it.question == **question && it.variant == name);
                let answers: Vec<&str> = its.map(|it| it.answer.as_str()).collect();
                answers.join("; ")
            })
        });
        let shown = self.guarantees.iter().filter(|it| it.source == SHOWN);
        Block {
            title: "GUARANTEES",
            about: "what AWS's documents promise; --output json names the document of each",
            rows: rows.collect(),
            reading: format!(
                "{} of {} answers are shown by a run of the lab, the others are AWS's word.",
                shown.count(),
                self.guarantees.len()
            ),
        }
    }

    /// A sentence a kind of change: how much each variant has edited.
    fn change_reading(&self) -> String {
        let mut said: Vec<(&str, Vec<String>)> = Vec::new();
        for it in &self.change {
            let edits = format!(
                "{} edits {} and {}",
                it.variant,
                counted(it.edited.len(), "service"),
                counted(it.definitions.len(), "definition")
            );
            match said.iter_mut().find(|(kind, _)| *kind == it.kind) {
                Some((_, edited)) => edited.push(edits),
                None => said.push((&it.kind, vec![edits])),
            }
        }
        let lines = said
            .iter()
            .map(|(kind, edits)| format!("For {kind}, {}.", edits.join("; ")));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn change_block(&self) -> Block {
        let scratch = |name: &str| self.scratch.iter().find(|it| it.variant == name);
        let of = |name: &str, tell: fn(&Scratch) -> usize| {
            scratch(name).map_or_else(String::new, |it| grouped(tell(it) as i64))
        };
        let mut rows = vec![
            self.row("from scratch: its own resources", |name| {
                of(name, |it| it.total)
            }),
            self.row("  state machines", |name| of(name, |it| it.definitions)),
            self.row("  rules, subscriptions", |name| of(name, |it| it.rules)),
            self.row("  lines of templates, definitions", |name| {
                of(name, |it| it.lines)
            }),
            self.row("  lines of policies", |name| of(name, |it| it.policy_lines)),
        ];
        let mut kinds: Vec<&String> = self.change.iter().map(|it| &it.kind).collect();
        kinds.sort_by_key(|kind| self.change.iter().position(|it| &&it.kind == kind));
        kinds.dedup();
        for kind in kinds {
            let change = |name: &str| {
                let mut its = self.change.iter();
                its.find(|it| &it.kind == kind && it.variant == name)
            };
            let row = |title: &str, tell: &dyn Fn(&Change) -> String| {
                self.row(title, |name| change(name).map_or_else(String::new, tell))
            };
            let about = self.change.iter().find(|it| &it.kind == kind);
            let about = about.map_or("", |it| it.about.as_str());
            rows.push(self.row(&format!("{kind}: {about}"), |_| String::new()));
            rows.push(row("  services edited", &|it| listed(&it.edited)));
            rows.push(row("  services deployed anew", &|it| {
                listed(&it.redeployed)
            }));
            rows.push(row("  definitions edited", &|it| listed(&it.definitions)));
            rows.push(row("  rules, subscriptions that come or go", &|it| {
                it.rules.to_string()
            }));
            if self
                .change
                .iter()
                .any(|it| &it.kind == kind && it.resources.is_some())
            {
                rows.push(row("  own resources: new, changed, gone", &|it| {
                    it.resources.map_or_else(String::new, |it| {
                        format!("{}, {}, {}", it.added, it.changed, it.removed)
                    })
                }));
            }
            rows.push(row("  dependencies, before and after", &|it| {
                format!("{} -> {}", it.edges[0], it.edges[1])
            }));
        }
        Block {
            title: "CHANGE",
            about: "computed from what is deployed; what all variants share is not counted",
            rows,
            reading: self.change_reading(),
        }
    }

    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = vec![self.time_block(), self.money_block()];
        blocks.extend(self.failure_block());
        blocks.extend([
            self.guarantees_block(),
            self.coupling_block(),
            self.change_block(),
        ]);
        blocks
    }
}

/// Where two variants cost the same.
fn even(row: &money::BreakEven) -> String {
    let [one, other] = &row.variants;
    let cheaper = &row.cheaper_per_order;
    let dearer = if cheaper == one { other } else { one };
    match row.orders_a_month {
        _ if row.alike => format!(
            "{one} and {other} cost the same: less than one in a hundred lies between them."
        ),
        Some(orders) => format!(
            "From {} orders a month on {cheaper} costs less than {dearer}; below it costs more.",
            grouped(orders as i64)
        ),
        None => format!("{cheaper} costs less than {dearer}, however many orders there are."),
    }
}

/// What became of the orders of a row.
fn cell(row: &Row) -> String {
    let mut text = match row.lost {
        0 => "none lost".to_owned(),
        lost => {
            let share = 100.0 * f64::from(lost) / f64::from(row.orders.max(1));
            let decimals = usize::from(share < 1.0);
            format!("{share:.decimals$} % lost")
        }
    };
    if let Some(ms) = row.recovery_ms {
        text.push_str(&format!(" +{}", lasting(ms)));
    }
    for (letter, many) in [
        ("D", row.dead_letters),
        ("P", row.parked),
        ("F", row.failed_executions),
        ("C", row.operator_steps),
    ] {
        if many > 0 {
            text.push_str(&format!(" {letter}{many}"));
        }
    }
    text
}
