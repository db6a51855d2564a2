//! What a template and those nested in it deploy, in the terms of the rules: SAM's
//! shorthands and plain CloudFormation are the same here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::definition::Machine;
use crate::node::Node;
use crate::template::{Child, Read, Stack};

/// Which of the model's resources.
pub(crate) type Id = usize;

/// All that is deployed.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) resources: Vec<Resource>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) machines: Vec<Machine>,
    /// What could not be read: whose it is, the line, and why.
    pub(crate) unread: Vec<(Id, usize, String)>,
    /// Names and ARNs. A name may be that of several resources, of several types.
    called: BTreeMap<String, Vec<Id>>,
}

/// A resource.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Its logical id, after those of the stacks it is in.
    pub(crate) place: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) kind: String,
    pub(crate) properties: Node,
    pub(crate) metadata: Node,
    /// Whether SAM's connectors grant it more than its policies do.
    pub(crate) is_connected: bool,
    /// Whether it is deployed depends on what is not known.
    pub(crate) is_doubtful: bool,
    /// What `Ref` gives for it.
    pub(crate) reference: String,
    /// Its ARN, of the types whose ARN is known.
    pub(crate) arn: Option<String>,
}

/// A function reads a queue or a stream.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) id: Id,
    pub(crate) line: usize,
    pub(crate) source: Node,
    pub(crate) function: Node,
    /// The mapping's settings.
    pub(crate) settings: Node,
}

/// A rule of a bus.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Id,
    pub(crate) line: usize,
    /// What people call it.
    pub(crate) name: String,
    /// The name of its bus.
    pub(crate) bus: Node,
    /// Nothing for a schedule.
    pub(crate) pattern: Node,
    pub(crate) targets: Vec<Target>,
}

/// Where a rule sends what it takes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) line: usize,
    pub(crate) arn: Node,
    pub(crate) settings: Node,
}

/// A subscription of a topic.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: Id,
    pub(crate) line: usize,
    pub(crate) protocol: Node,
    pub(crate) endpoint: Node,
    pub(crate) settings: Node,
}

impl Model {
    /// The model of the template at `path`.
    ///
    /// # Errors
    /// Why it is no template, or takes no such parameter.
    pub(crate) fn of(
        path: &Path,
        read: Read<'_>,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let mut model = Self::default();
        model.add_stack(&Stack::root(path, read, parameters)?);
        model.read_resources();
        Ok(model)
    }

    fn add_stack(&mut self, stack: &Stack<'_>) {
        let mut nested = Vec::new();
        for declared in stack.resources() {
            let id = self.resources.len();
            let logical = declared.logical.as_str();
            let text = |node: Node| node.scalar().unwrap_or_default();
            self.resources.push(Resource {
                place: format!("{}{logical}", stack.place),
                file: stack.path.display().to_string(),
                line: declared.line,
                kind: declared.kind,
                properties: declared.properties,
                metadata: declared.metadata,
                is_connected: declared.is_connected,
                is_doubtful: declared.is_doubtful,
                reference: text(stack.reference_of(logical)),
                arn: stack.arn(logical).map(text),
            });
            let resource = &self.resources[id];
            for name in [Some(&resource.reference), resource.arn.as_ref()] {
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    self.called.entry(name.clone()).or_default().push(id);
                }
            }
            match resource.kind.as_str() {
                "AWS::CloudFormation::Stack" | "AWS::Serverless::Application" => {
                    nested.push((id, logical.to_owned()));
                }
                "AWS::StepFunctions::StateMachine" | "AWS::Serverless::StateMachine" => {
                    match Machine::of(id, resource, stack) {
                        Ok(machine) => self.machines.push(machine),
                        Err(why) => self.unread.push((id, resource.line, why)),
                    }
                }
                "" if logical.starts_with("Fn::") => {
                    let why = format!("{logical} makes resources that are not known here");
                    self.unread.push((id, resource.line, why));
                }
                _ => {}
            }
        }
        for (id, logical) in nested {
            match stack.child(&logical) {
                Child::Here(child) => self.add_stack(&child),
                Child::Elsewhere(why) => {
                    let line = self.resources[id].line;
                    self.unread.push((id, line, why));
                }
            }
        }
    }

    /// The resources that `value` names: by `Ref`, by their ARN, or by an ARN that
    /// says which alias or version.
    fn all_named(&self, value: &Node) -> &[Id] {
        let Some(text) = value.scalar() else {
            return &[];
        };
        let known = |text: &str| self.called.get(text).map(Vec::as_slice);
        let is_function = text.starts_with("arn:") && text.contains(":lambda:");
        let whole: Vec<&str> = text.split(':').take(7).collect();
        let function = || known(&whole.join(":")).filter(|_| is_function);
        known(&text).or_else(function).unwrap_or_default()
    }

    /// The resource that `value` names.
    pub(crate) fn named(&self, value: &Node) -> Option<Id> {
        self.all_named(value).first().copied()
    }

    /// The resource of one of `kinds` that `value` names.
    pub(crate) fn named_as(&self, value: &Node, kinds: &[&str]) -> Option<Id> {
        let is_kind = |id: &&Id| kinds.contains(&self.resources[**id].kind.as_str());
        self.all_named(value).iter().find(is_kind).copied()
    }

    /// The functions, wherever they are declared.
    pub(crate) fn functions(&self) -> impl Iterator<Item = Id> {
        let all = self.resources.iter().enumerate();
        let functions = all.filter(|(_, it)| FUNCTIONS.contains(&it.kind.as_str()));
        functions.map(|(id, _)| id)
    }

    /// The resources of a type.
    pub(crate) fn of_kind<'m>(&'m self, kind: &'m str) -> impl Iterator<Item = (Id, &'m Resource)> {
        let all = self.resources.iter().enumerate();
        all.filter(move |(_, it)| it.kind == kind)
    }

    /// The functions and machines that get what is sent to `target`: itself, or
    /// those that read it, if it is a queue. `None` if that is not known.
    pub(crate) fn behind(&self, target: &Node) -> Option<Vec<Id>> {
        let id = self.named(target)?;
        if self.resources[id].kind != QUEUE {
            return Some(vec![id]);
        }
        let readers = self.mappings.iter();
        let readers = readers.filter(|it| self.named(&it.source) == Some(id));
        let functions = readers.filter_map(|it| self.named_as(&it.function, &FUNCTIONS));
        Some(functions.collect())
    }
}

/// The type of queues.
pub(crate) const QUEUE: &str = "AWS::SQS::Queue";
/// The types of functions.
pub(crate) const FUNCTIONS: [&str; 2] = ["AWS::Serverless::Function", "AWS::Lambda::Function"];
