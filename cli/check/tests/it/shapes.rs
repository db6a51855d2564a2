//! The shapes a template may have, and what cannot be known of some.

use duet_check::Severity;

use crate::{alone, among, of};

/// Plain CloudFormation as JSON, the definition a joined text.
#[test]
fn plain_json_with_a_joined_definition_is_read() {
    let template = r#"{
  "Resources": {
    "Queue": { "Type": "AWS::SQS::Queue" },
    "Reader": { "Type": "AWS::Lambda::Function", "Properties": { "Timeout": 20 } },
    "Mapping": {
      "Type": "AWS::Lambda::EventSourceMapping",
      "Properties": {
        "EventSourceArn": { "Fn::GetAtt": ["Queue", "Arn"] },
        "FunctionName": { "Fn::Sub": "${Reader.Arn}:live" }
      }
    },
    "Flow": {
      "Type": "AWS::StepFunctions::StateMachine",
      "Properties": {
        "DefinitionString": { "Fn::Join": ["", [
          "{\"StartAt\":\"Wait\",\"States\":{\"Wait\":{\"Type\":\"Wait\",\"Seconds\":5,\"Next\":\"Ask\"},",
          "\"Ask\":{\"Type\":\"Task\",\"Resource\":\"", { "Fn::GetAtt": ["Reader", "Arn"] },
          "\",\"Next\":\"Wait\"}}}"
        ]] }
      }
    }
  }
}"#;
    let checked = alone(template);
    let lines = |rule| {
        of(&checked, rule)
            .iter()
            .map(|it| it.line)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("handling-without-dead-letters"), [3]);
    assert_eq!(lines("short-visibility"), [3]);
    assert_eq!(lines("no-partial-batches"), [5]);
    assert_eq!(lines("poll-without-bound"), [15]);
    assert_eq!(checked.count(Severity::Info), 0, "{:#?}", checked.findings);
}

/// A definition in a block of text, and one in a file of its own.
#[test]
fn a_state_is_found_on_its_line_wherever_it_is_defined() {
    let loops = "{\n  \"StartAt\": \"Wait\",\n  \"States\": {\n    \"Wait\": { \"Type\": \"Wait\", \"Seconds\": ${Pause}, \"Next\": \"Wait\" }\n  }\n}\n";
    let template = "\
Resources:
  Inline:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: !Sub |
        {
          \"StartAt\": \"Wait\",
          \"States\": {
            \"Wait\": { \"Type\": \"Wait\", \"Seconds\": ${Pause}, \"Next\": \"Wait\" }
          }
        }
  Apart:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: flows/../flows/loop.asl.json
      DefinitionSubstitutions: { Pause: !Ref Pause }
Parameters:
  Pause: { Type: Number }
";
    let files = [("template.yaml", template), ("flows/loop.asl.json", loops)];
    for given in [vec![], vec![("Pause", "5")]] {
        let checked = among(&files, &given).unwrap();
        let found = of(&checked, "poll-without-bound");
        let places: Vec<_> = found.iter().map(|it| (it.file.as_str(), it.line)).collect();
        assert_eq!(places, [("flows/loop.asl.json", 4), ("template.yaml", 9)]);
    }
}

/// What a nested stack is given, and what it gives, is followed.
#[test]
fn nested_stacks_are_followed_both_ways() {
    let template = "\
Resources:
  Reader:
    Type: AWS::Serverless::Function
    Properties: { Timeout: 10 }
  Consumer:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: parts/consumer.yaml
      Parameters: { Function: !GetAtt Reader.Arn, Hidden: 30 }
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop.order] }
      Targets:
        - { Id: a, Arn: !GetAtt Consumer.Outputs.Queue, DeadLetterConfig: { Arn: !GetAtt Consumer.Outputs.Letters } }
        - { Id: b, Arn: !GetAtt Consumer.Outputs.Queue, DeadLetterConfig: { Arn: !GetAtt Consumer.Outputs.Letters } }
";
    let consumer = "\
Parameters:
  Function: { Type: String }
  Hidden: { Type: Number }
Resources:
  Letters: { Type: AWS::SQS::Queue }
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: !Ref Hidden
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5 }
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Queue.Arn
      FunctionName: !Ref Function
      FunctionResponseTypes: [ReportBatchItemFailures]
Outputs:
  Queue: { Value: !GetAtt Queue.Arn }
  Letters: { Value: !GetAtt Letters.Arn }
";
    let files = [
        ("template.yaml", template),
        ("parts/consumer.yaml", consumer),
    ];
    let checked = among(&files, &[]).unwrap();
    let hidden = of(&checked, "short-visibility");
    assert_eq!(hidden.len(), 1);
    assert_eq!(
        (hidden[0].file.as_str(), hidden[0].line),
        ("parts/consumer.yaml", 9)
    );
    assert_eq!(hidden[0].resource, "Consumer/Queue");
    let twice = of(&checked, "heard-twice");
    assert_eq!((twice.len(), twice[0].line), (1, 16));

    // Elsewhere, or nowhere: told, and nothing guessed.
    for location in ["https://bucket/consumer.yaml", "parts/other.yaml"] {
        let template = template.replace("parts/consumer.yaml", location);
        let files = [("template.yaml", template.as_str())];
        let checked = among(&files, &[]).unwrap();
        assert_eq!(of(&checked, "not-read").len(), 1, "{location}");
        assert!(of(&checked, "short-visibility").is_empty());
    }
}

/// One finding where a template that is deployed twice has it twice.
#[test]
fn what_is_deployed_twice_is_told_once() {
    let template = "\
Resources:
  One: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: part.yaml } }
  Two: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: part.yaml } }
";
    let part = "\
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [aws.s3] }
      Targets: [{ Id: a, Arn: !GetAtt Queue.Arn }]
";
    let files = [("template.yaml", template), ("part.yaml", part)];
    let checked = among(&files, &[]).unwrap();
    let found = of(&checked, "delivery-without-dead-letters");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].message.contains("1 more stack"),
        "{}",
        found[0].message
    );
}

/// What only deployment knows stays unknown: no rule guesses, none says nothing.
#[test]
fn what_is_not_known_before_deployment_is_not_known() {
    let template = "\
Parameters:
  Timeout: { Type: Number }
  Letters: { Type: String }
  Stage: { Type: String }
Conditions:
  Live: !Equals [!Ref Stage, live]
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub orders-${Stage}
      VisibilityTimeout: 60
      RedrivePolicy: !If [Live, { deadLetterTargetArn: !Ref Letters, maxReceiveCount: 5 }, !Ref AWS::NoValue]
  Reader:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: !Ref Timeout
      Events:
        Orders:
          Type: SQS
          Properties:
            Queue: !Sub arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders-${Stage}
            FunctionResponseTypes: !If [Live, [ReportBatchItemFailures], []]
";
    let unknown = [
        "handling-without-dead-letters",
        "short-visibility",
        "no-partial-batches",
    ];
    let checked = alone(template);
    for rule in unknown {
        let found = of(&checked, rule);
        assert_eq!(found.len(), 1, "{rule}: {found:#?}");
        assert_eq!(found[0].severity, Severity::Info);
        assert!(
            found[0].message.starts_with("not known: "),
            "{}",
            found[0].message
        );
    }
    // Given what it depends on, each decides.
    let files = [("template.yaml", template)];
    for (stage, timeout, wrong) in [("live", "10", 0), ("test", "20", 3)] {
        let given = [
            ("Stage", stage),
            ("Timeout", timeout),
            ("Letters", "arn:aws:sqs:us-east-1:1:l"),
        ];
        let checked = among(&files, &given).unwrap();
        let found = unknown.iter().flat_map(|rule| of(&checked, rule));
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), wrong, "{stage}: {found:#?}");
        assert!(found.iter().all(|it| it.severity > Severity::Info));
    }
}

/// Of two rules of which there may be only one, nobody knows whether both deliver.
#[test]
fn rules_that_may_exclude_each_other_are_not_known_to_overlap() {
    let template = "\
Parameters: { Stage: { Type: String } }
Conditions:
  Live: !Equals [!Ref Stage, live]
  Test: !Not [!Condition Live]
Resources:
  One:
    Type: AWS::Events::Rule
    Condition: Live
    Properties:
      EventPattern: { source: [shop.order] }
      Targets: [{ Id: a, Arn: !ImportValue Orders, DeadLetterConfig: { Arn: !ImportValue Letters } }]
  Two:
    Type: AWS::Events::Rule
    Condition: Test
    Properties:
      EventPattern: { source: [shop.order] }
      Targets: [{ Id: a, Arn: !ImportValue Orders, DeadLetterConfig: { Arn: !ImportValue Letters } }]
";
    let checked = alone(template);
    let found = of(&checked, "heard-twice");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Info);
    let checked = among(&[("template.yaml", template)], &[("Stage", "live")]).unwrap();
    assert!(of(&checked, "heard-twice").is_empty());
    let both = template
        .replace("    Condition: Live\n", "")
        .replace("    Condition: Test\n", "");
    let checked = alone(&both);
    assert_eq!(of(&checked, "heard-twice")[0].severity, Severity::Warning);
}

/// A function that hands events from one bus to another hears nothing of its own.
#[test]
fn what_is_said_on_another_bus_is_not_heard() {
    let template = "\
Resources:
  Inner: { Type: AWS::Events::EventBus, Properties: { Name: inner } }
  Outer: { Type: AWS::Events::EventBus, Properties: { Name: outer } }
  Bridge:
    Type: AWS::Serverless::Function
    Metadata: { Duet: { source: shop.order, says: [OrderPlaced] } }
    Properties:
      Policies: [{ Statement: [{ Effect: Allow, Action: events:PutEvents, Resource: !GetAtt Outer.Arn }] }]
      Events:
        Placed:
          Type: EventBridgeRule
          Properties:
            EventBusName: !Ref Inner
            Pattern: { source: [shop.order], detail-type: [OrderPlaced] }
";
    let checked = alone(template);
    assert!(of(&checked, "hears-itself").is_empty());
    assert_eq!(of(&checked, "nobody-says").len(), 1);
    assert_eq!(of(&checked, "nobody-hears").len(), 1);
    let circle = alone(&template.replace("!Ref Inner", "!GetAtt Outer.Arn"));
    let found = of(&circle, "hears-itself");
    assert_eq!((found.len(), found[0].severity), (1, Severity::Error));
}

/// Targets that depend on a condition are not known, and not missing.
#[test]
fn what_a_condition_decides_is_not_taken_for_missing() {
    let template = "\
Parameters: { Stage: { Type: String } }
Conditions: { Live: !Equals [!Ref Stage, live] }
Resources:
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [aws.s3] }
      Targets:
        - !If [Live, { Id: a, Arn: !ImportValue Orders }, { Id: b, Arn: !ImportValue Others }]
";
    let checked = alone(template);
    let found = of(&checked, "delivery-without-dead-letters");
    assert_eq!((found.len(), found[0].severity), (1, Severity::Info));
}

/// A bucket calls its function and does not wait; a rule that is disabled calls nobody.
#[test]
fn buckets_call_and_disabled_rules_do_not() {
    let template = "\
Resources:
  Pictures: { Type: AWS::S3::Bucket }
  Thumbnail:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Uploaded: { Type: S3, Properties: { Bucket: !Ref Pictures, Events: s3:ObjectCreated:* } }
  Rule:
    Type: AWS::Events::Rule
    Properties:
      State: DISABLED
      EventPattern: { source: [aws.s3] }
      Targets: [{ Id: a, Arn: !GetAtt Thumbnail.Arn }]
";
    let checked = alone(template);
    let lines: Vec<_> = checked
        .findings
        .iter()
        .map(|it| (it.rule, it.line))
        .collect();
    assert_eq!(lines, [("handling-without-dead-letters", 7)]);
}

/// A table, a bus and a function of one name are three.
#[test]
fn a_name_may_be_that_of_several_resources() {
    let template = "\
Resources:
  Table: { Type: AWS::DynamoDB::Table, Properties: { TableName: shop } }
  Bus: { Type: AWS::Events::EventBus, Properties: { Name: shop } }
  Letters: { Type: AWS::SQS::Queue }
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 30
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5 }
  Reader: { Type: AWS::Lambda::Function, Properties: { FunctionName: shop, Timeout: 20 } }
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Queue.Arn
      FunctionName: !Ref Reader
      FunctionResponseTypes: [ReportBatchItemFailures]
";
    let checked = alone(template);
    let found = of(&checked, "short-visibility");
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
}

/// A template whose values depend on themselves, or on what is not there.
#[test]
fn nonsense_is_survived() {
    let template = "\
Parameters:
  P: { Type: String, Default: !Ref P }
Conditions:
  A: !Not [!Condition B]
  B: !Not [!Condition A]
Resources:
  Q: { Type: AWS::SQS::Queue, Condition: A, Properties: { QueueName: !Sub \"${R}${R.QueueName}${P}\" } }
  R: { Type: AWS::SQS::Queue, Properties: { QueueName: !Sub \"${Q}${Q.QueueName}\", RedrivePolicy: !Nobody x } }
  S: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: template.yaml, Parameters: { P: !GetAtt S.Outputs.O } } }
  T: { Type: [a], Properties: 7, Metadata: { Duet: [] } }
  U: 3
  V: { Type: AWS::Events::Rule, Properties: { EventPattern: [], Targets: { a: b } } }
  W: { Type: AWS::Serverless::StateMachine, Properties: { Definition: { StartAt: X, States: { X: { Type: Wait, Next: X, Catch: [{}] } } } } }
  X: { Type: AWS::Serverless::StateMachine, Properties: { DefinitionUri: ../../../nowhere.json } }
  Y: { Type: AWS::StepFunctions::StateMachine, Properties: { DefinitionString: \"{\" } }
  Z: { Type: AWS::Serverless::Function, Properties: { Policies: [x, { y: z }, 1], Events: { E: {}, F: { Type: SQS } } } }
  Fn::ForEach::Loop: [N, [a, b], { \"Q${N}\": { Type: AWS::SQS::Queue } }]
Outputs:
  O: { Value: !Sub \"${S.Outputs.O\" }
";
    let checked = alone(template);
    assert_eq!(of(&checked, "poll-without-bound").len(), 1);
    assert!(
        of(&checked, "not-read").len() >= 4,
        "{:#?}",
        checked.findings
    );
}

#[test]
fn what_is_no_template_is_refused_with_its_line() {
    for (text, says) in [
        ("Resources:\n  A: [\n", "template.yaml: line 3"),
        ("Resources: none\n", "no template"),
        ("", "no template"),
    ] {
        let refused = among(&[("template.yaml", text)], &[]).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert!(
        among(&[], &[])
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
}

/// A finding that is allowed is counted, and needs its reason.
#[test]
fn a_finding_may_be_allowed_with_a_reason() {
    let rule = |allows: &str| {
        format!(
            "\
Resources:
  Queue: {{ Type: AWS::SQS::Queue }}
  Rule:
    Type: AWS::Events::Rule
    Metadata: {{ Duet: {{ allows: {{ delivery-without-dead-letters: {allows} }} }} }}
    Properties:
      EventPattern: {{ source: [aws.s3] }}
      Targets: [{{ Id: a, Arn: !GetAtt Queue.Arn }}]
"
        )
    };
    let checked = alone(&rule("Another run finds it."));
    assert!(checked.findings.is_empty(), "{:#?}", checked.findings);
    assert_eq!(checked.allowed[0].reason, "Another run finds it.");
    let checked = alone(&rule("''"));
    assert_eq!(of(&checked, "delivery-without-dead-letters").len(), 1);
    assert_eq!(of(&checked, "unclear-metadata").len(), 1);
}
