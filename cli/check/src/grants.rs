//! Who may do what: the policies of roles and of SAM's functions.

use crate::model::{Id, Model};
use crate::node::{Kind, Node};
use crate::reading;

/// A statement of a policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'m> {
    /// The resource that has it.
    pub(crate) id: Id,
    pub(crate) body: &'m Node,
}

/// The managed policies of AWS that let nobody put events; of others it is not
/// known.
const SILENT: [&str; 10] = [
    "AWSLambda",
    "AWSXRay",
    "AWSXray",
    "AmazonDynamoDB",
    "AmazonS3",
    "AmazonSQS",
    "AmazonSNS",
    "CloudWatchLambda",
    "CloudWatchLogs",
    "SecretsManager",
];

impl Model {
    /// Every statement of every policy that allows something to somebody here.
    pub(crate) fn statements(&self) -> Vec<Statement<'_>> {
        let mut all = Vec::new();
        for (id, it) in self.resources.iter().enumerate() {
            let properties = &it.properties;
            let documents: Vec<&Node> = match it.kind.as_str() {
                "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy" => {
                    vec![&properties["PolicyDocument"]]
                }
                "AWS::IAM::Role" => documents(&properties["Policies"]),
                "AWS::Serverless::Function" | "AWS::Serverless::StateMachine" => {
                    properties["Policies"].one_or_more().iter().collect()
                }
                _ => continue,
            };
            let bodies = documents
                .into_iter()
                .flat_map(|it| it["Statement"].one_or_more());
            all.extend(bodies.map(|body| Statement { id, body }));
        }
        all
    }

    /// Whether a function may put events on a bus, if that is known.
    pub(crate) fn puts_events(&self, function: Id) -> Option<bool> {
        let policies = &self.resources[function].properties["Policies"];
        let templates = policies.one_or_more().iter().flat_map(Node::members);
        if templates
            .into_iter()
            .any(|it| it.name == "EventBridgePutEventsPolicy")
        {
            return Some(true);
        }
        let grants = self.grants_of(function)?;
        let unknown = grants.iter().any(|it| {
            it["Action"].has_unknown() || (it["Action"].is_null() && !it["NotAction"].is_null())
        });
        let some = grants.iter().any(|it| allows_putting(it));
        (some || !unknown).then_some(some)
    }

    /// Whether somebody may put events on the bus called `bus`, if that is known.
    pub(crate) fn puts_events_on(&self, by: Id, bus: &Node) -> Option<bool> {
        let policies = &self.resources[by].properties["Policies"];
        let templates = policies.one_or_more().iter().flat_map(Node::members);
        let by_sam = templates.filter(|it| it.name == "EventBridgePutEventsPolicy");
        let by_sam = by_sam.map(|it| it.value["EventBusName"].clone());
        let granted = self.grants_of(by)?.into_iter();
        let granted = granted.filter(|it| allows_putting(it));
        let granted = granted.flat_map(|it| it["Resource"].one_or_more());
        let mut may = Some(false);
        for on in granted.map(reading::bus).chain(by_sam) {
            if on.scalar() == bus.scalar() {
                return Some(true);
            }
            let on = on.as_str().filter(|it| !it.contains('*'));
            if on.is_none() || bus.as_str().is_none() {
                may = None;
            }
        }
        may
    }

    /// The statements of the role of a function or machine, or its own; `None` if
    /// not all of them are known.
    pub(crate) fn grants_of(&self, function: Id) -> Option<Vec<&Node>> {
        // A connector grants what its ends need.
        let apart = self.of_kind("AWS::Serverless::Connector").next();
        if apart.is_some() || self.resources[function].is_connected {
            return None;
        }
        let properties = &self.resources[function].properties;
        let roles = [&properties["Role"], &properties["RoleArn"]];
        let Some(role) = roles.into_iter().find(|it| !it.is_null()) else {
            return self.attached(&properties["Policies"]);
        };
        let role = self.named_as(role, &["AWS::IAM::Role"])?;
        let role = &self.resources[role];
        let mut all = Vec::new();
        for document in documents(&role.properties["Policies"]) {
            all.extend(document["Statement"].one_or_more());
        }
        all.extend(self.attached(&role.properties["ManagedPolicyArns"])?);
        for kind in [
            "AWS::IAM::Policy",
            "AWS::IAM::ManagedPolicy",
            "AWS::IAM::RolePolicy",
        ] {
            for (_, policy) in self.of_kind(kind) {
                let properties = &policy.properties;
                // Whose it is only deployment knows.
                if properties["Roles"].has_unknown() {
                    return None;
                }
                let roles = properties["Roles"].items().iter();
                let mut names = roles.chain([&properties["RoleName"]]);
                if names.any(|it| it.scalar().as_ref() == Some(&role.reference)) {
                    all.extend(properties["PolicyDocument"]["Statement"].one_or_more());
                }
            }
        }
        Some(all)
    }

    /// The statements of policies that are named, written out, or made by SAM.
    fn attached<'m>(&'m self, policies: &'m Node) -> Option<Vec<&'m Node>> {
        let mut all = Vec::new();
        for policy in policies.one_or_more() {
            match &policy.kind {
                Kind::Map(_) if !policy["Statement"].is_null() => {
                    all.extend(policy["Statement"].one_or_more());
                }
                // A policy template of SAM.
                Kind::Map(_) => {}
                Kind::Text(name) => match self.named_as(policy, &["AWS::IAM::ManagedPolicy"]) {
                    Some(id) => {
                        let document = &self.resources[id].properties["PolicyDocument"];
                        all.extend(document["Statement"].one_or_more());
                    }
                    None => {
                        let name = name.rsplit('/').next().unwrap_or_default();
                        let is_silent = SILENT.iter().any(|it| name.starts_with(it));
                        is_silent.then_some(())?;
                    }
                },
                _ => return None,
            }
        }
        Some(all)
    }
}

/// The documents of a list of inline policies.
fn documents(policies: &Node) -> Vec<&Node> {
    let all = policies.items().iter();
    all.map(|it| &it["PolicyDocument"]).collect()
}

/// Whether a statement lets somebody put events on a bus.
pub(crate) fn allows_putting(statement: &Node) -> bool {
    let actions = statement["Action"].one_or_more().iter();
    let mut actions = actions.filter_map(Node::as_str);
    let is_allowed = statement["Effect"].as_str() == Some("Allow");
    is_allowed && actions.any(|it| is_like(&it.to_ascii_lowercase(), "events:putevents"))
}

/// Whether `text` is what `pattern` says, whose `*` stands for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let tails = (0..=rest.len()).filter_map(|at| rest.get(at..));
            after.is_empty() || tails.into_iter().any(|tail| is_like(after, tail))
        }),
    }
}
