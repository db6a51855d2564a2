//! Versions and aliases of a machine, and what is started by them.

use crate::nested::parent;
use crate::world::machine;
use duet_asl::{
    ReleaseError, Releases, Route, RunOptions, StateMachine, Status, Surroundings, run,
};
use serde_json::{Value, json};
use std::sync::Arc;

const CHILD: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:Child";

/// A machine that says `word`.
fn says(word: &str) -> Arc<StateMachine> {
    machine(
        &json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": word, "End": true}}}),
    )
}

fn routes(all: &[(u64, u32)]) -> Vec<Route> {
    let all = all.iter();
    all.map(|(version, weight)| Route {
        version: *version,
        weight: *weight,
    })
    .collect()
}

/// Two versions, and `three` not published.
fn two() -> Releases {
    let mut all = Releases::of(says("one"));
    assert_eq!(all.publish(), Ok(1));
    all.update(says("two"));
    assert_eq!(all.publish(), Ok(2));
    all.update(says("three"));
    all
}

/// Recorded 2023-08-11.
#[test]
fn versions_are_numbered_once_and_published_once() {
    let mut all = Releases::of(says("one"));
    assert_eq!((all.publish(), all.publish()), (Ok(1), Ok(1)));
    all.update(says("two"));
    assert_eq!(all.publish(), Ok(2));
    all.delete_version(2).unwrap();
    all.delete_version(2).unwrap();
    assert_eq!(all.publish(), Ok(3));
    assert_eq!(all.versions().collect::<Vec<_>>(), [1, 3]);
    assert!(all.release(Some("2"), || 0).is_none());
    let first = all.release(Some("1"), || 0).unwrap();
    assert!(!Arc::ptr_eq(&first.machine, all.current()));
}

/// Recorded 2025-03-03.
#[test]
fn an_alias_leads_to_one_or_two_versions_by_weight() {
    let mut all = two();
    let refused = |all: &mut Releases, name: &str, to: &[(u64, u32)]| {
        all.set_alias(name, &routes(to)).unwrap_err()
    };
    for (name, to, says) in [
        ("123", &[(1, 100)][..], "not digits alone"),
        ("", &[(1, 100)], "not digits alone"),
        ("ALIAS@", &[(1, 100)], "ALIAS@"),
        (&"A".repeat(81), &[(1, 100)], "1 to 80"),
        ("prod", &[], "one or two distinct"),
        ("prod", &[(1, 50), (2, 30), (3, 20)], "one or two distinct"),
        ("prod", &[(1, 50), (1, 50)], "distinct"),
        (
            "prod",
            &[(1, 70), (2, 29)],
            "must equal 100. Received: [70, 29]",
        ),
        ("prod", &[(1, 100), (2, u32::MAX)], "must equal 100"),
        ("prod", &[(1, 50), (7, 50)], "does not exist: version 7"),
    ] {
        let why = refused(&mut all, name, to);
        assert!(why.to_string().contains(says), "{why}");
        let code = match why {
            ReleaseError::Missing(_) => "ResourceNotFound",
            _ => "ValidationException",
        };
        assert_eq!(why.code(), code);
    }
    all.set_alias("prod", &routes(&[(1, 30), (2, 70)])).unwrap();
    let led = |drawn| all.release(Some("prod"), || drawn).unwrap();
    assert_eq!(
        [0, 29, 30, 99].map(|drawn| led(drawn).version),
        [Some(1), Some(1), Some(2), Some(2)]
    );
    assert_eq!(led(0).alias.as_deref(), Some("prod"));
    let why = all.delete_version(2).unwrap_err();
    assert_eq!(why.code(), "ConflictException");
    assert!(why.to_string().ends_with("this version: [prod]"), "{why}");
    all.set_alias("prod", &routes(&[(1, 100)])).unwrap();
    assert_eq!(all.alias("prod"), Some(&*routes(&[(1, 100)])));
    all.delete_version(2).unwrap();
    all.delete_alias("prod");
    all.delete_alias("prod");
    assert!(all.release(Some("prod"), || 0).is_none());
}

/// Recorded 2025-03-03: what DescribeExecution says of such an execution.
#[test]
fn a_nested_execution_is_started_by_version_or_alias() {
    let mut all = two();
    all.set_alias("prod", &routes(&[(1, 50), (2, 50)])).unwrap();
    let go = |qualifier: &str, seed: u64| {
        let by = json!({"Parameters": {"StateMachineArn": format!("{CHILD}{qualifier}")}});
        let mut options = RunOptions {
            around: Surroundings::default()
                .with_releases([("Child".to_owned(), all.clone())].into()),
            ..RunOptions::default()
        };
        options.execution.seed = seed;
        run(&machine(&parent("sync:2", by)), json!({"n": 1}), options)
    };
    let output = |qualifier: &str, seed| -> Value {
        let report = go(qualifier, seed).unwrap();
        assert_eq!(report.status, Status::Succeeded);
        (*report.output.unwrap()).clone()
    };
    let plain = output("", 0);
    assert_eq!(
        (&plain["Output"], &plain["StateMachineArn"]),
        (&json!("three"), &json!(CHILD))
    );
    assert_eq!(plain.get("StateMachineVersionArn"), None);
    let first = output(":1", 0);
    assert_eq!(
        (
            &first["Output"],
            &first["StateMachineVersionArn"],
            &first["StateMachineArn"]
        ),
        (&json!("one"), &json!(format!("{CHILD}:1")), &json!(CHILD))
    );
    assert_eq!(first.get("StateMachineAliasArn"), None);
    let mut seen = [0, 0];
    for seed in 0..40 {
        let by = output(":prod", seed);
        assert_eq!(by["StateMachineAliasArn"], format!("{CHILD}:prod"));
        let at = usize::from(by["Output"] == "two");
        seen[at] += 1;
        assert_eq!(by["StateMachineVersionArn"], format!("{CHILD}:{}", at + 1));
    }
    assert!(seen.iter().all(|n| *n > 8), "{seen:?}");
    // What is not here is somebody else's to answer.
    assert!(go(":9", 0).is_err());
}
