//! Definitions read from the templates: each kind of resource by its own rule.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use duet_pattern::{Pattern, TargetInput};
use serde_json::Value;

use super::{
    ACTIVITY, ALIAS, ARCHIVE, Archive, BUS, Bus, DEFAULT_BUS, Definitions, FUNCTION, Function,
    Index, MACHINE, MAPPING, Mapping, QUEUE, QUEUE_POLICY, Queue, RULE, Rule, SCHEDULE_GROUP,
    SUBSCRIPTION, Schedule, Subscription, TABLE, TOPIC, Target, VERSION,
};
use crate::declared;
use crate::deployed::family;
use crate::fifo::is_fifo;
use crate::template::{ACCOUNT, DefinitionError, Files, REGION, Resource, Stack, queue_url, text};

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

/// What refers to nothing that is read here.
const SIMPLE: [&str; 5] = [TABLE, TOPIC, SCHEDULE_GROUP, FUNCTION, BUS];

pub(super) type Read<T> = Result<T, DefinitionError>;

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
            topic_archives: BTreeMap::new(),
            subscriptions: Vec::new(),
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
            released: Vec::new(),
            activities: Vec::new(),
            archives: Vec::new(),
        };
        // What is referred to comes before what refers to it.
        this.each(&stacks, &SIMPLE, Self::simple)?;
        this.each(&stacks, &[QUEUE], Self::queue)?;
        this.each(&stacks, &[QUEUE], Self::redrive)?;
        this.each(&stacks, &[QUEUE_POLICY], Self::queue_policy)?;
        this.each(&stacks, &[MAPPING], Self::mapping)?;
        this.each(&stacks, &[RULE], Self::rule)?;
        this.each(&stacks, &[SUBSCRIPTION], Self::subscription)?;
        this.each(&stacks, &[ARCHIVE], Self::archive)?;
        this.each(&stacks, &[ACTIVITY], Self::activity)?;
        this.each(&stacks, &[MACHINE], Self::machine)?;
        this.each(&stacks, &[VERSION], Self::version)?;
        this.each(&stacks, &[ALIAS], Self::alias)?;
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
            TOPIC => {
                let topic = stack.reference(&logical)?;
                in_order(&topic, &properties, "FifoTopic")?;
                let kept = number(&properties["ArchivePolicy"]["MessageRetentionPeriod"]);
                if let Some(days) = kept {
                    if !is_fifo(&topic) {
                        let why = "FIFO topics alone keep what is published (ArchivePolicy)";
                        return Err(DefinitionError::new(&topic, why));
                    }
                    self.topic_archives.insert(topic.clone(), days * DAY);
                }
                self.topics.push(topic);
            }
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
        in_order(&name, &properties, "FifoQueue")?;
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

    fn subscription(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let place = stack.place(&logical);
        let wrong = |why: &dyn std::fmt::Display| DefinitionError::new(&place, why);
        let raw = is_true(&properties["RawMessageDelivery"]);
        let scope = properties["FilterPolicyScope"].as_str();
        let by_attributes = scope.is_none_or(|scope| scope == "MessageAttributes");
        if properties["Protocol"] != "sqs" || !by_attributes {
            return Err(wrong(
                &"of subscriptions, those of queues are modelled that filter by attributes",
            ));
        }
        let written = &properties["FilterPolicy"];
        let filter = Some(written).filter(|it| !it.is_null());
        let endpoint = text(&properties["Endpoint"]);
        let dead = properties["RedrivePolicy"]["deadLetterTargetArn"].as_str();
        let dead_letters = dead.map(|dead| self.queue_at(&place, dead)).transpose()?;
        self.subscriptions.push(Subscription {
            name: logical.as_str().into(),
            topic: text(&properties["TopicArn"]),
            queue: self.queues.iter().position(|it| it.arn == endpoint),
            endpoint,
            raw,
            filter: filter
                .map(Pattern::from_value)
                .transpose()
                .map_err(|e| wrong(&e))?,
            written: written.clone(),
            before: None,
            holds_from: 0,
            dead_letters,
            gone: false,
            place,
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
                .map(|days| days * DAY),
            gone: false,
        });
        Ok(())
    }

    fn queue_at(&self, whose: &str, arn: &str) -> Read<usize> {
        let found = self.queues.iter().position(|queue| queue.arn == arn);
        found.ok_or_else(|| DefinitionError::new(whose, format!("no queue {arn}")))
    }
}

/// What tells a resource of a kind that the lab models from others of its kind.
fn identify(stack: &Stack, logical: &str, kind: &str) -> Option<Read<String>> {
    Some(match kind {
        TABLE | TOPIC | ARCHIVE | SCHEDULE_GROUP => stack.reference(logical),
        FUNCTION | QUEUE | BUS | RULE | MACHINE => stack.attribute(logical, "Arn"),
        MAPPING | QUEUE_POLICY | SUBSCRIPTION => Ok(stack.place(logical)),
        _ => return None,
    })
}

/// Whether `value` is true: the document's own, or text.
fn is_true(value: &Value) -> bool {
    *value == true || *value == "true"
}

pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Whether `name` ends as a FIFO topic's or queue's does exactly where `member` says that it
/// is one; that it takes no deduplication ids of AWS's own making.
fn in_order(name: &str, properties: &Value, member: &str) -> Read<()> {
    if (properties[member] == true) != is_fifo(name) {
        let why = format!("a name ends with .fifo where {member} is true, and only there");
        return Err(DefinitionError::new(name, why));
    }
    if properties["ContentBasedDeduplication"] == true {
        let why = "content-based deduplication is not modelled: every message says its id";
        return Err(DefinitionError::new(name, why));
    }
    Ok(())
}

fn seconds(value: &Value, otherwise: i64) -> i64 {
    number(value).unwrap_or(otherwise).saturating_mul(1_000)
}

/// The period of a rate expression, `rate(1 hour)`, in milliseconds (EventBridge
/// user guide, "Rate expressions").
pub(super) fn period(expression: &str) -> Option<i64> {
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
