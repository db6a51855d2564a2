//! What workflows ask of services, activities, versions and aliases: a small stack of its
//! own, with no function in it.

mod asked;
mod items;
mod machines;

use std::sync::Arc;

use duet_lab::{Config, Definitions, FaultRule, Lab, Status};
use serde_json::{Value, json};

const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/letters";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:news";
const MACHINES: &str = "arn:aws:states:us-east-1:123456789012:stateMachine";

const TEMPLATE: &str = r#"
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties: { TableName: goods }
  Letters:
    Type: AWS::SQS::Queue
    Properties: { QueueName: letters }
  Inbox:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: inbox
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 3 }
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Letters]
      PolicyDocument:
        Statement:
          - { Effect: Allow, Condition: { ArnLike: { "aws:SourceArn": "arn:aws:*" } } }
  News:
    Type: AWS::SNS::Topic
    Properties: { TopicName: news }
  Raw:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref News
      Protocol: sqs
      Endpoint: !GetAtt Letters.Arn
      RawMessageDelivery: true
      FilterPolicy: { form: [raw] }
  Wrapped:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref News
      Protocol: sqs
      Endpoint: !GetAtt Letters.Arn
      FilterPolicy: { form: [wrapped] }
  Bus:
    Type: AWS::Events::EventBus
    Properties: { Name: market }
  Pack:
    Type: AWS::StepFunctions::Activity
    Properties: { Name: pack }
  Child:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: child
      RoleArn: arn:aws:iam::123456789012:role/child
      DefinitionS3Location: child.asl.json
  First:
    Type: AWS::StepFunctions::StateMachineVersion
    Properties: { StateMachineArn: !Ref Child }
  Live:
    Type: AWS::StepFunctions::StateMachineAlias
    Properties:
      Name: live
      RoutingConfiguration:
        - { StateMachineVersionArn: !Ref First, Weight: 100 }
  Asks:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: asks
      RoleArn: arn:aws:iam::123456789012:role/asks
      DefinitionS3Location: asks.asl.json
Outputs:
  Live: { Value: !Ref Live }
  First: { Value: !Ref First }
  Pack: { Value: !Ref Pack }
"#;

/// A machine that gives `word`.
fn says(word: &str) -> Value {
    json!({"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": word, "End": true}}})
}

fn task(resource: &str, arguments: Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {"Ask": {
        "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Arguments": arguments, "End": true}}})
}

fn definitions(asks: &Value, child: &Value) -> Definitions {
    read(TEMPLATE, asks, child).unwrap()
}

fn read(template: &str, asks: &Value, child: &Value) -> Result<Definitions, String> {
    let files = [
        ("template.yaml".to_owned(), template.to_owned()),
        ("asks.asl.json".to_owned(), asks.to_string()),
        ("child.asl.json".to_owned(), child.to_string()),
    ];
    Definitions::read(files.into(), "small", &[].into()).map_err(|e| e.to_string())
}

/// A world with this stack, in which `asks` is what the machine of that name does.
fn world(asks: &Value, faults: &[&str]) -> Lab {
    let faults = faults.iter().map(|text| text.parse::<FaultRule>().unwrap());
    let config = Config {
        seed: 5,
        faults: faults.collect(),
        keep_succeeded: true,
        events: true,
        timeline: true,
        ..Config::default()
    };
    let all = definitions(asks, &says("first"));
    Lab::new(Arc::new(all), config).unwrap()
}

/// Starts `asks` and lets it run for an hour: its status, output, error and cause.
fn run(lab: &mut Lab, name: &str) -> (Status, Value, String, String) {
    lab.start_execution("asks", name, &json!({})).unwrap();
    lab.settle(3_600_000);
    let execution = lab.execution("asks", name).unwrap();
    let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
    (
        execution.status(),
        execution
            .output()
            .map(|it| (**it).clone())
            .unwrap_or_default(),
        text(execution.error()),
        text(execution.cause()),
    )
}

/// What one task comes to.
fn answer(resource: &str, arguments: Value) -> Value {
    let (status, output, error, cause) = run(&mut world(&task(resource, arguments), &[]), "one");
    assert_eq!(status, Status::Succeeded, "{error}: {cause}");
    output
}

/// The error and cause that one task fails with.
fn refusal(resource: &str, arguments: Value) -> (String, String) {
    let (status, output, error, cause) = run(&mut world(&task(resource, arguments), &[]), "one");
    assert_eq!(status, Status::Failed, "{output}");
    (error, cause)
}
