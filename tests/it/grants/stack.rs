//! What is deployed, as far as permissions go: who runs under which role, what
//! each role is granted, and where things are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use duet_asl::substitute;
use duet_edge::sweep::{Way, Ways};
use duet_edge::timers::Schedules;
use duet_edge::wires::{Carrier, Renderings};
use duet_lab::{Deployed, bundled, deployed};
use serde_json::{Value, json};

use super::table::{FORMER, On};

const FUNCTION: &str = "AWS::Serverless::Function";
const MACHINE: &str = "AWS::StepFunctions::StateMachine";
const ROLE: &str = "AWS::IAM::Role";
const POLICY: &str = "AWS::IAM::Policy";
const MANAGED: &str = "AWS::IAM::ManagedPolicy";
const QUEUE: &str = "AWS::SQS::Queue";
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";
const RULE: &str = "AWS::Events::Rule";

const GROUP: &str = "AWS::Scheduler::ScheduleGroup";

const KINDS: [&str; 13] = [
    FUNCTION,
    MACHINE,
    ROLE,
    POLICY,
    MANAGED,
    QUEUE,
    MAPPING,
    RULE,
    GROUP,
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::SNS::Topic",
    "AWS::Logs::LogGroup",
];

/// What a role may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    pub(super) action: String,
    pub(super) resource: String,
    /// The condition, as JSON; empty: always.
    pub(super) condition: String,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} {}", self.action, self.resource, self.condition)
    }
}

/// By role, its grants.
pub(super) type Grants = BTreeMap<String, BTreeSet<Grant>>;

/// A stack that is deployed.
#[derive(Debug, Clone)]
pub(super) struct Stack(pub(super) Vec<Deployed>);

/// A function, and what its environment says.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) arn: &'a str,
    pub(super) role: &'a str,
    pub(super) service: &'a str,
    pub(super) entry: &'a str,
    properties: &'a Value,
}

impl Function<'_> {
    /// The environment variable `name`.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.properties["Environment"]["Variables"][name].as_str()
    }

    /// Whether its traces are sent.
    pub(super) fn is_traced(&self) -> bool {
        self.properties["Tracing"] == "Active"
    }

    /// Where its schedules are kept, if it makes any.
    pub(super) fn schedules(&self) -> Option<Schedules> {
        let text = self.variable("DUET_SCHEDULES")?;
        Some(serde_json::from_str(text).unwrap_or_else(|e| panic!("{}: {e}", self.name)))
    }

    /// By what its sweep reaches each variant.
    fn ways(&self) -> Vec<Way> {
        let ways: Ways = serde_json::from_str(string_of(self, "DUET_SWEEP")).unwrap();
        ways.into_values().collect()
    }

    /// The state machines that its sweep asks.
    fn driving(&self) -> Vec<String> {
        self.ways()
            .into_iter()
            .flat_map(|way| way.machines)
            .collect()
    }
}

/// A state machine with its definition.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) arn: &'a str,
    pub(super) role: &'a str,
    pub(super) properties: &'a Value,
    /// The tasks: resource and function.
    pub(super) tasks: Vec<(String, String)>,
}

impl Machine<'_> {
    /// Whether it starts further executions of itself.
    pub(super) fn starts_itself(&self) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|(resource, _)| resource.ends_with(":states:startExecution"))
    }

    /// Whether it asks a function of `service`, of those of `stack`.
    fn asks(&self, stack: &Stack, service: &str) -> bool {
        let functions = stack.functions();
        let mut asked = self.tasks.iter().map(|(_, of)| of);
        asked.any(|of| {
            functions
                .iter()
                .any(|it| it.arn == *of && it.service == service)
        })
    }
}

/// A value as a list: itself, if it is none.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

impl Stack {
    /// The shop with `parameters`.
    pub(super) fn with(parameters: &[(&str, &str)]) -> Self {
        let given = parameters.iter();
        let given = given.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let all = deployed(&bundled(), "shop", &given.collect(), &KINDS);
        Self(all.unwrap_or_else(|e| panic!("{parameters:?}: {e}")))
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Deployed> {
        self.0.iter().filter(move |resource| resource.kind == kind)
    }

    /// The name of the role with the ARN `arn`.
    pub(super) fn role(&self, arn: &str) -> &str {
        let role = self.of(ROLE).find(|role| role.arn.as_deref() == Some(arn));
        let role = role.unwrap_or_else(|| panic!("a role that is not the template's: {arn}"));
        &role.reference
    }

    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let functions = self.of(FUNCTION).map(|function| {
            let properties = &function.properties;
            assert!(
                properties["Policies"].is_null(),
                "{}: SAM would add to its role; say it in the role",
                function.place
            );
            let code = string(&properties["CodeUri"]).trim_end_matches('/');
            let entry = &properties["Environment"]["Variables"]["DUET_ENTRY"];
            Function {
                name: &function.reference,
                arn: function.arn.as_deref().unwrap(),
                role: self.role(string(&properties["Role"])),
                service: code.rsplit('/').next().unwrap().trim_end_matches("-sweep"),
                entry: string(entry),
                properties,
            }
        });
        functions.collect()
    }

    pub(super) fn machines(&self) -> Vec<Machine<'_>> {
        let machines = self.of(MACHINE).map(|machine| {
            let properties = &machine.properties;
            let (dir, _) = machine.template.rsplit_once('/').unwrap();
            let path = format!("{dir}/{}", string(&properties["DefinitionS3Location"]));
            let values = &properties["DefinitionSubstitutions"];
            let filled = substitute(&bundled()[&path], |name| match &values[name] {
                Value::String(text) => Some(text.clone()),
                Value::Null => None,
                other => Some(other.to_string()),
            });
            let filled = filled.unwrap_or_else(|names| panic!("{path}: nothing for {names:?}"));
            let mut tasks = Vec::new();
            take_tasks(&serde_json::from_str(&filled).unwrap(), &mut tasks);
            Machine {
                arn: &machine.reference,
                role: self.role(string(&properties["RoleArn"])),
                properties,
                tasks,
            }
        });
        machines.collect()
    }

    /// What the templates grant to each of their roles.
    pub(super) fn granted(&self) -> Grants {
        let managed: BTreeMap<_, _> = self
            .of(MANAGED)
            .map(|policy| {
                (
                    policy.reference.as_str(),
                    &policy.properties["PolicyDocument"],
                )
            })
            .collect();
        let mut all = Grants::new();
        for role in self.of(ROLE) {
            let own = all.entry(role.reference.clone()).or_default();
            for policy in list(&role.properties["Policies"]) {
                take_grants(&role.place, &policy["PolicyDocument"], own);
            }
            for policy in list(&role.properties["ManagedPolicyArns"]) {
                let name = string(policy);
                let document = managed.get(name).unwrap_or_else(|| {
                    panic!("{}: what {name} grants is not the template's", role.place)
                });
                take_grants(&role.place, document, own);
            }
        }
        for policy in self.of(POLICY) {
            for role in list(&policy.properties["Roles"]) {
                let own = all.get_mut(string(role));
                let own = own.unwrap_or_else(|| panic!("{}: no role {role}", policy.place));
                take_grants(&policy.place, &policy.properties["PolicyDocument"], own);
            }
        }
        all
    }

    /// The ARNs of what `on` stands for, for `function`; `timed` has the commands
    /// of its service that set timers.
    #[expect(clippy::too_many_lines, reason = "a table: one row a kind of place")]
    pub(super) fn places(
        &self,
        on: On,
        function: &Function<'_>,
        timed: &BTreeSet<String>,
    ) -> Vec<String> {
        let queues = || -> Vec<&Deployed> {
            let mappings = self.of(MAPPING);
            let mine = mappings.filter(|mapping| {
                let of = string(&mapping.properties["FunctionName"]);
                of == function.arn || of == function.name
            });
            mine.map(|mapping| self.queue(string(&mapping.properties["EventSourceArn"])))
                .collect()
        };
        let arn = |queue: &Deployed| queue.arn.clone().unwrap();
        match on {
            On::Table | On::Index | On::Functions => panic!("{on:?} is not the function's"),
            On::Any => vec!["*".to_owned()],
            On::Queues => queues().into_iter().map(arn).collect(),
            On::DeadLetters => {
                let dead = |queue: &Deployed| {
                    string(&queue.properties["RedrivePolicy"]["deadLetterTargetArn"]).to_owned()
                };
                queues().into_iter().map(dead).collect()
            }
            // Only where it sets a timer, and is told where to.
            On::Timers => {
                let own = function.variable("DUET_TIMERS").map(str::to_owned);
                // Where facts are heard, every service has its clock itself.
                let carriers = ["AWS::Events::EventBus", "AWS::SNS::Topic"];
                let mut carriers = carriers.into_iter().flat_map(|kind| self.of(kind));
                let heard = carriers
                    .any(|one| one.kind.ends_with("EventBus") || one.reference.contains("-facts-"));
                let missing =
                    || (heard && function.entry == "queue").then(|| "DUET_TIMERS".to_owned());
                let own = own.or_else(missing).into_iter();
                own.filter(|_| !timed.is_empty()).collect()
            }
            On::FormerTimers => {
                let all = queues().into_iter().map(arn);
                let ends = |arn: &String| {
                    let name = arn.rsplit(':').next().unwrap_or_default();
                    FORMER.iter().any(|queue| name == format!("shop-{queue}"))
                };
                all.filter(ends).collect()
            }
            // Only where it sets a timer, and has where to keep it.
            On::Schedules | On::Sender | On::Undelivered
                if self.places(On::Timers, function, timed).is_empty() =>
            {
                Vec::new()
            }
            // A task that sends no timers calls none off.
            On::CalledOff
                if function.entry == "task" && function.variable("DUET_TIMERS").is_none() =>
            {
                Vec::new()
            }
            On::Schedules | On::CalledOff => {
                let kept = function.schedules().into_iter();
                kept.map(|kept| self.schedules_of(&kept.group)).collect()
            }
            On::Sender => {
                let kept = function.schedules().into_iter();
                kept.map(|kept| kept.role).collect()
            }
            On::Undelivered => {
                let kept = function.schedules().into_iter();
                kept.map(|kept| kept.dead_letters).collect()
            }
            On::Swept => {
                let ways = function.ways().into_iter();
                ways.map(|way| arn(self.queue(&way.queue))).collect()
            }
            On::Driving => function.driving(),
            On::Executions => {
                let all = |machine: &String| {
                    format!("{}:*", machine.replace(":stateMachine:", ":execution:"))
                };
                function.driving().iter().map(all).collect()
            }
            On::Buses => {
                let named: BTreeSet<_> = carriers_of(function)
                    .into_iter()
                    .filter_map(|carrier| match carrier {
                        Carrier::Eventbridge { bus } => Some(bus),
                        Carrier::None {} | Carrier::Sns { .. } | Carrier::SnsFifo { .. } => None,
                    })
                    .collect();
                let buses = self.of("AWS::Events::EventBus");
                let buses = buses.filter(|bus| named.contains(bus.reference.as_str()));
                buses.map(arn).collect()
            }
            On::Facts => {
                // Whoever says nothing needs no topic, whosever it is.
                let says = duet_cli::shop::contracts::says_facts(function.service);
                let source = format!("duet.{}", function.service);
                let own = |carrier: Carrier| carrier.topic(&source).filter(|_| says);
                let named: BTreeSet<_> =
                    carriers_of(function).into_iter().filter_map(own).collect();
                let topics = self.of("AWS::SNS::Topic");
                let topics = topics.filter(|topic| named.contains(topic.reference.as_str()));
                topics.map(|topic| topic.reference.clone()).collect()
            }
            On::Waiting => {
                let waits = |machine: &Machine<'_>| {
                    machine.tasks.iter().any(|(resource, of)| {
                        resource.ends_with(".waitForTaskToken")
                            && self
                                .functions()
                                .iter()
                                .any(|asked| asked.arn == of && asked.service == function.service)
                    })
                };
                let machines = self.machines().into_iter().filter(waits);
                machines.map(|machine| machine.arn.to_owned()).collect()
            }
            On::Started => {
                let machines = self.machines().into_iter();
                let started =
                    machines.filter(|it| it.starts_itself() && it.asks(self, function.service));
                started.map(|machine| machine.arn.to_owned()).collect()
            }
            On::Topic => vec![string_of(function, "DUET_NOTICE_TOPIC").to_owned()],
            On::Logs => {
                let name = &function.properties["LoggingConfig"]["LogGroup"];
                let mut groups = self.of("AWS::Logs::LogGroup");
                let group = groups.find(|group| group.reference == string(name));
                let group = group.unwrap_or_else(|| panic!("{}: no log group", function.name));
                vec![arn(group)]
            }
        }
    }

    /// The ARN of the table called `name`.
    pub(super) fn table(&self, name: &str) -> String {
        let mut tables = self.of("AWS::DynamoDB::Table");
        let table = tables.find(|table| table.reference == name);
        let table = table.unwrap_or_else(|| panic!("no table {name}"));
        table.arn.clone().unwrap()
    }

    /// The ARN of all schedules of the group called `name`.
    fn schedules_of(&self, name: &str) -> String {
        let group = self.of(GROUP).find(|group| group.reference == name);
        let group = group.unwrap_or_else(|| panic!("no schedule group {name}"));
        let arn = group.arn.as_deref().unwrap();
        format!("{}/*", arn.replace(":schedule-group/", ":schedule/"))
    }

    fn queue(&self, arn: &str) -> &Deployed {
        let queue = self
            .of(QUEUE)
            .find(|queue| queue.arn.as_deref() == Some(arn));
        queue.unwrap_or_else(|| panic!("no queue {arn}"))
    }
}

fn string_of<'a>(function: &'a Function<'_>, variable: &str) -> &'a str {
    let value = function.variable(variable);
    value.unwrap_or_else(|| panic!("{} has no {variable}", function.name))
}

/// Every task in `definition`: its resource, and the function it asks.
fn take_tasks(definition: &Value, tasks: &mut Vec<(String, String)>) {
    if definition["Type"] == "Task" {
        let function = definition["Arguments"]["FunctionName"].as_str();
        tasks.push((
            string(&definition["Resource"]).to_owned(),
            function.unwrap_or_default().to_owned(),
        ));
    }
    match definition {
        Value::Object(members) => members.values().for_each(|of| take_tasks(of, tasks)),
        Value::Array(all) => all.iter().for_each(|of| take_tasks(of, tasks)),
        _ => {}
    }
}

fn take_grants(place: &str, document: &Value, grants: &mut BTreeSet<Grant>) {
    for statement in list(&document["Statement"]) {
        let known = ["Effect", "Action", "Resource", "Condition"];
        let members = statement.as_object().unwrap().keys();
        let unknown: Vec<_> = members
            .filter(|name| !known.contains(&name.as_str()))
            .collect();
        assert!(
            unknown.is_empty() && statement["Effect"] == "Allow",
            "{place}: only what is allowed is read, not {statement}"
        );
        let condition = &statement["Condition"];
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                grants.insert(Grant {
                    action: string(action).to_owned(),
                    resource: string(resource).to_owned(),
                    condition: if condition.is_null() {
                        String::new()
                    } else {
                        condition.to_string()
                    },
                });
            }
        }
    }
}

/// The condition under which `service` may put facts on a bus: in its own name.
pub(super) fn in_the_name_of(service: &str) -> String {
    json!({ "StringEquals": { "events:source": format!("duet.{service}") } }).to_string()
}

/// The condition under which a role may be handed on: to EventBridge Scheduler.
pub(super) fn to_the_scheduler() -> String {
    json!({ "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" } }).to_string()
}

/// How the facts travel of the variants that `function` serves.
fn carriers_of(function: &Function<'_>) -> Vec<Carrier> {
    let carriers = string_of(function, "DUET_CARRIERS");
    let all: Renderings = serde_json::from_str(carriers).unwrap();
    // A task serves the variants whose workflow calls tasks.
    let served = all.into_values();
    let served = served.filter(|it| it.tasks || function.entry != "task");
    served.map(|it| it.facts).collect()
}
