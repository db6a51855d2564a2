//! Orders, several or one, across commands: decided, repaired, put away, told of.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use serde_json::Value;

use super::{lab, outcome, told};
use crate::harness::run;

#[test]
fn several_orders_are_decided_repaired_and_filtered_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    for (id, customer) in [("r-1", "c-1"), ("r-2", "c-2")] {
        let args = [
            "place",
            "--id",
            id,
            "--customer",
            customer,
            "--line",
            "espresso-machine=20",
        ];
        told(state, &args);
    }
    let approve = ["review", "approve", "r-1", "r-2", "r-3"];
    let signed = ["--by", "kim", "--note", "both known"];
    let done = run(&mut lab(state, &[&approve[..], &signed].concat()));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(1), "r-3 is unknown");
    assert!(said.contains("r-3  not decided"), "{said}");
    let timeline = run(&mut lab(state, &["show", "r-2", "--timeline"]));
    let timeline = String::from_utf8_lossy(&timeline.stdout).into_owned();
    let verdict = "operator: review approved, by kim: both known";
    assert!(timeline.contains(verdict), "{timeline}");
    assert_eq!(
        (outcome(state, "r-1"), outcome(state, "r-2")),
        ("Confirmed".into(), "Confirmed".into())
    );
    let listed = |args: &[&str]| -> Vec<String> {
        let orders = told(state, &[&["orders"], args].concat());
        let rows = orders["orders"].as_array().unwrap().iter();
        rows.map(|row| row["order"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(&["--customer", "c-2"]), ["r-2"]);
    assert_eq!(listed(&["--limit", "1"]), ["r-2"]);
    assert_eq!(listed(&["--outcome", "confirmed"]), ["r-1", "r-2"]);
    assert!(listed(&["--outcome", "rejected"]).is_empty());
    assert!(listed(&["--variant", "eventbridge"]).is_empty());
    for variant in duet_cli::shop::variant::ALL.iter() {
        let id = format!("owed-{}", variant.name);
        let args = [
            "place",
            "--id",
            &id,
            "--variant",
            variant.name,
            "--postcode",
            "00000",
        ];
        let args = [
            &args[..],
            &[
                "--token",
                "tok_refund_fails_24",
                "--wait",
                "--within",
                "900",
            ],
        ]
        .concat();
        run(&mut lab(state, &args));
    }
    let parked = listed(&["--attention"]);
    assert_eq!(
        parked.len(),
        duet_cli::shop::variant::ALL.len(),
        "{parked:?}"
    );
    let repaired = told(state, &["repair", "--attention", "--within", "900"]);
    assert_eq!(
        repaired["orders"].as_array().unwrap().len(),
        parked.len(),
        "{repaired:#}"
    );
    assert!(listed(&["--attention"]).is_empty());
}

#[test]
fn a_failed_execution_is_put_away_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    told(
        state,
        &["place", "--scenario", "poison", "--variant", "standard"],
    );
    let letters = told(state, &["dlq", "list"]);
    let id = letters["letters"][0]["id"].as_str().unwrap().to_owned();
    let redrive = || {
        run(&mut lab(state, &["redrive", "--failed-since", "1h"]))
            .status
            .code()
    };
    assert_eq!(redrive(), Some(1), "it can never be taken up again");
    let nobody = run(&mut lab(state, &["dlq", "ack", "nobody", "--note", "x"]));
    assert_eq!(nobody.status.code(), Some(1));
    told(
        state,
        &["dlq", "ack", &id, "--note", "a test", "--by", "ada"],
    );
    assert!(
        told(state, &["dlq", "list"])["letters"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let all = told(state, &["dlq", "list", "--acknowledged"]);
    assert_eq!(all["letters"][0]["id"], id.as_str());
    assert_eq!(redrive(), Some(0));

    // All that failed of the same, and nothing else.
    let poison = ["place", "--scenario", "poison", "--variant", "standard"];
    told(state, &poison);
    told(state, &poison);
    let ack = |cause| told(state, &["dlq", "ack", "--cause", cause, "--note", "a test"]);
    let count = |done: Value| done["acknowledged"].as_array().unwrap().len();
    assert_eq!(count(ack("nothing like it")), 0);
    assert_eq!(count(ack("invalidcommand")), 2);
    assert_eq!(count(ack("invalidcommand")), 0);
}

/// Who may only read a lab looks at it, and is told why they cannot change it.
#[test]
fn a_lab_that_may_not_be_written_can_be_looked_at() {
    const NOBODY: u32 = 65_534;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    told(state, &["place", "--id", "o-1", "--wait"]);
    let file = state.join("lab/duet/inputs.jsonl");
    let before = std::fs::read(&file).unwrap();
    let only_read = |args: &[&str]| {
        let mut command = lab(state, args);
        // To the superuser every directory is writable.
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    let modes = |of_directories| {
        let mode = |path: &Path, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).unwrap();
        };
        for path in ["lab/duet/inputs.jsonl", "lab/duet/lock"] {
            mode(&state.join(path), 0o444);
        }
        for path in ["lab/duet", "lab", ""] {
            mode(&state.join(path), of_directories);
        }
    };
    modes(0o555);
    let looks: [&[&str]; 4] = [
        &["status"],
        &["orders"],
        &["show", "o-1"],
        &["top", "--once"],
    ];
    for args in looks {
        let output = run(&mut only_read(args));
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {why}");
    }
    let refused = run(&mut only_read(&["place", "--id", "o-2"]));
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{why}");
    assert!(why.contains("Permission denied"), "{why}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // For whoever removes it.
    modes(0o755);
}

/// What an operator did stands in the order's timeline, with who and why.
#[test]
fn who_did_what_to_an_order_and_why_stands_in_its_timeline() {
    for variant in duet_cli::shop::variant::ALL.iter() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let order = format!("o-{}", variant.name);
        let place = [
            "place",
            "--id",
            &order,
            "--variant",
            variant.name,
            "--postcode",
            "00000",
            "--token",
            "tok_refund_fails_40",
        ];
        // Whoever is answered is told that it is rejected.
        run(&mut lab(state, &place));
        run(&mut lab(state, &["watch", &order, "--within", "20000"]));
        let repair = ["repair", &order, "--by", "anna", "--note", "ticket 4711"];
        for _ in 0..9 {
            run(&mut lab(state, &repair));
        }
        told(state, &["forget", &order, "--by", "bo"]);
        let actions = told(state, &["show", &order])["actions"].clone();
        let actions = actions.as_array().unwrap();
        let (last, repairs) = actions.split_last().unwrap();
        assert_eq!(last["by"], "bo");
        assert!(!repairs.is_empty(), "{actions:?}");
        for action in repairs {
            assert_eq!(action["by"], "anna");
            // A note may say something of a person: it is forgotten with the rest.
            assert!(action["note"].is_null(), "{action}");
        }
        let done = &repairs.last().unwrap()["what"];
        assert!(
            done.as_str().unwrap().contains("repaired: Payment"),
            "{done}"
        );
        let timeline = run(&mut lab(state, &["show", &order, "--timeline"]));
        let timeline = String::from_utf8_lossy(&timeline.stdout).into_owned();
        assert!(
            timeline.contains("operator: repaired: Payment, by anna"),
            "{timeline}"
        );
    }
}

/// A shell is told of the orders placed last, without waiting for the lab.
#[test]
fn completion_knows_goods_variants_faults_and_the_orders_placed_last() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    for (n, variant) in duet_cli::shop::variant::ALL.iter().enumerate() {
        let order = format!("last-{n}");
        told(state, &["place", "--id", &order, "--variant", variant.name]);
    }
    let asked = |words: &[&str]| {
        let mut command = lab(state, &[]);
        command
            .env("COMPLETE", "fish")
            .arg("--")
            .arg("duet")
            .args(words);
        let output = run(&mut command);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (words, known) in [
        (&["show", ""][..], "last-0"),
        (&["repair", "last"], "last-0"),
        (&["review", "approve", ""], "last-1"),
        (&["place", "--line", "k"], "kettle=1"),
        (&["place", "--variant", ""], "eventbridge"),
        (&["demo", "--fault", "si"], "silent"),
        (&["demo", "--scenario", "pay"], "payment-down"),
    ] {
        let answer = asked(words);
        assert!(answer.contains(known), "{words:?}: {answer}");
    }
}
