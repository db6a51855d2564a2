//! What resources are called: by `Ref`, `Fn::GetAtt`, and in ARNs that others
//! write by hand.
//!
//! Source: the CloudFormation template reference, "Return values" of each type.

use super::Stack;
use crate::node::Node;

/// The account that a stack is thought to be in.
pub(super) const ACCOUNT: &str = "123456789012";
/// The region that a stack is thought to be in.
pub(super) const REGION: &str = "us-east-1";

/// What `Ref` gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ByRef {
    Name,
    Arn,
    Url,
}

/// How a type is called: the property with the name, the service and what comes
/// before the name in its ARN, the attribute that is its ARN, what `Ref` gives.
type Called = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    ByRef,
);

fn called(kind: &str) -> Option<Called> {
    use ByRef::{Arn, Name, Url};
    Some(match kind {
        "AWS::Serverless::Function" | "AWS::Lambda::Function" => {
            ("FunctionName", "lambda", "function:", "Arn", Name)
        }
        "AWS::SQS::Queue" => ("QueueName", "sqs", "", "Arn", Url),
        "AWS::SNS::Topic" => ("TopicName", "sns", "", "TopicArn", Arn),
        "AWS::Events::EventBus" => ("Name", "events", "event-bus/", "Arn", Name),
        "AWS::Events::Rule" => ("Name", "events", "rule/", "Arn", Name),
        "AWS::StepFunctions::StateMachine" => {
            ("StateMachineName", "states", "stateMachine:", "Arn", Arn)
        }
        "AWS::Serverless::StateMachine" => ("Name", "states", "stateMachine:", "Arn", Arn),
        "AWS::IAM::Role" => ("RoleName", "iam", "role/", "Arn", Name),
        "AWS::IAM::ManagedPolicy" => ("ManagedPolicyName", "iam", "policy/", "PolicyArn", Arn),
        "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => {
            ("TableName", "dynamodb", "table/", "Arn", Name)
        }
        "AWS::Kinesis::Stream" => ("Name", "kinesis", "stream/", "Arn", Name),
        "AWS::S3::Bucket" => ("BucketName", "s3", "", "Arn", Name),
        _ => return None,
    })
}

impl Stack<'_> {
    /// What the stack is thought to be called.
    pub(super) fn name(&self) -> String {
        let nested = self.place.trim_end_matches('/').replace('/', "-");
        match nested.is_empty() {
            true => "stack".to_owned(),
            false => format!("stack-{nested}"),
        }
    }

    /// What `Ref` gives for a resource.
    pub(crate) fn reference_of(&self, logical: &str) -> Node {
        // SAM's way to say which alias or version of a function.
        if let Some((function, "Alias" | "Version")) = logical.split_once('.') {
            return self.attribute_of(function, "Arn").unwrap_or_default();
        }
        let resource = self.resource(logical);
        if resource.is_null() {
            return Node::unknown(0, format!("${{{}{logical}}}", self.place));
        }
        let kind = resource["Type"].as_str().unwrap_or_default();
        match called(kind) {
            _ if kind == "AWS::Lambda::Alias" || kind == "AWS::Lambda::Version" => {
                let function = self.resolve(&resource["Properties"]["FunctionName"]);
                function.unwrap_or_default()
            }
            Some((.., ByRef::Arn)) => self.arn(logical).unwrap_or_default(),
            Some((.., ByRef::Url)) => like(&self.physical(logical), |name| {
                format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
            }),
            _ => self.physical(logical),
        }
    }

    /// What `Fn::GetAtt` gives for a resource, of the attributes that are known.
    pub(super) fn attribute_of(&self, logical: &str, attribute: &str) -> Option<Node> {
        let kind = self.resource(logical)["Type"].as_str()?;
        let (_, _, _, arn, _) = called(kind)?;
        match attribute {
            _ if attribute == arn => self.arn(logical),
            "QueueUrl" => Some(self.reference_of(logical)),
            "Name" | "QueueName" | "TopicName" => Some(self.physical(logical)),
            _ => None,
        }
    }

    /// The ARN of a resource of a type whose ARNs are known.
    pub(crate) fn arn(&self, logical: &str) -> Option<Node> {
        let resource = self.resource(logical);
        let (_, service, before, ..) = called(resource["Type"].as_str()?)?;
        let bus = match before {
            "rule/" => self.resolve(&resource["Properties"]["EventBusName"]),
            _ => None,
        };
        let bus = bus.and_then(|bus| bus.scalar());
        let bus = bus.filter(|bus| bus != "default").map(|bus| bus + "/");
        let place = match service {
            "s3" => ":".to_owned(),
            "iam" => format!(":{ACCOUNT}"),
            _ => format!("{REGION}:{ACCOUNT}"),
        };
        Some(like(&self.physical(logical), |name| {
            let bus = bus.as_deref().unwrap_or_default();
            format!("arn:aws:{service}:{place}:{before}{bus}{name}")
        }))
    }

    /// A resource's own name, or the one that CloudFormation would make up.
    pub(crate) fn physical(&self, logical: &str) -> Node {
        if let Some(known) = self.names.borrow().get(logical) {
            return known.clone();
        }
        let made_up = Node::text(0, format!("{}-{logical}", self.name()));
        self.names
            .borrow_mut()
            .insert(logical.to_owned(), made_up.clone());
        let resource = self.resource(logical);
        let property = resource["Type"].as_str().and_then(called);
        let named = property.and_then(|(name, ..)| self.resolve(&resource["Properties"][name]));
        let name = named.filter(|it| it.scalar().is_some()).unwrap_or(made_up);
        self.names
            .borrow_mut()
            .insert(logical.to_owned(), name.clone());
        name
    }
}

/// A text made of `name`, as known as that is.
fn like(name: &Node, make: impl Fn(&str) -> String) -> Node {
    let text = make(&name.scalar().unwrap_or_default());
    match name.is_unknown() {
        true => Node::unknown(0, text),
        false => Node::text(0, text),
    }
}
