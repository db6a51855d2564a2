//! Activities, versions, aliases, and stopping.

use std::sync::Arc;

use duet_asl::{Route, TaskError};
use duet_lab::{ActivityError, Config, Lab, Status};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{MACHINES, TEMPLATE, definitions, read, says, task, world};

fn packing(limits: Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:pack", "End": true});
    for (name, value) in limits.as_object().unwrap() {
        state[name] = value.clone();
    }
    json!({"StartAt": "Pack", "States": {"Pack": state}})
}

fn start(lab: &mut Lab, name: &str) {
    lab.start_execution("asks", name, &json!({"name": name}))
        .unwrap();
}

#[test]
fn workers_take_the_oldest_task_of_any_execution() {
    let mut lab = world(&packing(json!({})), &[]);
    assert_eq!(
        lab.take_activity_task("pack", Some("w"))
            .unwrap()
            .map(|_| ()),
        None
    );
    for name in ["a", "b", "c"] {
        start(&mut lab, name);
        lab.advance(lab.now() + SignedDuration::from_secs(1));
    }
    assert_eq!(lab.activity_tasks("pack"), Some(3));
    let arn = lab
        .describe_execution("arn:aws:states:us-east-1:123456789012:execution:asks:b")
        .unwrap()
        .arn;
    lab.stop_execution(&arn, None, None).unwrap();
    assert_eq!(lab.activity_tasks("pack"), Some(2));
    let taken = |lab: &mut Lab| lab.take_activity_task("pack", Some("w")).unwrap().unwrap();
    let (first, second) = (taken(&mut lab), taken(&mut lab));
    assert_eq!(
        (&first.input["name"], &second.input["name"]),
        (&json!("a"), &json!("c"))
    );
    lab.send_task_success(&first.token, json!({"ok": 1}))
        .unwrap();
    let long = TaskError::new("E".repeat(257), "");
    assert!(matches!(
        lab.send_task_failure(&second.token, long),
        Err(ActivityError::Answer(_))
    ));
    lab.send_task_failure(&second.token, TaskError::new("Torn", "a box"))
        .unwrap();
    let status = |name: &str| lab.execution_standing("asks", name).unwrap();
    assert_eq!(
        (status("a").status, status("c").error),
        (Status::Succeeded, Some("Torn".to_owned()))
    );
    let nobody = lab.take_activity_task("unpack", None);
    assert!(matches!(nobody, Err(ActivityError::NoActivity(_))));
    assert_eq!(
        lab.take_activity_task("pack", Some("")).map(|_| ()),
        Err(ActivityError::Name(0))
    );
    assert!(lab.create_activity(&"n".repeat(81)).is_err());
    assert_eq!(
        lab.create_activity("pack").unwrap(),
        lab.definitions().outputs["Pack"]
    );
}

#[test]
fn a_silent_worker_is_given_up_and_the_task_goes_to_another() {
    let retry = json!({"HeartbeatSeconds": 30, "Retry": [{"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1}]});
    let mut lab = world(&packing(retry), &[]);
    start(&mut lab, "a");
    // Nothing is counted while nobody has taken it.
    lab.settle(3_600_000);
    lab.advance(lab.now() + SignedDuration::from_hours(2));
    let first = lab.take_activity_task("pack", Some("w1")).unwrap().unwrap();
    lab.advance(lab.now() + SignedDuration::from_secs(20));
    lab.send_task_heartbeat(&first.token).unwrap();
    lab.advance(lab.now() + SignedDuration::from_secs(29));
    assert_eq!(lab.activity_tasks("pack"), Some(0));
    lab.advance(lab.now() + SignedDuration::from_secs(5));
    assert_eq!(lab.activity_tasks("pack"), Some(1));
    assert!(lab.send_task_success(&first.token, json!(1)).is_err());
    let second = lab.take_activity_task("pack", Some("w2")).unwrap().unwrap();
    lab.send_task_success(&second.token, json!({"by": "w2"}))
        .unwrap();
    assert_eq!(
        lab.execution_standing("asks", "a").unwrap().status,
        Status::Succeeded
    );
}

#[test]
fn an_activity_that_is_not_deployed_ends_the_execution() {
    let mut definition = packing(json!({}));
    definition["States"]["Pack"]["Resource"] =
        json!("arn:aws:states:us-east-1:123456789012:activity:other");
    let mut lab = world(&definition, &[]);
    start(&mut lab, "a");
    assert_eq!(
        lab.execution_standing("asks", "a")
            .unwrap()
            .error
            .as_deref(),
        Some("States.Runtime")
    );
    lab.create_activity("other").unwrap();
    start(&mut lab, "b");
    assert_eq!(lab.activity_tasks("other"), Some(1));
}

/// Recorded 2025-03-03 (what an execution is said to be); the rules are API_CreateStateMachineAlias'.
#[test]
fn executions_are_started_by_version_and_alias_and_keep_them() {
    let mut lab = world(&says("unused"), &[]);
    let outputs = lab.definitions().outputs.clone();
    let child = format!("{MACHINES}:child");
    assert_eq!(
        (&outputs["First"], &outputs["Live"]),
        (&format!("{child}:1"), &format!("{child}:live"))
    );
    // The deployed definition is version 1 already.
    assert_eq!(lab.publish_version("child"), Ok(1));
    let by = |lab: &mut Lab, machine: &str, name: &str| {
        lab.start_execution(machine, name, &json!({})).map(|_| {
            let it = lab.execution_standing("child", name).unwrap();
            (it.version, it.alias)
        })
    };
    let first = Some(format!("{child}:1"));
    assert_eq!(by(&mut lab, &child, "a"), Ok((None, None)));
    assert_eq!(
        by(&mut lab, &format!("{child}:1"), "b"),
        Ok((first.clone(), None))
    );
    assert_eq!(
        by(&mut lab, &format!("{child}:live"), "c"),
        Ok((first.clone(), Some(format!("{child}:live"))))
    );
    for wrong in [":2", ":prod"] {
        let why = by(&mut lab, &format!("{child}{wrong}"), "d").unwrap_err();
        assert!(why.to_string().contains("no state machine"), "{why}");
    }
    let why = lab.delete_version("child", 1).unwrap_err();
    assert!(why.to_string().contains("referenced by an alias"), "{why}");
    let routes = [
        Route {
            version: 1,
            weight: 60,
        },
        Route {
            version: 2,
            weight: 40,
        },
    ];
    let why = lab.set_alias("child", "prod", &routes).unwrap_err();
    assert!(why.to_string().contains("version 2"), "{why}");
    lab.delete_alias("child", "live").unwrap();
    lab.delete_version("child", 1).unwrap();
    assert!(by(&mut lab, &format!("{child}:1"), "e").is_err());
    assert!(lab.publish_version("nobody").is_err());
}

/// The seed draws the version of each execution, and draws it again.
#[test]
fn an_alias_is_drawn_by_its_weights() {
    let shares = |seed: u64| {
        let config = Config {
            seed,
            keep_succeeded: true,
            ..Config::default()
        };
        let all = definitions(&says("unused"), &says("first"));
        let mut lab = Lab::new(Arc::new(all), config).unwrap();
        // The alias moves to a second version, which an update would publish.
        lab.update_definition("child", &says("second").to_string())
            .unwrap();
        assert_eq!(lab.publish_version("child"), Ok(2));
        let routes = [
            Route {
                version: 1,
                weight: 80,
            },
            Route {
                version: 2,
                weight: 20,
            },
        ];
        lab.set_alias("child", "live", &routes).unwrap();
        let drawn = (0..200).map(|n| {
            let name = format!("e-{n}");
            lab.start_execution(&format!("{MACHINES}:child:live"), &name, &json!({}))
                .unwrap();
            let output = lab
                .execution("child", &name)
                .unwrap()
                .output()
                .cloned()
                .unwrap();
            let version = lab
                .execution_standing("child", &name)
                .unwrap()
                .version
                .unwrap();
            assert_eq!(version.ends_with(":2"), *output == "second");
            version.ends_with(":2")
        });
        drawn.collect::<Vec<bool>>()
    };
    let drawn = shares(1);
    let second = drawn.iter().filter(|it| **it).count();
    assert!((20..=60).contains(&second), "{second}");
    assert!(drawn == shares(1) && drawn != shares(2));
}

#[test]
fn templates_that_lead_nowhere_are_refused() {
    for (from, to, says_so) in [
        ("Weight: 100", "Weight: 90", "must equal 100"),
        ("Weight: 100", "Weight: heavy", "Weight is a number"),
        ("Name: live", "Name: '12'", "not digits alone"),
        (
            "StateMachineVersionArn: !Ref First",
            "StateMachineVersionArn: !Ref Child",
            "no state machine",
        ),
    ] {
        let template = TEMPLATE.replace(from, to);
        assert_ne!(template, TEMPLATE);
        let refused = read(&template, &says("a"), &says("b")).and_then(|all| {
            let made = Lab::new(Arc::new(all), Config::default());
            made.map(|_| ()).map_err(|e| e.to_string())
        });
        let why = refused.unwrap_err();
        assert!(why.contains(says_so), "{why}");
    }
}

/// API_StopExecution.
#[test]
fn a_stopped_execution_takes_what_it_waits_for_with_it() {
    let child = packing(json!({}));
    let waits = task(
        "states:startExecution.sync:2",
        json!({"StateMachineArn": format!("{MACHINES}:child"), "Name": "c"}),
    );
    let config = Config {
        timeline: true,
        keep_succeeded: true,
        ..Config::default()
    };
    let mut lab = Lab::new(Arc::new(definitions(&waits, &child)), config).unwrap();
    start(&mut lab, "a");
    assert_eq!(lab.activity_tasks("pack"), Some(1));
    let arn = "arn:aws:states:us-east-1:123456789012:execution:asks:a";
    let long = "c".repeat(32_769);
    assert!(lab.stop_execution(arn, None, Some(&long)).is_err());
    lab.stop_execution(arn, Some("Enough"), Some("by hand"))
        .unwrap();
    // A second time changes nothing.
    lab.stop_execution(arn, Some("Other"), None).unwrap();
    let execution = lab.execution("asks", "a").unwrap();
    assert_eq!(
        (execution.status(), execution.error()),
        (Status::Aborted, Some("Enough"))
    );
    let last = serde_json::to_value(execution.history().last().unwrap()).unwrap();
    assert_eq!(
        (&last["type"], &last["executionAbortedEventDetails"]),
        (
            &json!("ExecutionAborted"),
            &json!({"error": "Enough", "cause": "by hand"})
        )
    );
    let nested = execution.nested();
    assert_eq!(nested.len(), 1);
    assert_eq!(
        serde_json::to_value(&nested[0]).unwrap()["status"],
        "ABORTED"
    );
    assert_eq!(lab.activity_tasks("pack"), Some(0));
    assert!(lab.stop_execution("arn:nobody", None, None).is_err());
    let named = "StateMachineName: asks";
    let express = TEMPLATE.replace(named, &format!("{named}\n      StateMachineType: EXPRESS"));
    let all = read(&express, &says("a"), &says("b")).unwrap();
    let mut lab = Lab::new(
        Arc::new(all),
        Config {
            keep_succeeded: true,
            ..Config::default()
        },
    )
    .unwrap();
    start(&mut lab, "a");
    let arn = lab.execution("asks", "a").unwrap().arn().to_owned();
    let why = lab.stop_execution(&arn, None, None).unwrap_err();
    assert!(why.to_string().contains("Express"), "{why}");
}
