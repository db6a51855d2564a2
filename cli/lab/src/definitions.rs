//! What is deployed: functions, tables, queues, buses, rules, workflows.
//!
//! Everything here is read from the templates and state machines that are
//! deployed to AWS, which travel in the binary; no number is stated again in
//! code. Where a template leaves a property out, AWS's default stands in, with
//! its source beside it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use duet_asl::{MachineType, StateMachine, substitute};
use duet_edge::timers::Schedules;
use duet_pattern::{Matcher, Pattern, TargetInput};
use serde_json::Value;

use crate::declared::{self, Places};
use crate::deployed::family;
use crate::template::{ACCOUNT, DefinitionError, Files, REGION, Resource, Stack, queue_url, text};

/// The name of the bus that every account has.
pub(crate) const DEFAULT_BUS: &str = "default";

/// The files that are deployed, as they were when this was built.
#[must_use]
pub fn bundled() -> Files {
    macro_rules! files {
        ($($path:literal),+ $(,)?) => {
            [$(($path, include_str!(concat!("../../../", $path)))),+]
        };
    }
    let files = files![
        "template.yaml",
        "infra/orchestration/template.yaml",
        "infra/orchestration/order.asl.json",
        "infra/orchestration/order.before-fraud.asl.json",
        "infra/orchestration/customer.asl.json",
        "infra/orchestration/customer.before-fraud.asl.json",
        "infra/choreography/template.yaml",
        "infra/choreography/fraud.yaml",
        "infra/choreography/journal.yaml",
    ];
    files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The service whose code it runs, from its `CodeUri`.
    pub service: String,
    /// Its timeout in milliseconds.
    pub timeout: i64,
    /// Its memory in MiB.
    pub memory: u64,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

impl Function {
    /// Where its schedules are kept, if it makes any.
    pub(crate) fn schedules(&self) -> Result<Option<Schedules>, String> {
        let text = self.environment.get("DUET_SCHEDULES");
        let kept = text.map(|text| serde_json::from_str(text)).transpose();
        kept.map_err(|e| format!("environment variable DUET_SCHEDULES is unusable: {e}"))
    }
}

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its URL.
    pub url: String,
    /// How long a received message stays hidden, in milliseconds.
    pub visibility: i64,
    /// How long a message is kept, in milliseconds.
    pub retention: i64,
    /// How long a message without a delay of its own is held back, in milliseconds.
    pub delay: i64,
    /// Where a message goes that was received too often, and after how many receives.
    pub redrive: Option<(usize, u32)>,
    /// Patterns of the ARNs that EventBridge may deliver from.
    pub sources: Vec<String>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// An event source mapping: a queue to a function.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its place in the templates; it has no name.
    pub place: String,
    /// Index of the queue.
    pub queue: usize,
    /// Index of the function.
    pub function: usize,
    /// Most messages of one invocation.
    pub batch: usize,
    /// Most invocations at once.
    pub concurrency: usize,
    /// Whether the function may name the failed messages of a batch.
    pub partial: bool,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A bus with the rules on it.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Index of its bus.
    pub bus: usize,
    /// What it listens for.
    pub pattern: Pattern,
    /// The same, as the template writes it.
    pub written: Value,
    /// Where it delivers.
    pub targets: Vec<Target>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// A rule that runs a function by the clock.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The function's ARN.
    pub function: String,
    /// How often, in milliseconds.
    pub every: i64,
}

/// A sparse index of a table: it lists the documents that have an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The table's name.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The attribute.
    pub attribute: String,
}

/// A rule's target: a queue.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id in the rule.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Index of the queue; `None` when nothing of that ARN is deployed.
    pub queue: Option<usize>,
    /// What it receives.
    pub input: TargetInput,
    /// The paths into the event that its input is made from; none for the
    /// whole event.
    pub paths: Vec<String>,
    /// How old an event may get before it is given up, in milliseconds.
    pub max_age: i64,
    /// How often a delivery is tried again.
    pub max_attempts: u32,
    /// Index of the queue for what could not be delivered.
    pub dead_letters: Option<usize>,
}

/// A state machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The role it runs under.
    pub role: String,
    /// Its definition.
    pub machine: Arc<StateMachine>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// An archive of a bus.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Its name.
    pub name: String,
    /// Index of its bus.
    pub bus: usize,
    /// What it keeps.
    pub pattern: Option<Pattern>,
    /// For how long, in milliseconds; `None` for ever.
    pub retention: Option<i64>,
    /// Whether an update has taken it away; kept for what was under way then.
    pub gone: bool,
}

/// Everything that is deployed.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// The files they were read from.
    files: Arc<Files>,
    /// The stack's name.
    pub stack: String,
    /// The parameters they were read with, beside the template's defaults.
    pub parameters: BTreeMap<String, String>,
    /// Every parameter of the root template, with the value it has.
    pub values: BTreeMap<String, String>,
    /// Every resource by its place.
    pub(crate) declared: Arc<Places>,
    /// The root stack's outputs.
    pub outputs: BTreeMap<String, String>,
    /// Tables by name.
    pub tables: Vec<String>,
    /// Their indexes.
    pub indexes: Vec<Index>,
    /// Topics by ARN.
    pub topics: Vec<String>,
    /// Groups of schedules by name.
    pub schedule_groups: Vec<String>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Event source mappings.
    pub mappings: Vec<Mapping>,
    /// Buses; the first is the account's default bus.
    pub buses: Vec<Bus>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Rules that run functions by the clock.
    pub schedules: Vec<Schedule>,
    /// State machines.
    pub machines: Vec<Machine>,
    /// Archives.
    pub archives: Vec<Archive>,
}

pub(crate) const FUNCTION: &str = "AWS::Serverless::Function";
pub(crate) const TABLE: &str = "AWS::DynamoDB::Table";
pub(crate) const TOPIC: &str = "AWS::SNS::Topic";
pub(crate) const SCHEDULE_GROUP: &str = "AWS::Scheduler::ScheduleGroup";
pub(crate) const QUEUE: &str = "AWS::SQS::Queue";
pub(crate) const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";
pub(crate) const MAPPING: &str = "AWS::Lambda::EventSourceMapping";
pub(crate) const BUS: &str = "AWS::Events::EventBus";
pub(crate) const RULE: &str = "AWS::Events::Rule";
pub(crate) const ARCHIVE: &str = "AWS::Events::Archive";
pub(crate) const MACHINE: &str = "AWS::StepFunctions::StateMachine";

/// What refers to nothing that is read here.
const SIMPLE: [&str; 5] = [TABLE, TOPIC, SCHEDULE_GROUP, FUNCTION, BUS];

type Read<T> = Result<T, DefinitionError>;

impl Definitions {
    /// What `files` deploy as a stack called `stack`, with `parameters` in
    /// place of the root template's defaults.
    ///
    /// # Errors
    /// [`DefinitionError`] naming the file or resource that AWS would refuse,
    /// or that the lab does not model.
    pub fn read(files: Files, stack: &str, parameters: &BTreeMap<String, String>) -> Read<Self> {
        Self::of(&Arc::new(files), stack, parameters)
    }

    /// What the same files deploy with other `parameters`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn with(&self, parameters: &BTreeMap<String, String>) -> Read<Self> {
        Self::of(&self.files, &self.stack, parameters)
    }

    fn of(files: &Arc<Files>, stack: &str, parameters: &BTreeMap<String, String>) -> Read<Self> {
        let stacks = family(files, stack, parameters)?;
        let mut this = Self {
            files: files.clone(),
            stack: stack.to_owned(),
            parameters: parameters.clone(),
            values: stacks[0].values(),
            declared: Arc::new(declared::read(&stacks, identify)?),
            outputs: stacks[0].outputs()?,
            tables: Vec::new(),
            indexes: Vec::new(),
            topics: Vec::new(),
            schedule_groups: Vec::new(),
            functions: Vec::new(),
            queues: Vec::new(),
            mappings: Vec::new(),
            buses: vec![Bus {
                name: DEFAULT_BUS.to_owned(),
                arn: format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{DEFAULT_BUS}"),
                gone: false,
            }],
            rules: Vec::new(),
            schedules: Vec::new(),
            machines: Vec::new(),
            archives: Vec::new(),
        };
        // What is referred to comes before what refers to it.
        this.each(&stacks, &SIMPLE, Self::simple)?;
        this.each(&stacks, &[QUEUE], Self::queue)?;
        this.each(&stacks, &[QUEUE], Self::redrive)?;
        this.each(&stacks, &[QUEUE_POLICY], Self::queue_policy)?;
        this.each(&stacks, &[MAPPING], Self::mapping)?;
        this.each(&stacks, &[RULE], Self::rule)?;
        this.each(&stacks, &[ARCHIVE], Self::archive)?;
        this.each(&stacks, &[MACHINE], Self::machine)?;
        Ok(this)
    }

    fn each(
        &mut self,
        stacks: &[Rc<Stack>],
        kinds: &[&str],
        take: impl Fn(&mut Self, &Stack, Resource) -> Read<()>,
    ) -> Read<()> {
        for stack in stacks {
            for resource in stack.resources(kinds)? {
                take(self, stack, resource)?;
            }
        }
        Ok(())
    }

    fn simple(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            kind,
            properties,
        } = resource;
        match kind.as_str() {
            TABLE => {
                let table = stack.reference(&logical)?;
                self.index(&table, &properties["GlobalSecondaryIndexes"])?;
                self.tables.push(table);
            }
            TOPIC => self.topics.push(stack.reference(&logical)?),
            SCHEDULE_GROUP => self.schedule_groups.push(stack.reference(&logical)?),
            BUS => self.buses.push(Bus {
                name: stack.reference(&logical)?,
                arn: stack.attribute(&logical, "Arn")?,
                gone: false,
            }),
            _ => {
                let uri = properties["CodeUri"].as_str().unwrap_or_default();
                let binary = uri.trim_end_matches('/').rsplit('/').next();
                // A service's sweep is its own binary, and the service's all the same.
                let service = binary.unwrap_or_default().trim_end_matches("-sweep");
                let variables = properties["Environment"]["Variables"].as_object();
                self.functions.push(Function {
                    name: stack.reference(&logical)?,
                    arn: stack.attribute(&logical, "Arn")?,
                    service: service.to_owned(),
                    // Lambda's own defaults: 3 s, 128 MB (CreateFunction API reference).
                    timeout: seconds(&properties["Timeout"], 3),
                    memory: number(&properties["MemorySize"]).unwrap_or(128) as u64,
                    environment: variables
                        .into_iter()
                        .flatten()
                        .map(|(k, v)| (k.clone(), text(v)))
                        .collect(),
                    gone: false,
                });
            }
        }
        Ok(())
    }

    fn index(&mut self, table: &str, written: &Value) -> Read<()> {
        for index in written.as_array().into_iter().flatten() {
            let keys = index["KeySchema"].as_array().map_or(&[][..], Vec::as_slice);
            let projects = index["Projection"]["ProjectionType"].as_str();
            let ([key], Some("KEYS_ONLY")) = (keys, projects) else {
                return Err(DefinitionError::new(
                    table,
                    "of indexes, those with one key are modelled that project KEYS_ONLY",
                ));
            };
            self.indexes.push(Index {
                table: table.to_owned(),
                name: text(&index["IndexName"]),
                attribute: text(&key["AttributeName"]),
            });
        }
        Ok(())
    }

    fn queue(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let name = stack.attribute(&logical, "QueueName")?;
        if properties["FifoQueue"] == true {
            return Err(DefinitionError::new(
                name,
                "FIFO queues are not modelled yet",
            ));
        }
        self.queues.push(Queue {
            arn: stack.attribute(&logical, "Arn")?,
            url: queue_url(&name),
            name,
            // SQS's own defaults: 30 s, 4 days, 0 s (SetQueueAttributes API reference).
            visibility: seconds(&properties["VisibilityTimeout"], 30),
            retention: seconds(&properties["MessageRetentionPeriod"], 345_600),
            delay: seconds(&properties["DelaySeconds"], 0),
            redrive: None,
            sources: Vec::new(),
            gone: false,
        });
        Ok(())
    }

    fn redrive(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let policy = &resource.properties["RedrivePolicy"];
        if let Some(arn) = policy["deadLetterTargetArn"].as_str() {
            let own = stack.attribute(&resource.logical, "Arn")?;
            let target = self.queue_at(&own, arn)?;
            let receives = number(&policy["maxReceiveCount"])
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| {
                    DefinitionError::new(&own, "RedrivePolicy without maxReceiveCount")
                })?;
            let at = self.queue_at(&own, &own)?;
            self.queues[at].redrive = Some((target, receives));
        }
        Ok(())
    }

    fn queue_policy(&mut self, _: &Stack, resource: Resource) -> Read<()> {
        let statements = &resource.properties["PolicyDocument"]["Statement"];
        for queue in resource.properties["Queues"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let url = text(queue);
            let Some(at) = self.queues.iter().position(|queue| queue.url == url) else {
                return Err(DefinitionError::new(
                    &resource.logical,
                    format!("no queue {url}"),
                ));
            };
            for statement in statements.as_array().into_iter().flatten() {
                let conditions = statement["Condition"].as_object();
                let patterns = conditions
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, of)| of["aws:SourceArn"].as_str());
                self.queues[at].sources.extend(patterns.map(str::to_owned));
            }
        }
        Ok(())
    }

    fn mapping(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let queue = self.queue_at(
            &logical,
            properties["EventSourceArn"].as_str().unwrap_or_default(),
        )?;
        let function = properties["FunctionName"].as_str().unwrap_or_default();
        let function = self
            .functions
            .iter()
            .position(|known| known.arn == function || known.name == function)
            .ok_or_else(|| DefinitionError::new(&logical, format!("no function {function}")))?;
        if number(&properties["MaximumBatchingWindowInSeconds"]).unwrap_or(0) > 0 {
            return Err(DefinitionError::new(
                &logical,
                "batching windows are not modelled: leave out MaximumBatchingWindowInSeconds",
            ));
        }
        let types = properties["FunctionResponseTypes"].as_array();
        self.mappings.push(Mapping {
            place: stack.place(&logical),
            queue,
            function,
            // Ten messages a batch; up to 1,250 pollers (Lambda developer guide, SQS event source).
            batch: number(&properties["BatchSize"]).unwrap_or(10) as usize,
            concurrency: number(&properties["ScalingConfig"]["MaximumConcurrency"]).unwrap_or(1_250)
                as usize,
            partial: types.is_some_and(|types| types.contains(&"ReportBatchItemFailures".into())),
            gone: false,
        });
        Ok(())
    }

    fn rule(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let arn = stack.attribute(&logical, "Arn")?;
        let wrong = |why: &dyn std::fmt::Display| DefinitionError::new(&arn, why);
        if let Some(written) = properties["ScheduleExpression"].as_str() {
            let every = period(written);
            let every = every.ok_or_else(|| {
                wrong(&format!(
                    "{written}: rate expressions are modelled, no others"
                ))
            })?;
            for target in properties["Targets"].as_array().into_iter().flatten() {
                let function = text(&target["Arn"]);
                if self.function(&function).is_none() {
                    return Err(wrong(&format!("no function {function}")));
                }
                self.schedules.push(Schedule {
                    name: text(&properties["Name"]),
                    arn: arn.clone(),
                    function,
                    every,
                });
            }
            return Ok(());
        }
        let bus = properties["EventBusName"].as_str().unwrap_or(DEFAULT_BUS);
        let bus = self
            .bus_named(bus)
            .ok_or_else(|| wrong(&format!("no bus {bus}")))?;
        let mut targets = Vec::new();
        for target in properties["Targets"].as_array().into_iter().flatten() {
            let at = target["Arn"].as_str().unwrap_or_default();
            let dead = target["DeadLetterConfig"]["Arn"].as_str();
            let map = target["InputTransformer"]["InputPathsMap"].as_object();
            let paths = map.into_iter().flat_map(|map| map.values());
            let paths = paths.chain(std::iter::once(&target["InputPath"]));
            targets.push(Target {
                id: text(&target["Id"]),
                arn: at.to_owned(),
                queue: self.queues.iter().position(|queue| queue.arn == at),
                input: TargetInput::from_target(target).map_err(|e| wrong(&e))?,
                paths: paths.filter_map(Value::as_str).map(str::to_owned).collect(),
                // 24 hours and 185 attempts (EventBridge user guide, eb-rule-retry-policy).
                max_age: seconds(&target["RetryPolicy"]["MaximumEventAgeInSeconds"], 86_400),
                max_attempts: number(&target["RetryPolicy"]["MaximumRetryAttempts"]).unwrap_or(185)
                    as u32,
                dead_letters: dead.map(|dead| self.queue_at(&arn, dead)).transpose()?,
            });
        }
        self.rules.push(Rule {
            name: text(&properties["Name"]),
            pattern: Pattern::from_value(&properties["EventPattern"]).map_err(|e| wrong(&e))?,
            written: properties["EventPattern"].clone(),
            bus,
            targets,
            arn,
            gone: false,
        });
        Ok(())
    }

    fn archive(&mut self, _: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let source = properties["SourceArn"].as_str().unwrap_or_default();
        let bus = self.buses.iter().position(|bus| bus.arn == source);
        let pattern = Some(&properties["EventPattern"]).filter(|pattern| !pattern.is_null());
        self.archives.push(Archive {
            name: text(&properties["ArchiveName"]),
            bus: bus.ok_or_else(|| DefinitionError::new(&logical, format!("no bus {source}")))?,
            pattern: pattern
                .map(Pattern::from_value)
                .transpose()
                .map_err(|e| DefinitionError::new(&logical, e))?,
            // 0 and none both mean for ever (CreateArchive API reference).
            retention: number(&properties["RetentionDays"])
                .filter(|days| *days > 0)
                .map(|days| days * 86_400_000),
            gone: false,
        });
        Ok(())
    }

    fn machine(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let arn = stack.attribute(&logical, "Arn")?;
        let wrong = |why: &dyn std::fmt::Display| DefinitionError::new(&arn, why);
        let path = properties["DefinitionS3Location"]
            .as_str()
            .unwrap_or_default();
        let definition = stack.file(path)?;
        let values = &properties["DefinitionSubstitutions"];
        let definition =
            substitute(definition, |name| values.get(name).map(text)).map_err(|missing| {
                wrong(&format!(
                    "{path}: nothing is put in for {}",
                    missing.join(", ")
                ))
            })?;
        let kind = match properties["StateMachineType"].as_str() {
            Some("EXPRESS") => MachineType::Express,
            _ => MachineType::Standard,
        };
        let machine = StateMachine::parse_as(&definition, kind).map_err(|findings| {
            wrong(&format!(
                "{path}: {}",
                findings
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            ))
        })?;
        self.machines.push(Machine {
            name: stack.attribute(&logical, "Name")?,
            role: text(&properties["RoleArn"]),
            machine: Arc::new(machine),
            arn,
            gone: false,
        });
        Ok(())
    }

    fn queue_at(&self, whose: &str, arn: &str) -> Read<usize> {
        let found = self.queues.iter().position(|queue| queue.arn == arn);
        found.ok_or_else(|| DefinitionError::new(whose, format!("no queue {arn}")))
    }

    /// The patterns of each bus, compiled together: of its rules, and of its
    /// archives that have one.
    pub(crate) fn matchers(&self) -> Vec<Matcher<Listener>> {
        let mut all = vec![Matcher::new(); self.buses.len()];
        for (at, rule) in self.rules.iter().enumerate().filter(|(_, it)| !it.gone) {
            all[rule.bus].add(Listener::Rule(at), &rule.pattern);
        }
        for (at, archive) in self.archives.iter().enumerate().filter(|(_, it)| !it.gone) {
            if let Some(pattern) = &archive.pattern {
                all[archive.bus].add(Listener::Archive(at), pattern);
            }
        }
        all
    }

    /// Whether a resource of this type is deployed, one that the lab does not
    /// model too.
    #[must_use]
    pub fn declares(&self, kind: &str) -> bool {
        self.declared.values().any(|declared| declared.kind == kind)
    }

    /// The function with this name or ARN.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<usize> {
        self.functions
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.name == name))
    }

    /// The queue with this name, ARN or URL.
    #[must_use]
    pub fn queue_named(&self, name: &str) -> Option<usize> {
        self.queues
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.url == name || it.name == name))
    }

    /// The state machine with this name or ARN.
    #[must_use]
    pub fn machine_named(&self, name: &str) -> Option<usize> {
        self.machines
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.name == name))
    }

    /// The bus with this name or ARN.
    #[must_use]
    pub fn bus_named(&self, name: &str) -> Option<usize> {
        self.buses
            .iter()
            .position(|it| !it.gone && (it.arn == name || it.name == name))
    }

    /// The archive with this name.
    #[must_use]
    pub fn archive_named(&self, name: &str) -> Option<usize> {
        self.archives
            .iter()
            .position(|it| !it.gone && it.name == name)
    }

    /// The indexes of the table with this name.
    pub fn indexes_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Index> {
        self.indexes
            .iter()
            .filter(move |index| index.table == table)
    }

    /// The archives that keep events.
    pub fn archives(&self) -> impl Iterator<Item = &Archive> {
        self.archives.iter().filter(|archive| !archive.gone)
    }

    /// The rules that listen.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !rule.gone)
    }

    /// The queues that dead letters end in: behind another queue, a target, or
    /// the schedules of a function.
    #[must_use]
    pub fn dead_letter_queues(&self) -> Vec<usize> {
        let behind = self
            .queues
            .iter()
            .filter(|queue| !queue.gone)
            .filter_map(|queue| queue.redrive.map(|(at, _)| at));
        let targets = self.rules().flat_map(|rule| &rule.targets);
        let functions = self.functions.iter().filter(|function| !function.gone);
        // What cannot be read was refused when the function was started.
        let schedules = functions.filter_map(|function| function.schedules().ok().flatten());
        let mut all: Vec<usize> = behind
            .chain(targets.filter_map(|target| target.dead_letters))
            .chain(schedules.filter_map(|kept| self.queue_named(&kept.dead_letters)))
            .filter(|at| !self.queues[*at].gone)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What tells a resource of a kind that the lab models from others of its kind.
fn identify(stack: &Stack, logical: &str, kind: &str) -> Option<Read<String>> {
    Some(match kind {
        TABLE | TOPIC | ARCHIVE | SCHEDULE_GROUP => stack.reference(logical),
        FUNCTION | QUEUE | BUS | RULE | MACHINE => stack.attribute(logical, "Arn"),
        MAPPING | QUEUE_POLICY => Ok(stack.place(logical)),
        _ => return None,
    })
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn seconds(value: &Value, otherwise: i64) -> i64 {
    number(value).unwrap_or(otherwise).saturating_mul(1_000)
}

/// The period of a rate expression, `rate(1 hour)`, in milliseconds (EventBridge
/// user guide, "Rate expressions").
fn period(expression: &str) -> Option<i64> {
    let inside = expression.strip_prefix("rate(")?.strip_suffix(')')?;
    let (count, unit) = inside.split_once(' ')?;
    let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
    let millis = match (unit, count) {
        ("minute", 1) | ("minutes", 2..) => 60_000,
        ("hour", 1) | ("hours", 2..) => 3_600_000,
        ("day", 1) | ("days", 2..) => 86_400_000,
        _ => return None,
    };
    count.checked_mul(millis)
}

/// Who gets the events of a bus that a pattern lets through, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Rule(usize),
    Archive(usize),
}

/// Whether `arn` fits `pattern`, in which `*` stands for any text (IAM's `ArnLike`).
pub(crate) fn is_like(pattern: &str, arn: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = arn.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Definitions {
        let parameters = parameters
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Definitions::read(bundled(), "duet", &parameters).unwrap()
    }

    #[test]
    fn the_deployed_templates_are_read() {
        let all = read(&[]);
        assert_eq!(
            (all.tables.len(), all.functions.len(), all.machines.len()),
            (10, 17, 4)
        );
        let order = &all.queues[all.queue_named("duet-order").unwrap()];
        assert_eq!((order.visibility, order.redrive.unwrap().1), (60_000, 31));
        let dead = &all.queues[order.redrive.unwrap().0];
        assert_eq!(
            (dead.name.as_str(), dead.retention),
            ("duet-order-dlq", 1_209_600_000)
        );
        let payment = &all.functions[all.function("duet-payment-queue").unwrap()];
        assert_eq!(
            (payment.service.as_str(), payment.timeout),
            ("payment", 10_000)
        );
        let carriers = &payment.environment["DUET_CARRIERS"];
        assert!(
            carriers.contains(r#""kind":"none","patience":60"#),
            "{carriers}"
        );
        assert_eq!(
            payment.environment["DUET_LEDGER_TABLE"],
            "duet-provider-ledger"
        );
        assert_eq!(all.outputs["OrderQueueUrl"], order.url);
        let urls: usize = [
            "OrchestrationDeadLetterQueues",
            "ChoreographyDeadLetterQueues",
            "TimersDeadLetterQueue",
        ]
        .map(|name| all.outputs[name].split(',').count())
        .iter()
        .sum();
        assert_eq!(all.dead_letter_queues().len(), urls);
    }

    #[test]
    fn whoever_is_refunded_is_told_of_any_amount_but_none() {
        let all = read(&[]);
        let rule = all.rules.iter();
        let mut rule = rule.filter(|rule| rule.name.ends_with("notification-PaymentRefunded"));
        let pattern = &rule.next().unwrap().pattern;
        let told = |amount: i64| {
            pattern.matches(&serde_json::json!({
                "source": "duet.payment",
                "detail-type": "PaymentRefunded",
                "detail": { "data": { "amount": { "amount": amount, "currency": "EUR" } } },
            }))
        };
        assert!(!told(0));
        assert!(told(1) && told(duet_core::money::MAX_AMOUNT));
    }

    #[test]
    fn every_rule_may_deliver_where_it_wants_to() {
        let all = read(&[]);
        for rule in &all.rules {
            for target in &rule.targets {
                let queue = &all.queues[target.queue.expect("a queue")];
                assert!(
                    queue
                        .sources
                        .iter()
                        .any(|source| is_like(source, &rule.arn)),
                    "{}",
                    rule.name
                );
            }
        }
    }

    #[test]
    fn parameters_choose_what_is_deployed() {
        let before = read(&[
            ("Fraud", "off"),
            ("TaskTimeoutSeconds", "5"),
            ("PatienceSeconds", "20"),
        ]);
        assert_eq!(before.machines[0].name, "duet-order-before-fraud");
        assert!(before.function("duet-fraud-queue").is_none());
        let order = &before.queues[before.queue_named("duet-order").unwrap()];
        assert_eq!((order.visibility, order.redrive.unwrap().1), (30_000, 31));
        assert_eq!(before.outputs["PatienceSeconds"], "20");
        let only = read(&[("WithOrchestration", "false")]);
        assert!(only.machines.is_empty() && !only.outputs.contains_key("OrderMachine"));
        for seconds in ["4", "76"] {
            let wrong = BTreeMap::from([("PatienceSeconds".to_owned(), seconds.to_owned())]);
            let refused = Definitions::read(bundled(), "duet", &wrong).unwrap_err();
            assert!(refused.to_string().contains("PatienceSeconds"), "{refused}");
        }
    }

    #[test]
    fn schedules_and_sparse_indexes_are_read() {
        let all = read(&[]);
        let schedules = all.schedules.iter().map(|schedule| {
            let function = all.function(&schedule.function).unwrap();
            (all.functions[function].name.as_str(), schedule.every)
        });
        let schedules: BTreeMap<_, _> = schedules.collect();
        let expected = [
            ("duet-order-sweep", 3_600_000),
            ("duet-records", 86_400_000),
        ];
        assert_eq!(schedules, expected.into());
        let indexes: Vec<_> = all.indexes_of("duet-order").collect();
        assert_eq!(indexes.len(), all.indexes.len());
        assert_eq!(indexes[0].attribute, "undecided_since");
        // What the function is told fits what is deployed, whatever that is.
        for given in [
            &[][..],
            &[("Fraud", "off")],
            &[("WithOrchestration", "false")],
            &[("WithChoreography", "false")],
        ] {
            let all = read(given);
            let function = &all.functions[all.function("duet-order-sweep").unwrap()];
            let ways: duet_edge::sweep::Ways =
                serde_json::from_str(&function.environment["DUET_SWEEP"]).unwrap();
            assert!(!ways.is_empty(), "{given:?}");
            for way in ways.values() {
                assert!(all.queue_named(&way.queue).is_some(), "{given:?}: {way:?}");
                for machine in &way.machines {
                    assert!(all.machine_named(machine).is_some(), "{given:?}: {machine}");
                }
            }
            let machines = ways.values().map(|way| way.machines.len()).sum::<usize>();
            let of_orders = |it: &&Machine| it.name.starts_with("duet-order");
            assert_eq!(machines, all.machines.iter().filter(of_orders).count());
        }
    }

    #[test]
    fn rates_are_read_as_eventbridge_does() {
        for (text, millis) in [
            ("rate(1 minute)", Some(60_000)),
            ("rate(2 hours)", Some(7_200_000)),
            ("rate(1 day)", Some(86_400_000)),
            ("rate(1 hours)", None),
            ("rate(2 hour)", None),
            ("rate(0 days)", None),
            ("cron(0 * * * ? *)", None),
        ] {
            assert_eq!(period(text), millis, "{text}");
        }
    }

    #[test]
    fn arns_are_compared_as_iam_does() {
        for (pattern, arn, fits) in [
            ("a:b", "a:b", true),
            ("a:b", "a:bc", false),
            ("a:*", "a:bc", true),
            ("a:*:d", "a:b:c:d", true),
            ("a:*:d", "a:b:c", false),
            ("*", "", true),
        ] {
            assert_eq!(is_like(pattern, arn), fits, "{pattern} {arn}");
        }
    }
}
