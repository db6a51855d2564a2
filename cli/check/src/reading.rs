//! Resources as mappings, rules and subscriptions, from both ways to write them.

use crate::model::{FUNCTIONS, Id, Mapping, Model, Rule, Subscription, Target};
use crate::node::{Kind, Member, Node};

impl Model {
    /// Reads what each resource says of who reads and who hears.
    pub(crate) fn read_resources(&mut self) {
        for id in 0..self.resources.len() {
            match self.resources[id].kind.as_str() {
                "AWS::Lambda::EventSourceMapping" => self.read_mapping(id),
                "AWS::Events::Rule" => self.read_rule(id),
                "AWS::SNS::Subscription" => self.read_subscription(id),
                "AWS::SNS::Topic" => self.read_topic(id),
                "AWS::Serverless::Function" | "AWS::Serverless::StateMachine" => {
                    self.read_events(id);
                }
                _ => {}
            }
        }
    }

    fn read_mapping(&mut self, id: Id) {
        let resource = &self.resources[id];
        let settings = resource.properties.clone();
        self.mappings.push(Mapping {
            id,
            line: resource.line,
            source: settings["EventSourceArn"].clone(),
            function: settings["FunctionName"].clone(),
            settings,
        });
    }

    fn read_rule(&mut self, id: Id) {
        let resource = &self.resources[id];
        let properties = &resource.properties;
        if is_off(properties) {
            return;
        }
        let targets = properties["Targets"].one_or_more().iter();
        let targets = targets.map(|it| Target {
            line: it.line,
            arn: it["Arn"].clone(),
            settings: it.clone(),
        });
        self.rules.push(Rule {
            id,
            line: resource.line,
            name: resource.place.clone(),
            bus: bus(&properties["EventBusName"]),
            pattern: properties["EventPattern"].clone(),
            targets: targets.collect(),
        });
    }

    fn read_subscription(&mut self, id: Id) {
        let resource = &self.resources[id];
        let settings = resource.properties.clone();
        self.subscriptions.push(Subscription {
            id,
            line: resource.line,
            protocol: settings["Protocol"].clone(),
            endpoint: settings["Endpoint"].clone(),
            settings,
        });
    }

    /// The subscriptions that a topic has in itself.
    fn read_topic(&mut self, id: Id) {
        let resource = &self.resources[id];
        let all = resource.properties["Subscription"].items().iter();
        let all = all.map(|it| Subscription {
            id,
            line: it.line,
            protocol: it["Protocol"].clone(),
            endpoint: it["Endpoint"].clone(),
            settings: it.clone(),
        });
        let all: Vec<_> = all.collect();
        self.subscriptions.extend(all);
    }

    /// The events that SAM has a function or a machine hear.
    fn read_events(&mut self, id: Id) {
        let resource = &self.resources[id];
        let arn = resource.arn.clone().unwrap_or_default();
        let own = Node::text(resource.line, arn);
        let events = resource.properties["Events"].members().to_vec();
        let place = resource.place.clone();
        for Member { name, line, value } in events {
            let settings = value["Properties"].clone();
            let source = |name: &str| settings[name].clone();
            match value["Type"].as_str().unwrap_or_default() {
                kind @ ("SQS" | "Kinesis" | "DynamoDB" | "MSK" | "MQ") => {
                    let source = source(if kind == "SQS" { "Queue" } else { "Stream" });
                    self.mappings.push(Mapping {
                        id,
                        line,
                        source,
                        function: own.clone(),
                        settings,
                    });
                }
                "EventBridgeRule" | "CloudWatchEvent" if is_off(&settings) => {}
                "EventBridgeRule" | "CloudWatchEvent" => self.rules.push(Rule {
                    id,
                    line,
                    name: format!("{place}.{name}"),
                    bus: bus(&settings["EventBusName"]),
                    pattern: source("Pattern"),
                    targets: vec![Target {
                        line,
                        arn: own.clone(),
                        settings,
                    }],
                }),
                // With a queue between, SAM makes that.
                "SNS" if settings["SqsSubscription"].is_null() => {
                    self.subscriptions.push(Subscription {
                        id,
                        line,
                        protocol: Node::text(line, "lambda"),
                        endpoint: own.clone(),
                        settings,
                    });
                }
                _ => {}
            }
        }
    }

    /// Who calls a function and does not wait for its answer, so that nobody
    /// notices when it fails: the resource, the line, the function, and the name of
    /// what calls it.
    pub(crate) fn calls_without_waiting(&self) -> Vec<(Id, usize, Id, String)> {
        let mut calls = Vec::new();
        let function = |named: &Node| self.named_as(named, &FUNCTIONS);
        let rules = self.rules.iter().filter(|rule| !rule.pattern.is_null());
        for rule in rules {
            let targets = rule.targets.iter();
            calls.extend(targets.filter_map(|it| {
                let function = function(&it.arn)?;
                Some((rule.id, it.line, function, rule.name.clone()))
            }));
        }
        for it in &self.subscriptions {
            if it.protocol.as_str() == Some("lambda") {
                let place = self.resources[it.id].place.clone();
                calls.extend(function(&it.endpoint).map(|to| (it.id, it.line, to, place)));
            }
        }
        for (id, bucket) in self.of_kind("AWS::S3::Bucket") {
            let told = &bucket.properties["NotificationConfiguration"]["LambdaConfigurations"];
            for it in told.items() {
                let place = bucket.place.clone();
                calls.extend(function(&it["Function"]).map(|to| (id, it.line, to, place)));
            }
        }
        for (id, function) in self.of_kind("AWS::Serverless::Function") {
            let events = function.properties["Events"].members().iter();
            let of_bucket = events.filter(|it| it.value["Type"].as_str() == Some("S3"));
            calls.extend(of_bucket.map(|it| (id, it.line, id, it.name.clone())));
        }
        calls
    }

    /// Where what a function fails to do goes, when nobody waits for it: nothing,
    /// if it is dropped.
    pub(crate) fn on_failure(&self, function: Id) -> Node {
        let properties = &self.resources[function].properties;
        let own = [
            &properties["DeadLetterQueue"],
            &properties["DeadLetterConfig"],
            &properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"],
        ];
        let apart = self.of_kind("AWS::Lambda::EventInvokeConfig");
        let apart = apart.filter(|(_, it)| {
            self.named_as(&it.properties["FunctionName"], &FUNCTIONS) == Some(function)
        });
        let apart = apart.map(|(_, it)| &it.properties["DestinationConfig"]["OnFailure"]);
        let mut all = own.into_iter().chain(apart);
        all.find(|it| !it.is_null()).cloned().unwrap_or_default()
    }
}

/// Whether a rule is there and does nothing.
fn is_off(rule: &Node) -> bool {
    rule["State"].as_str() == Some("DISABLED") || rule["Enabled"].to_json() == false
}

/// The bus that a rule is on, by its name.
pub(crate) fn bus(named: &Node) -> Node {
    let line = named.line;
    let name = |text: &str| match text.split_once(":event-bus/") {
        Some((_, name)) => name.to_owned(),
        None => text.to_owned(),
    };
    match &named.kind {
        Kind::Null => Node::text(line, "default"),
        Kind::Text(text) => Node::text(line, name(text)),
        Kind::Unknown(text) => Node::unknown(line, name(text)),
        _ => named.clone(),
    }
}
