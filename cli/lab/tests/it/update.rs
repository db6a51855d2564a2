//! Updates in place: what crosses them, and what they take away.

use std::collections::BTreeMap;
use std::sync::Arc;

use duet_lab::{
    Config, Definitions, FaultRule, Files, Lab, Rollout, SendError, Update, UpdateError,
    WorkflowError, bundled, word,
};
use jiff::SignedDuration;
use serde_json::json;

use crate::shop::{VARIANTS, place, standing, stocked};

const HOUR: i64 = 3_600_000;

/// A stack beside the shop's own, to be changed at will.
const EXTRA: &str = r#"
Parameters: { Extra: { Type: String }, Word: { Type: String } }
Conditions:
  On: !Not [!Equals [!Ref Extra, "off"]]
  Polls: !Equals [!Ref Extra, "on"]
Resources:
  Inbox: { Type: AWS::SQS::Queue, Condition: On, Properties: { QueueName: extra } }
  InboxPolicy:
    Type: AWS::SQS::QueuePolicy
    Condition: On
    Properties:
      Queues: [!Ref Inbox]
      PolicyDocument: { Statement: [{ Condition: { ArnLike: { "aws:SourceArn": "arn:aws:events:*" } } }] }
  Polled:
    Type: AWS::SQS::Queue
    Condition: On
    Properties: { QueueName: polled, RedrivePolicy: { deadLetterTargetArn: !GetAtt Inbox.Arn, maxReceiveCount: 3 } }
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Condition: Polls
    Properties: { EventSourceArn: !GetAtt Polled.Arn, FunctionName: duet-inventory-queue, FunctionResponseTypes: [ReportBatchItemFailures] }
  Rule:
    Type: AWS::Events::Rule
    Condition: On
    Properties: { Name: extra, EventPattern: { source: [!Ref Word] }, Targets: [{ Id: inbox, Arn: !GetAtt Inbox.Arn }] }
  Waits:
    Type: AWS::StepFunctions::StateMachine
    Condition: On
    Properties: { StateMachineName: waits, DefinitionS3Location: waits.asl.json, DefinitionSubstitutions: { Word: !Ref Word } }
  Calls:
    Type: AWS::StepFunctions::StateMachine
    Properties: { StateMachineName: calls, DefinitionS3Location: calls.asl.json }
  Books: { Type: AWS::DynamoDB::Table, Condition: Polls, Properties: { TableName: !Ref Word } }
"#;

const WAITS: &str = r#"{ "QueryLanguage": "JSONata", "StartAt": "Wait", "States": {
  "Wait": { "Type": "Wait", "Seconds": 3600, "Next": "Say" },
  "Say": { "Type": "Pass", "Output": { "word": "${Word}" }, "End": true } } }"#;

const CALLS: &str = r#"{ "QueryLanguage": "JSONata", "StartAt": "Wait", "States": {
  "Wait": { "Type": "Wait", "Seconds": 3600, "Next": "Call" },
  "Call": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": { "FunctionName": "duet-order-task", "Payload": {} }, "End": true } } }"#;

fn files() -> Files {
    let mut files = bundled();
    let root = files.get_mut("template.yaml").unwrap();
    *root = root
        .replacen(
            "\nParameters:\n",
            "\nParameters:\n  Extra: { Type: String, Default: \"on\", AllowedValues: [\"on\", silent, \"off\"] }\n  Word: { Type: String, Default: one }\n",
            1,
        )
        .replacen(
            "\nResources:\n",
            "\nResources:\n  Extra: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: extra.yaml, Parameters: { Extra: !Ref Extra, Word: !Ref Word } } }\n",
            1,
        )
        // A log line tells the environment it was written in.
        .replacen("DUET_METRICS: !Ref AWS::StackName", "DUET_METRICS: !Ref Word", 1);
    for (name, text) in [
        ("extra.yaml", EXTRA.replace("  Books:", "  # Books:")),
        ("waits.asl.json", WAITS.to_owned()),
        ("calls.asl.json", CALLS.to_owned()),
    ] {
        files.insert(name.to_owned(), text);
    }
    files
}

fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    parameters.iter().map(owned).collect()
}

fn lab_of(files: Files, config: Config) -> Lab {
    let definitions = Definitions::read(files, "duet", &BTreeMap::new()).unwrap();
    stocked(Lab::new(Arc::new(definitions), config).unwrap())
}

fn lab(seed: u64) -> Lab {
    let config = Config {
        seed,
        timeline: true,
        logs: true,
        keep_succeeded: true,
        ..Config::default()
    };
    lab_of(files(), config)
}

/// Updates and lets the time pass until all of it is in effect.
fn updated(lab: &mut Lab, parameters: &[(&str, &str)]) -> Update {
    let update = lab.update(&given(parameters)).unwrap();
    assert!(lab.updating());
    lab.advance(update.settled);
    update
}

/// When `what` was noted of the stack.
fn when(lab: &Lab, what: &str) -> Option<jiff::Timestamp> {
    let mut moments = lab.timeline().iter();
    let moment = moments.find(|moment| moment.subject == "duet" && moment.what == what);
    moment.map(|moment| moment.at)
}

/// No workflow.
const WITHOUT: [(&str, &str); 3] = [
    ("WithOrchestration", "false"),
    ("WithExpress", "false"),
    ("WithExpressSync", "false"),
];

#[test]
fn an_update_makes_what_is_needed_first_and_deletes_last() {
    let mut moments = Vec::new();
    for seed in 0..20 {
        let mut lab = lab(seed);
        updated(&mut lab, &[("Extra", "off")]);
        let began = lab.now();
        let update = updated(&mut lab, &[&WITHOUT[..], &[("Word", "two")]].concat());
        assert!(
            update.added.contains(&"Extra/Rule".to_owned()),
            "{update:?}"
        );
        assert!(update.removed.contains(&"OrderTask".to_owned()));
        assert!(
            update.changed.contains(&"OrderQueue".to_owned()),
            "{update:?}"
        );
        let at = |what: &str| when(&lab, what).unwrap_or_else(|| panic!("{what}"));
        // The first update deleted these before: the second one made them.
        let made = |place: &str| at(&format!("{place} switches"));
        assert!(made("Extra/Inbox") < made("Extra/Polled"));
        assert!(made("Extra/Polled") < made("Extra/Mapping"));
        assert!(made("Extra/Inbox") < made("Extra/Rule"));
        let last_made = update.added.iter().chain(&update.changed);
        // A rule is taken up later than it is made.
        let last_made = last_made
            .filter(|place| !place.contains("Rule"))
            .map(|it| made(it))
            .max();
        let deleted = update
            .removed
            .iter()
            .map(|it| at(&format!("{it} is deleted")));
        assert!(last_made < deleted.min());
        let took = update.complete.duration_since(began);
        assert!(took <= SignedDuration::from_mins(10), "{took:?}");
        moments.push(made("Extra/Inbox").duration_since(began));
    }
    moments.sort_unstable();
    moments.dedup();
    assert!(
        moments.len() > 10,
        "the seed draws the moments: {moments:?}"
    );
}

#[test]
fn orders_cross_an_update_and_a_seed_repeats_it_exactly() {
    let run = |seed| {
        let faults = ["duplicate:0.1", "delay:0.1", "crash-after-commit:0.05"];
        let config = Config {
            seed,
            faults: faults.map(|text| text.parse::<FaultRule>().unwrap()).into(),
            timeline: true,
            keep_succeeded: true,
            ..Config::default()
        };
        let mut lab = lab_of(bundled(), config);
        let mut orders = Vec::new();
        let mut wave = |lab: &mut Lab| {
            for variant in VARIANTS {
                let id = format!("{variant}-{}", orders.len());
                place(lab, variant, &id, "tok_visa");
                orders.push(id);
            }
            lab.advance(lab.now() + SignedDuration::from_secs(10));
        };
        wave(&mut lab);
        let quick = given(&[("TaskTimeoutSeconds", "3"), ("OrderDeadlineSeconds", "600")]);
        let update = lab.update(&quick).unwrap();
        while lab.now() < update.settled {
            wave(&mut lab);
        }
        wave(&mut lab);
        lab.settle(20 * HOUR);
        assert!(orders.len() > 50);
        for order in &orders {
            assert!(standing(&lab, order).contains("Confirmed"), "{order}");
        }
        assert!(lab.dead_letters().is_empty() && lab.lost().is_empty());
        (lab.trace_hash(), lab.timeline().to_vec())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

#[test]
fn an_execution_keeps_the_definition_it_began_with() {
    let mut lab = lab(1);
    lab.start_execution("waits", "before", &json!({})).unwrap();
    updated(&mut lab, &[("Word", "two")]);
    lab.start_execution("waits", "after", &json!({})).unwrap();
    lab.settle(2 * HOUR);
    let said = |name| lab.execution("waits", name).unwrap().output().unwrap()["word"].clone();
    assert_eq!(
        (said("before"), said("after")),
        (json!("one"), json!("two"))
    );
}

#[test]
fn a_deleted_machine_ends_its_executions_at_their_next_transition() {
    let mut lab = lab(1);
    lab.start_execution("waits", "x", &json!({})).unwrap();
    let began = lab.now();
    updated(&mut lab, &[("Extra", "off")]);
    assert_eq!(
        (lab.running_executions(), lab.failed_executions().len()),
        (1, 0)
    );
    let refused = lab.start_execution("waits", "y", &json!({}));
    assert_eq!(refused, Err(WorkflowError::NoMachine("waits".to_owned())));
    // The stack waits for them.
    assert!(lab.updating());
    assert_eq!(lab.update(&BTreeMap::new()), Err(UpdateError::InProgress));
    lab.advance(began + SignedDuration::from_secs(3_601));
    let failed = lab.failed_executions().remove(0);
    assert_eq!(
        (word(failed.status), failed.error.as_deref()),
        ("FAILED", Some("States.Runtime"))
    );
    assert!(lab.redrive_execution(&failed.arn).is_err() && !lab.updating());
    // A machine that is made again is another one.
    updated(&mut lab, &[]);
    assert!(lab.start_execution("waits", "x", &json!({})).is_ok());
}

#[test]
fn a_warm_instance_keeps_its_environment_until_it_ends() {
    /// How many log lines were written in the old environment in the five
    /// minutes after the update was complete, and after that.
    fn old_lines(rollout: Rollout) -> (usize, usize) {
        let (mut soon, mut later) = (0, 0);
        for seed in 0..4 {
            let config = Config {
                seed,
                logs: true,
                rollout,
                ..Config::default()
            };
            let mut lab = lab_of(files(), config);
            let mut n = 0;
            let mut order = |lab: &mut Lab| {
                n += 1;
                place(lab, VARIANTS[n % 2], &format!("o-{n}"), "tok_visa");
                lab.advance(lab.now() + SignedDuration::from_secs(10));
            };
            (0..4).for_each(|_| order(&mut lab));
            let old = |lab: &Lab| {
                let lines = lab.lines().unwrap();
                assert!(lines.iter().any(|line| line.contains("\"Namespace\":\"")));
                let is_old = |line: &&String| line.contains("\"Namespace\":\"one\"");
                lines.iter().filter(is_old).count()
            };
            let update = lab.update(&given(&[("Word", "two")])).unwrap();
            while lab.now() < update.complete {
                order(&mut lab);
            }
            let before = old(&lab);
            while lab.now() < update.complete + SignedDuration::from_mins(5) {
                order(&mut lab);
            }
            let five = old(&lab);
            (0..6).for_each(|_| order(&mut lab));
            soon += five - before;
            later += old(&lab) - five;
        }
        (soon, later)
    }
    let (soon, later) = old_lines(Rollout::InOrder);
    assert!(soon > 0 && later == 0, "{soon} {later}");
    assert_eq!(old_lines(Rollout::AtOnce).1, 0);
}

#[test]
fn a_deleted_queue_loses_its_messages() {
    let mut lab = lab(1);
    lab.put_event("default", "one", "Ping", &json!({})).unwrap();
    lab.settle(HOUR);
    let there = |lab: &mut Lab| {
        let letters = lab.dead_letters();
        letters
            .iter()
            .filter(|letter| letter.queue == "extra")
            .count()
    };
    assert_eq!((there(&mut lab), lab.lost().len()), (1, 0));
    updated(&mut lab, &[("Extra", "off")]);
    assert_eq!(there(&mut lab), 0);
    assert_eq!(
        (lab.lost()[0].place.as_str(), lab.lost()[0].why.as_str()),
        ("extra", "its queue was deleted")
    );
    let refused = lab.send_text("extra", "{}", "x");
    assert_eq!(refused, Err(SendError::NoQueue("extra".to_owned())));
    // One that is made again is empty.
    updated(&mut lab, &[]);
    assert!(lab.send_text("polled", "{}", "x").is_ok());
    assert_eq!(there(&mut lab), 0);
}

#[test]
fn a_rule_matches_as_its_last_switch_says() {
    let mut lab = lab(1);
    let pings = |lab: &mut Lab, source: &str| {
        let sum = |lab: &Lab| {
            lab.used()
                .iter()
                .map(|used| used.meter.deliveries)
                .sum::<u64>()
        };
        let before = sum(lab);
        lab.put_event("default", source, "Ping", &json!({}))
            .unwrap();
        lab.advance(lab.now() + SignedDuration::from_secs(1));
        sum(lab) - before
    };
    assert_eq!((pings(&mut lab, "one"), pings(&mut lab, "two")), (1, 0));
    updated(&mut lab, &[("Word", "two")]);
    assert_eq!((pings(&mut lab, "one"), pings(&mut lab, "two")), (0, 1));
    updated(&mut lab, &[("Extra", "off")]);
    assert_eq!((pings(&mut lab, "one"), pings(&mut lab, "two")), (0, 0));
    assert!(lab.definitions().rules().all(|rule| rule.name != "extra"));
}

#[test]
fn a_deleted_mapping_stops_polling() {
    let mut lab = lab(1);
    let died = |lab: &mut Lab| {
        lab.send_text("polled", "{\"poison\"", "x").unwrap();
        lab.settle(2 * HOUR);
        let letters = lab.dead_letters();
        letters
            .iter()
            .filter(|letter| letter.queue == "extra")
            .count()
    };
    assert_eq!(died(&mut lab), 1);
    updated(&mut lab, &[("Extra", "silent")]);
    assert_eq!(died(&mut lab), 1, "nobody received the second");
    // … until there is one again.
    updated(&mut lab, &[]);
    lab.settle(2 * HOUR);
    assert_eq!(died(&mut lab), 3);
}

#[test]
fn a_deleted_function_is_not_found() {
    let mut lab = lab(1);
    lab.start_execution("calls", "x", &json!({})).unwrap();
    updated(&mut lab, &WITHOUT);
    assert!(lab.definitions().function("duet-order-task").is_none());
    lab.settle(2 * HOUR);
    let failed = lab.failed_executions().remove(0);
    assert_eq!(
        failed.error.as_deref(),
        Some("Lambda.ResourceNotFoundException")
    );
    updated(&mut lab, &[]);
    assert!(lab.definitions().function("duet-order-task").is_some());
    place(&mut lab, "standard", "o-1", "tok_visa");
    lab.settle(HOUR);
    assert!(standing(&lab, "o-1").contains("Confirmed"));
}

#[test]
fn an_update_that_cannot_be_changes_nothing() {
    let mut files = files();
    files.insert("extra.yaml".to_owned(), EXTRA.to_owned());
    let mut lab = lab_of(files, Config::default());
    let refused = lab.update(&given(&[("Colour", "red")])).unwrap_err();
    assert!(refused.to_string().contains("Colour"), "{refused}");
    let refused = lab.update(&given(&[("Extra", "off")])).unwrap_err();
    assert_eq!(refused, UpdateError::DeletesTable("Extra/Books".to_owned()));
    assert!(lab.parameters().is_empty() && !lab.updating() && lab.is_at_rest());
    // One to what there is does nothing, nor does one that nothing depends on.
    for parameters in [&[][..], &[("LogRetentionDays", "3")]] {
        let update = lab.update(&given(parameters)).unwrap();
        let Update {
            added,
            changed,
            removed,
            ..
        } = &update;
        assert!(
            added.is_empty() && changed.is_empty() && removed.is_empty(),
            "{update:?}"
        );
        assert!(!lab.updating() && lab.is_at_rest());
    }
    assert_eq!(lab.parameters(), &given(&[("LogRetentionDays", "3")]));
}
