//! What a request asks for, and whether policies allow it: as much of IAM as the
//! people's policies use.

use std::collections::BTreeSet;
use std::fmt;

use duet_lab::{bundled, deployed};
use serde_json::Value;

use crate::harness::STACK;

/// One right that a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Such as `sqs:SendMessage`.
    pub(super) action: String,
    /// What is asked, without partition, service, region and account: as in the
    /// last part of an ARN.
    resource: String,
    /// The partition keys of the items it is about, where it writes some.
    keys: Vec<String>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} on {} {}",
            self.action,
            self.resource,
            self.keys.join(" ")
        )
    }
}

impl Asked {
    fn new(action: String, resource: impl Into<String>) -> Self {
        Self {
            action,
            resource: resource.into(),
            keys: Vec::new(),
        }
    }

    /// Of Lambda's REST API.
    pub(super) fn of_lambda(method: &str, path: &str) -> Vec<Self> {
        let mut parts = path
            .split(['/', '?'])
            .skip_while(|part| *part != "functions");
        let function = parts.nth(1).unwrap_or_default().replace("%3A", ":");
        let name = function.rsplit(':').next().unwrap_or_default().to_owned();
        let action = match (method, parts.next()) {
            ("POST", Some("invocations")) => "InvokeFunction",
            ("GET", Some("configuration")) => "GetFunctionConfiguration",
            ("PUT", Some("configuration")) => "UpdateFunctionConfiguration",
            other => panic!("{other:?} of {path}: which action is that?"),
        };
        vec![Self::new(
            format!("lambda:{action}"),
            format!("function:{name}"),
        )]
    }

    /// Of a service that is asked by forms.
    pub(super) fn of_query(service: &str, form: &str) -> Vec<Self> {
        let field = |name: &str| {
            let mut fields = form.split('&').filter_map(|field| field.split_once('='));
            let value = fields.find(|(key, _)| *key == name).map(|(_, value)| value);
            value.unwrap_or_default().replace("%3A", ":")
        };
        let action = format!("{service}:{}", field("Action"));
        let resource = match service {
            "sts" => "*".to_owned(),
            "cloudformation" => format!("stack/{}/1", field("StackName")),
            _ => {
                let arn = [field("TopicArn"), field("SubscriptionArn")].concat();
                arn.splitn(6, ':').last().unwrap_or_default().to_owned()
            }
        };
        vec![Self::new(action, resource)]
    }

    /// Of a service that is asked by JSON.
    pub(super) fn of_json(service: &str, operation: &str, body: &Value) -> Vec<Self> {
        match service {
            "dynamodb" => of_tables(operation, body),
            "sqs" => of_queues(operation, body),
            "states" => vec![Self::new(
                format!("states:{operation}"),
                last_of(body, &["stateMachineArn", "executionArn"]),
            )],
            "logs" => vec![Self::new(
                format!("logs:{operation}"),
                format!(
                    "log-group:{}:",
                    body["logGroupName"].as_str().unwrap_or_default()
                ),
            )],
            "events" => of_events(operation, body),
            other => panic!("{other}:{operation}: which rights does that take?"),
        }
    }
}

/// The last part of the first ARN among `members`.
fn last_of(body: &Value, members: &[&str]) -> String {
    let arn = members.iter().find_map(|member| body[*member].as_str());
    let arn = arn.unwrap_or_default();
    arn.splitn(6, ':').last().unwrap_or_default().to_owned()
}

fn of_tables(operation: &str, body: &Value) -> Vec<Asked> {
    let of = |action: &str, table: &Value| {
        let table = table.as_str().unwrap_or_default();
        Asked::new(format!("dynamodb:{action}"), format!("table/{table}"))
    };
    let written = |action: &str, write: &Value| {
        let key = |item: &Value| item["pk"]["S"].as_str().map(str::to_owned);
        Asked {
            keys: [&write["Item"], &write["Key"]]
                .into_iter()
                .filter_map(key)
                .collect(),
            ..of(action, &write["TableName"])
        }
    };
    match operation {
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            let tables = tables.map(|(table, _)| of(operation, &Value::from(table.as_str())));
            tables.collect()
        }
        // Each write in a transaction takes the action of its own.
        "TransactWriteItems" => {
            let items = body["TransactItems"].as_array().into_iter().flatten();
            let items = items.map(|item| match item.get("Put") {
                Some(put) => written("PutItem", put),
                None => written("UpdateItem", &item["Update"]),
            });
            items.collect()
        }
        "PutItem" | "UpdateItem" => vec![written(operation, body)],
        _ => {
            let mut asked = of(operation, &body["TableName"]);
            if let Some(index) = body["IndexName"].as_str() {
                asked.resource = format!("{}/index/{index}", asked.resource);
            }
            vec![asked]
        }
    }
}

fn of_queues(operation: &str, body: &Value) -> Vec<Asked> {
    let url = body["QueueUrl"].as_str().unwrap_or_default();
    let name = url.rsplit('/').next().filter(|name| !name.is_empty());
    let name = name.or_else(|| body["QueueName"].as_str()).unwrap_or("*");
    // A batch takes the action of what is in it.
    let action = operation.trim_end_matches("Batch");
    let mut asked = vec![Asked::new(format!("sqs:{action}"), name)];
    if operation == "CreateQueue" && !body["tags"].is_null() {
        asked.push(Asked::new("sqs:TagQueue".to_owned(), name));
    }
    asked
}

fn of_events(operation: &str, body: &Value) -> Vec<Asked> {
    let word = |member: &str| body[member].as_str().unwrap_or_default();
    let of = |action: &str, resource: String| Asked::new(format!("events:{action}"), resource);
    match operation {
        "PutEvents" => {
            let entries = body["Entries"].as_array().into_iter().flatten();
            let buses: BTreeSet<_> = entries.map(|it| it["EventBusName"].to_string()).collect();
            let buses = buses.into_iter();
            buses
                .map(|bus| of(operation, format!("event-bus/{}", bus.trim_matches('"'))))
                .collect()
        }
        "ListRules" => vec![of(operation, "*".to_owned())],
        "DescribeArchive" => vec![of(operation, format!("archive/{}", word("ArchiveName")))],
        _ => {
            let rule = [word("Name"), word("Rule")].concat();
            let rule = format!("rule/{}/{rule}", word("EventBusName"));
            let tagged = operation == "PutRule" && !body["Tags"].is_null();
            let tag = tagged.then(|| of("TagResource", rule.clone()));
            std::iter::once(of(operation, rule)).chain(tag).collect()
        }
    }
}

/// Statements that allow something.
#[derive(Debug, Clone)]
pub(super) struct Policies(Vec<Value>);

impl Policies {
    /// Of the people who are called so in `infra/people.yaml`.
    pub(super) fn of(people: &[&str]) -> Self {
        let kinds = ["AWS::IAM::ManagedPolicy"];
        let all = deployed(
            &bundled(),
            STACK,
            &std::collections::BTreeMap::new(),
            &kinds,
        )
        .unwrap();
        let statements = people.iter().flat_map(|name| {
            let place = format!("People/{name}");
            let policy = all.iter().find(|one| one.place == place);
            let policy = policy.unwrap_or_else(|| panic!("there is no policy {place}"));
            let statements = &policy.properties["PolicyDocument"]["Statement"];
            statements.as_array().unwrap().clone()
        });
        Self(statements.collect())
    }

    /// Every action that they allow.
    pub(super) fn actions(&self) -> BTreeSet<String> {
        let all = self
            .0
            .iter()
            .flat_map(|statement| list(&statement["Action"]));
        all.map(str::to_owned).collect()
    }

    /// Whether they allow it. What needs no right, such as asking who one is, is
    /// always allowed.
    pub(super) fn allow(&self, asked: &Asked) -> bool {
        asked.action == "sts:GetCallerIdentity"
            || self.0.iter().any(|statement| allows(statement, asked))
    }
}

fn allows(statement: &Value, asked: &Asked) -> bool {
    assert_eq!(statement["Effect"], "Allow");
    let is_action = list(&statement["Action"]).any(|action| action == asked.action);
    // What has no resource is allowed on all of them only.
    let is_resource = list(&statement["Resource"]).any(|resource| match resource {
        "*" => true,
        _ if asked.resource == "*" => false,
        arn => fits(
            arn.splitn(6, ':').last().unwrap_or_default(),
            &asked.resource,
        ),
    });
    let keys = match &statement["Condition"] {
        Value::Null => true,
        condition => {
            let patterns = &condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            assert!(
                patterns.is_array(),
                "a condition nobody knows here: {condition}"
            );
            asked
                .keys
                .iter()
                .all(|key| list(patterns).any(|pattern| fits(pattern, key)))
        }
    };
    is_action && is_resource && keys
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str().into_iter();
    one.chain(
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str),
    )
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            let Some(rest) = text.strip_prefix(before) else {
                return false;
            };
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| fits(after, &rest[at..]))
        }
    }
}

#[test]
fn a_policy_allows_what_it_says_and_nothing_else() {
    let policies = Policies::of(&["Operator"]);
    let put = |table: &str, key: &str| Asked {
        keys: vec![key.to_owned()],
        ..Asked::new(
            "dynamodb:PutItem".to_owned(),
            format!("table/{STACK}-{table}"),
        )
    };
    assert!(policies.allow(&put("order", "operator#o-1")));
    assert!(!policies.allow(&put("order", "o-1")));
    assert!(!policies.allow(&put("payment", "operator#o-1")));
    let send = |queue: &str| Asked::new("sqs:SendMessage".to_owned(), queue);
    assert!(policies.allow(&send(&format!("{STACK}-order"))));
    assert!(!policies.allow(&send("payroll")));
    let list = |resource: &str| Asked::new("sqs:ListQueues".to_owned(), resource);
    assert!(policies.allow(&list("*")));
}
