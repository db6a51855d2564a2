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
mod stack;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use duet_cli::stack::SERVICES;
use duet_lab::{Definitions, bundled};
use serde_json::{Value, json};

use self::calls::{Code, Reached};
use self::stack::{Function, Grant, Grants, Stack, in_the_name_of};
use self::table::{LOGS, MACHINE_LOGS, MACHINE_TRACES, MAPPING, On, ROWS, Row, TASKS, TRACES};
use crate::harness::text;
use crate::tidy::nowhere;

/// By the value of `DUET_ENTRY`, the function that handles an invocation.
const ENTRIES: [(&str, &str); 2] = [("task", "lambda::task"), ("queue", "lambda::messages")];

/// What every entry does and needs no grant for, see above.
const NEEDS_NONE: &str = "Edge::open";

/// The variable that names a service's own table.
const OWN_TABLE: &str = "DUET_TABLE";

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
        assert!(
            ENTRIES.iter().any(|(name, _)| *name == entry),
            "no entry {entry}"
        );
        let others = ENTRIES.iter().filter(|(name, _)| *name != entry);
        let mut cut: Vec<_> = others.map(|(_, handler)| (*handler).to_owned()).collect();
        cut.push(NEEDS_NONE.to_owned());
        cut.extend(
            self.held
                .iter()
                .flat_map(|(_, holder)| self.code.methods(holder)),
        );
        let cut: Vec<_> = cut.iter().map(String::as_str).collect();
        self.code.reach(&["main::main"], &cut)
    }

    /// What is reached by whoever holds the table of another.
    fn holder(&self, holder: &str) -> Reached {
        let methods = self.code.methods(holder);
        let methods: Vec<_> = methods.iter().map(String::as_str).collect();
        self.code.reach(&methods, &[])
    }
}

/// The services' code.
fn services() -> BTreeMap<&'static str, Service> {
    SERVICES.map(|name| (name, Service::new(name))).into()
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
                _ => String::new(),
            },
        });
    };
    for row in ROWS {
        let applies = match row.by {
            MAPPING | LOGS => true,
            TRACES => function.is_traced(),
            _ => row.on != On::Table && happens(row, &reached),
        };
        if applies {
            for place in stack.places(row.on, function, &service.timed) {
                need(row, place);
            }
        }
    }
    let held = service.held.iter();
    let held = held.map(|(variable, holder)| (variable.as_str(), service.holder(holder)));
    for (variable, reached) in held.chain([(OWN_TABLE, reached)]) {
        let table = function.variable(variable).expect("a table");
        for row in ROWS.iter().filter(|row| row.on == On::Table) {
            if happens(row, &reached) {
                need(row, stack.table(table));
            }
        }
    }
    needed
}

/// What each role needs.
fn needed(stack: &Stack, services: &BTreeMap<&str, Service>) -> Grants {
    let mut needed = Grants::new();
    for function in stack.functions() {
        let by = needed_by(stack, &function, &services[function.service]);
        let twice = needed.insert(function.role.to_owned(), by);
        assert!(
            twice.is_none(),
            "{} has its role not for itself",
            function.name
        );
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
                (_, On::Functions) => machine.tasks.iter().map(|(_, of)| of.as_str()).collect(),
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

/// Every way to deploy the shop in which something is there or not.
fn settings() -> Vec<[(&'static str, &'static str); 3]> {
    let mut all = Vec::new();
    for fraud in ["off", "listening", "on"] {
        for (workflows, bus) in [("true", "true"), ("true", "false"), ("false", "true")] {
            all.push([
                ("Fraud", fraud),
                ("WithOrchestration", workflows),
                ("WithChoreography", bus),
            ]);
        }
    }
    all
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

/// The test of the test: whatever is granted beside what is used is found, and
/// whatever is taken away from it.
#[test]
fn a_planted_surplus_and_a_planted_gap_are_found() {
    let services = services();
    let whole = Stack::with(&settings()[6]);
    let needed = needed(&whole, &services);
    let planted = |plant: &dyn Fn(&str, &mut Value)| {
        let mut stack = whole.clone();
        for resource in &mut stack.0 {
            plant(&resource.place, &mut resource.properties);
        }
        differences(&stack.granted(), &needed)
    };
    assert_eq!(planted(&|_, _| {}), Vec::<String>::new());

    let own =
        |properties: &mut Value| properties["Policies"][0]["PolicyDocument"]["Statement"].take();
    // A further action on the own table.
    let found = planted(&|place, properties| {
        if place == "PaymentTaskRole" {
            let statement = &mut properties["Policies"][0]["PolicyDocument"]["Statement"][1];
            statement["Action"]
                .as_array_mut()
                .unwrap()
                .push(json!("dynamodb:DeleteItem"));
        }
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found
            .iter()
            .all(|line| line.contains("not used: dynamodb:DeleteItem")),
        "{found:?}"
    );
    // Somebody else's table.
    let found = planted(&|place, properties| {
        if place == "OrderQueueRole" {
            let statement = &mut properties["Policies"][0]["PolicyDocument"]["Statement"][1];
            let own = statement["Resource"].take();
            statement["Resource"] = json!([
                own,
                "arn:aws:dynamodb:us-east-1:123456789012:table/shop-payment"
            ]);
        }
    });
    assert!(
        found
            .iter()
            .all(|line| line.contains("not used") && line.contains("shop-payment"))
    );
    assert_eq!(found.len(), 2, "{found:?}");
    // Anybody's queue, beside its own.
    let found = planted(&|place, properties| {
        if place == "Choreography/DeliveryGrants" {
            properties["PolicyDocument"]["Statement"][1]["Resource"] = json!("*");
        }
    });
    let (surplus, gap): (Vec<_>, Vec<_>) = found.iter().partition(|line| line.contains("not used"));
    assert_eq!((surplus.len(), gap.len()), (2, 2), "{found:?}");
    // In anybody's name.
    let found = planted(&|place, properties| {
        if place == "Choreography/OrderGrants" {
            let statement = &mut properties["PolicyDocument"]["Statement"][2];
            statement.as_object_mut().unwrap().remove("Condition");
        }
    });
    assert_eq!(found.len(), 2, "{found:?}");
    // Nothing at all for a function, and for a state machine.
    for (place, without) in [
        ("InventoryTaskRole", "dynamodb:UpdateItem"),
        ("JournalQueueRole", "dynamodb:PutItem"),
    ] {
        let found = planted(&|at, properties| {
            if at == place {
                own(properties);
            }
        });
        let missing = |action: &str| {
            found
                .iter()
                .any(|line| line.contains(&format!("not granted: {action}")))
        };
        assert!(
            missing(without) && missing("logs:PutLogEvents"),
            "{found:?}"
        );
    }
    let found = planted(&|place, properties| {
        if place == "Orchestration/CustomerMachineGrants" {
            properties["PolicyDocument"]["Statement"][0]["Resource"]
                .as_array_mut()
                .unwrap()
                .pop();
        }
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("not granted: lambda:InvokeFunction"),
        "{found:?}"
    );
}

/// And so is a change of the code that asks for more, or for less.
#[test]
fn what_a_changed_service_asks_is_found() {
    let stack = Stack::with(&settings()[6]);
    let mut services = services();
    for (name, file, old, new, found) in [
        (
            "journal",
            "service.rs",
            "Write::Add { key, deltas }",
            "Write::put(key, &entry, Expect::Anything)",
            &["JournalQueueRole: granted, but not used: dynamodb:UpdateItem"][..],
        ),
        (
            "order",
            "service.rs",
            "Write::put(keys[0].clone(), order, seen)",
            "Write::Add { key: keys[0].clone(), deltas }",
            &[
                "OrderQueueRole: used, but not granted: dynamodb:UpdateItem",
                "OrderTaskRole: used, but not granted: dynamodb:UpdateItem",
            ],
        ),
        (
            "customer",
            "domain.rs",
            ".announce(\"registered\", registered)",
            ".announce(\"registered\", registered).timer(now, command)",
            &["CustomerQueueRole: used, but not granted: sqs:SendMessage"],
        ),
    ] {
        let file = format!("functions/{name}/src/{file}");
        let code = Code::of(name, |path, text| {
            if path != file {
                return text;
            }
            assert!(text.contains(old), "{file} has no {old}");
            text.replace(old, new)
        });
        let before = services.insert(name, Service::with(name, code)).unwrap();
        let lines = differences(&stack.granted(), &needed(&stack, &services));
        let met = lines.iter().zip(found);
        assert!(
            lines.len() == found.len() && met.clone().all(|(line, start)| line.contains(start)),
            "{name}: {lines:?}"
        );
        services.insert(name, before);
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
        for (entry, _) in ENTRIES {
            let mut reached = service.entry(entry);
            for (_, holder) in &service.held {
                let more = service.holder(holder);
                reached.names.extend(more.names);
                reached.operations.extend(more.operations);
            }
            let mut behind = BTreeSet::new();
            for port in ports.iter().filter(|port| reached.names.contains(**port)) {
                let asked = service.code.reach(&[port], &[]).operations;
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
            assert!(
                resource.starts_with("arn:aws:states:::lambda:invoke"),
                "{resource}"
            );
        }
        let partition = &machine.properties["DefinitionSubstitutions"]["Partition"];
        assert_eq!(partition, "aws", "{}", machine.arn);
    }
}
