//! Granted is used: each role may do what its functions, its state machines and
//! AWS in its name do, and nothing else.
//!
//! What a function does is read from its code: from `main` on, along its entry,
//! to the ports behind which AWS is asked ([`calls`], [`body`]). What that takes is in one
//! table ([`table`]). What is granted is read from the templates, as deployed
//! with every setting that adds or takes away something ([`stack`]).
//!
//! Not asked for: the read with which a function opens its connection before its
//! first message (`Edge::open`). Its answer is dropped, so a refusal will do.

mod body;
mod calls;
mod planted;
mod stack;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::shop::services::{SERVICES, SWEEPS};
use duet_lab::{Definitions, bundled};

use self::calls::{Code, Reached};
use self::stack::{Function, Grant, Grants, Stack, in_the_name_of, to_the_scheduler};
use self::table::{
    LOGS, MACHINE_LOGS, MACHINE_TRACES, MAPPING, On, ROWS, Row, SCHEDULE, TASKS, TRACES,
};
use crate::harness::text;
use crate::tidy::nowhere;

/// By the value of `DUET_ENTRY`, the function that handles an invocation, and the
/// commands it takes: all, where there are none.
const ENTRIES: [(&str, &str, &[&str]); 5] = [
    ("task", "lambda::task", &[]),
    ("queue", "lambda::messages", &[]),
    ("verdict", "lambda::verdict", &["DecideReview"]),
    ("sweep", "Edge::sweep", &[]),
    ("records", "Edge::records", &[]),
];

/// Where a service's sweep begins, if it has one.
const SWEEP: &str = "sweep::main";

/// What a service asks for that makes use of it, and the type that does.
const ASKED_FOR: [(&str, &str); 2] = [
    ("schedules::eventbridge", "EventBridge"),
    ("engine::doors", "Doors"),
];

/// What every entry does and needs no grant for, see above.
const NEEDS_NONE: &str = "Edge::open";

/// The variable that names a service's own table.
const OWN_TABLE: &str = "DUET_TABLE";

/// The variable that names the tables of all services, for what goes over them.
const ALL_TABLES: &str = "DUET_TABLES";

/// A service's code, and what was read of it already.
struct Service {
    code: Code,
    /// The tables of others that it is built over: variable, and the type that
    /// holds the table.
    held: Vec<(String, String)>,
    timed: BTreeSet<String>,
}

impl Service {
    fn new(name: &str) -> Self {
        Self::with(name, Code::of(name, |_, text| text))
    }

    fn with(name: &str, code: Code) -> Self {
        let timed = code.commands_that_reach("Decision::timer");
        // `Holder::new(edge.table("VARIABLE")..`: what holds another table is told
        // apart from the service itself.
        let main = text(&format!("functions/{name}/src/main.rs"));
        let mut held = Vec::new();
        for (at, _) in main.match_indices("edge.table(\"") {
            let (before, after) = main.split_at(at);
            let variable = after.split('"').nth(1).unwrap().to_owned();
            if variable == OWN_TABLE {
                continue;
            }
            let holder = before
                .strip_suffix("::new(")
                .and_then(|before| before.rsplit(|c: char| !c.is_alphanumeric()).next());
            let holder = holder.unwrap_or_else(|| panic!("{name}: who holds {variable}?"));
            held.push((variable, holder.to_owned()));
        }
        Self { code, held, timed }
    }

    /// What is reached by an invocation of `entry`, but for what is done to the
    /// tables of others.
    fn entry(&self, entry: &str) -> Reached {
        let own = ENTRIES.iter().find(|(name, ..)| *name == entry);
        let (.., only) = own.unwrap_or_else(|| panic!("no entry {entry}"));
        let others = ENTRIES.iter().filter(|(name, ..)| *name != entry);
        let mut cut: Vec<_> = others
            .map(|(_, handler, _)| (*handler).to_owned())
            .collect();
        cut.push(NEEDS_NONE.to_owned());
        cut.extend(
            self.held
                .iter()
                .flat_map(|(_, holder)| self.code.methods(holder)),
        );
        let reach = |cut: &[String]| {
            let cut: Vec<_> = cut.iter().map(String::as_str).collect();
            // A service's sweep is a binary of its own.
            let sweeps = entry == "sweep" && self.code.has(SWEEP);
            let main = if sweeps { SWEEP } else { "main::main" };
            self.code.reach(&[main], &cut, only)
        };
        let reached = reach(&cut);
        // What nobody makes does nothing.
        for (making, made) in ASKED_FOR {
            if !reached.names.contains(making) {
                cut.extend(self.code.methods(made));
            }
        }
        reach(&cut)
    }

    /// What is reached by whoever holds the table of another.
    fn holder(&self, holder: &str) -> Reached {
        let methods = self.code.methods(holder);
        let methods: Vec<_> = methods.iter().map(String::as_str).collect();
        self.code.reach(&methods, &[], &[])
    }
}

/// The services' code.
fn services() -> BTreeMap<&'static str, Service> {
    let all = SERVICES
        .into_iter()
        .chain(SWEEPS.map(|(package, _)| package));
    let all: BTreeSet<_> = all.collect();
    all.into_iter()
        .map(|name| (name, Service::new(name)))
        .collect()
}

/// Whether what `row` tells of happens where `reached` is reached.
fn happens(row: &Row, reached: &Reached) -> bool {
    let made = row.made.iter().any(|it| reached.names.contains(*it));
    reached.names.contains(row.by) && (row.made.is_empty() || made)
}

/// What `function` and AWS in its name need.
fn needed_by(stack: &Stack, function: &Function<'_>, service: &Service) -> BTreeSet<Grant> {
    let reached = service.entry(function.entry);
    let mut needed = BTreeSet::new();
    let mut need = |row: &Row, resource: String| {
        needed.insert(Grant {
            action: row.action.to_owned(),
            resource,
            condition: match row.on {
                On::Buses => in_the_name_of(function.service),
                On::Sender => to_the_scheduler(),
                _ => String::new(),
            },
        });
    };
    for row in ROWS {
        let applies = match row.by {
            MAPPING | LOGS => true,
            TRACES => function.is_traced(),
            _ => ![On::Table, On::Index].contains(&row.on) && happens(row, &reached),
        };
        if applies {
            for place in stack.places(row.on, function, &service.timed) {
                need(row, place);
            }
        }
    }
    let held = service.held.iter();
    let held = held.map(|(variable, holder)| (variable.as_str(), service.holder(holder)));
    let mut tables: Vec<(String, Reached)> = held
        .map(|(variable, reached)| {
            (
                function.variable(variable).expect("a table").into(),
                reached,
            )
        })
        .collect();
    match function.variable(ALL_TABLES) {
        None => tables.push((
            function.variable(OWN_TABLE).expect("a table").into(),
            reached,
        )),
        Some(all) => {
            let all: Vec<String> = serde_json::from_str(all).unwrap();
            tables.extend(all.into_iter().map(|table| (table, reached.clone())));
        }
    }
    for (table, reached) in &tables {
        for row in ROWS.iter().filter(|row| happens(row, reached)) {
            let arn = || stack.table(table);
            match row.on {
                On::Table => need(row, arn()),
                On::Index => {
                    let index = service.code.constant("Sweep::INDEX");
                    need(row, format!("{}/index/{index}", arn()));
                }
                _ => {}
            }
        }
    }
    needed
}

/// What the role that sends the messages of the schedules of `function` needs
/// for them, if it makes any: `needed` is what itself needs.
fn needed_to_send(
    stack: &Stack,
    function: &Function<'_>,
    service: &Service,
    needed: &BTreeSet<Grant>,
) -> Option<(String, BTreeSet<Grant>)> {
    let makes = |grant: &Grant| grant.action == "scheduler:CreateSchedule";
    let kept = function.schedules().filter(|_| needed.iter().any(makes))?;
    let rows = ROWS.iter().filter(|row| row.by == SCHEDULE);
    let grants = rows.flat_map(|row| {
        let places = stack.places(row.on, function, &service.timed);
        places.into_iter().map(|resource| Grant {
            action: row.action.to_owned(),
            resource,
            condition: String::new(),
        })
    });
    Some((stack.role(&kept.role).to_owned(), grants.collect()))
}

/// What each role needs.
fn needed(stack: &Stack, services: &BTreeMap<&str, Service>) -> Grants {
    let mut needed = Grants::new();
    let mut senders = Grants::new();
    for function in stack.functions() {
        let service = &services[function.service];
        let by = needed_by(stack, &function, service);
        if let Some((role, more)) = needed_to_send(stack, &function, service, &by) {
            senders.entry(role).or_default().extend(more);
        }
        let twice = needed.insert(function.role.to_owned(), by);
        assert!(
            twice.is_none(),
            "{} has its role not for itself",
            function.name
        );
    }
    for (role, by) in senders {
        let twice = needed.insert(role.clone(), by);
        assert!(twice.is_none(), "{role} is a function's, too");
    }
    for machine in stack.machines() {
        let by = needed.entry(machine.role.to_owned()).or_default();
        for row in ROWS {
            let applies = match row.by {
                TASKS => true,
                MACHINE_LOGS => !machine.properties["LoggingConfiguration"].is_null(),
                MACHINE_TRACES => machine.properties["TracingConfiguration"]["Enabled"] == true,
                _ => false,
            };
            let resources: BTreeSet<&str> = match (applies, row.on) {
                (false, _) => BTreeSet::new(),
                (_, On::Functions) => {
                    let asked = machine.tasks.iter().map(|(_, of)| of.as_str());
                    asked.filter(|of| !of.is_empty()).collect()
                }
                (_, on) => {
                    assert_eq!(on, On::Any, "{}", row.by);
                    BTreeSet::from(["*"])
                }
            };
            by.extend(resources.into_iter().map(|resource| Grant {
                action: row.action.to_owned(),
                resource: resource.to_owned(),
                condition: String::new(),
            }));
        }
        // Step Functions developer guide, "Start workflow executions": no more than that,
        // where the task does not wait.
        if machine.starts_itself() {
            by.insert(Grant {
                action: "states:StartExecution".to_owned(),
                resource: machine.arn.to_owned(),
                condition: String::new(),
            });
        }
    }
    needed
}

/// In what `granted` differs from `needed`, a line each.
fn differences(granted: &Grants, needed: &Grants) -> Vec<String> {
    let none = BTreeSet::new();
    let roles: BTreeSet<_> = granted.keys().chain(needed.keys()).collect();
    let mut lines = Vec::new();
    for role in roles {
        let granted = granted.get(role).unwrap_or(&none);
        let needed = needed.get(role).unwrap_or(&none);
        let surplus = granted.difference(needed);
        lines.extend(surplus.map(|grant| format!("{role}: granted, but not used: {grant}")));
        let gap = needed.difference(granted);
        lines.extend(gap.map(|grant| format!("{role}: used, but not granted: {grant}")));
    }
    lines
}

/// The parameters that turn a variant on.
const VARIANTS: [&str; 6] = [
    "WithOrchestration",
    "WithChoreography",
    "WithTopics",
    "WithFifo",
    "WithExpress",
    "WithExpressSync",
];

/// The ways to deploy the shop: all variants, those that samconfig.toml leaves on, and
/// each alone; with fraud detection in each state.
fn settings() -> Vec<Vec<(&'static str, &'static str)>> {
    let several = [&VARIANTS[..], &VARIANTS[..2]].into_iter();
    let deployed = several.chain(VARIANTS.chunks(1));
    let each = |on: &[&str]| {
        let word = |name| if on.contains(&name) { "true" } else { "false" };
        let with = VARIANTS.map(|name| (name, word(name)));
        let of = |fraud| [&[("Fraud", fraud)][..], &with].concat();
        ["off", "listening", "on"].map(of)
    };
    deployed.flat_map(each).collect()
}

#[test]
fn granted_is_used() {
    let services = services();
    for setting in settings() {
        let stack = Stack::with(&setting);
        let found = differences(&stack.granted(), &needed(&stack, &services));
        assert_eq!(found, Vec::<String>::new(), "{setting:?}");
    }
}

/// The table says of each port all that is asked behind it, and nothing else;
/// and nothing is asked that is behind no port of the table.
#[test]
fn every_operation_has_its_row_and_every_row_its_operation() {
    let ports: BTreeSet<&str> = ROWS
        .iter()
        .filter(|row| !row.operation.is_empty())
        .map(|row| row.by)
        .collect();
    let mut met = BTreeSet::new();
    for (name, service) in services() {
        for (entry, ..) in ENTRIES {
            let mut reached = service.entry(entry);
            for (_, holder) in &service.held {
                let more = service.holder(holder);
                reached.names.extend(more.names);
                reached.operations.extend(more.operations);
            }
            let mut behind = BTreeSet::new();
            for port in ports.iter().filter(|port| reached.names.contains(**port)) {
                let asked = service.code.reach(&[port], &[], &[]).operations;
                let rows = ROWS.iter().filter(|row| row.by == *port);
                let told: BTreeSet<_> = rows.map(|row| row.operation.to_owned()).collect();
                assert_eq!(asked, told, "{port}: left: the code; right: the table");
                behind.extend(asked);
                met.insert(*port);
            }
            let without: Vec<_> = reached.operations.difference(&behind).collect();
            assert!(
                without.is_empty(),
                "{name}, {entry}: behind no port of the table: {without:?}"
            );
        }
    }
    assert_eq!(met, ports, "left: ports that are used; right: the table's");
    for row in ROWS {
        assert!(
            row.source.starts_with("https://docs.aws.amazon.com/"),
            "{}",
            row.action
        );
    }
}

/// What the table takes as the sign that something is said, timed or answered
/// is the only way to it.
#[test]
fn services_say_time_and_answer_by_their_decisions_only() {
    let literals = [
        " Event {", "(Event {", " Timer {", "(Timer {", " Reply {", "(Reply {",
    ];
    let services: Vec<_> = SERVICES.map(|name| format!("functions/{name}")).into();
    let services: Vec<_> = services.iter().map(String::as_str).collect();
    nowhere(&services, &[], &literals, "a decision makes it");
}

/// EventBridge may send to a queue from the rules that deliver there, dead
/// letters included, and from no others.
#[test]
fn every_queue_takes_from_its_own_rules() {
    for setting in settings() {
        let given = setting.iter();
        let given = given.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let there = Definitions::read(bundled(), "shop", &given.collect()).unwrap();
        for (at, queue) in there.queues.iter().enumerate() {
            let may = |rule: &str| {
                queue
                    .sources
                    .iter()
                    .any(|pattern| match pattern.strip_suffix('*') {
                        Some(start) => rule.starts_with(start),
                        None => rule == pattern,
                    })
            };
            for rule in &there.rules {
                let mut targets = rule.targets.iter();
                let delivers =
                    targets.any(|it| it.queue == Some(at) || it.dead_letters == Some(at));
                assert_eq!(
                    may(&rule.arn),
                    delivers,
                    "{setting:?}: {} to {}",
                    rule.arn,
                    queue.name
                );
            }
        }
    }
}

#[test]
fn nothing_names_the_partition() {
    let mut read = 0;
    for (path, text) in bundled() {
        assert!(!text.contains("arn:aws"), "{path}: say ${{AWS::Partition}}");
        read += 1;
    }
    assert!(read >= 9, "{read} files");
}

/// Other partitions have other names: what is deployed says the one it is in.
#[test]
fn a_task_is_asked_in_the_partition_of_its_stack() {
    for machine in Stack::with(&[]).machines() {
        for (resource, _) in &machine.tasks {
            let known = ["lambda:invoke", "states:startExecution"];
            let asked = resource
                .strip_prefix("arn:aws:states:::")
                .unwrap_or_default();
            assert!(known.iter().any(|it| asked.starts_with(it)), "{resource}");
        }
        let partition = &machine.properties["DefinitionSubstitutions"]["Partition"];
        assert_eq!(partition, "aws", "{}", machine.arn);
    }
}
