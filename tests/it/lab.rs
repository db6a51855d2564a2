//! The lab from command to command: each is a process of its own.

mod orders;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{duet, json, program, run};

/// The `duet` command with a state directory of its own, outside any checkout,
/// and no target named: that is the lab.
fn lab(state: &Path, args: &[&str]) -> Command {
    let mut command = duet(args);
    command
        .current_dir(state)
        .env("DUET_STATE", state)
        .env("PATH", "")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    command
}

fn told(state: &Path, args: &[&str]) -> Value {
    json(&mut lab(state, &[args, &["--output", "json"]].concat()))
}

fn outcome(state: &Path, order: &str) -> String {
    let shown = told(state, &["show", order]);
    shown["outcome"].as_str().unwrap().to_owned()
}

#[test]
fn a_newcomer_places_an_order_with_the_first_command() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    assert!(told(state, &["status"])["lab"].is_null());
    let placed = told(state, &["place", "--line", "kettle=1", "--wait"]);
    let order = placed["orders"][0]["order"].as_str().unwrap();
    assert_eq!(outcome(state, order), "Confirmed");
    let status = told(state, &["status"]);
    assert_eq!(status["lab"]["orders"], 1);
    let file = std::fs::read_dir(state).unwrap().count();
    assert_eq!(file, 1, "all that is written lies under `lab`");
}

#[test]
fn a_review_waits_from_one_command_to_the_next() {
    for variant in duet_cli::shop::variant::ALL.iter() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let name = variant.name;
        // Expensive for a customer nobody knows: a person decides.
        let args = [
            "place",
            "--id",
            "o-1",
            "--line",
            "espresso-machine=9",
            "--variant",
            name,
        ];
        told(state, &args);
        let waiting = told(state, &["review", "list"]);
        assert_eq!(waiting["reviews"][0]["order"], "o-1", "{name}: {waiting:#}");
        told(state, &["review", "approve", "o-1", "--note", "called"]);
        assert_eq!(outcome(state, "o-1"), "Confirmed", "{name}");
        let again = run(&mut lab(state, &["review", "reject", "o-1"]));
        assert_eq!(again.status.code(), Some(1), "decided before");
    }
}

#[test]
fn dead_letters_and_events_are_found_by_later_commands() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let args = ["place", "--scenario", "poison", "--variant", "eventbridge"];
    told(state, &args);
    let letters = told(state, &["dlq", "list"]);
    let id = letters["letters"][0]["id"].as_str().unwrap();
    let cause = letters["letters"][0]["cause"].as_str().unwrap();
    assert!(cause.starts_with("no JSON from line 1"), "{cause}");
    let nowhere = run(&mut lab(state, &["dlq", "list", "--queue", "ordr"]));
    assert_eq!(nowhere.status.code(), Some(2), "a name that nobody has");
    let plan = run(&mut lab(state, &["dlq", "redrive", "--dry-run"]));
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(
        plan.contains("GOES TO") && plan.contains("duet-order"),
        "{plan}"
    );
    told(state, &["dlq", "drop", id]);
    let letters = told(state, &["dlq", "list"]);
    assert!(letters["letters"].as_array().unwrap().is_empty());

    let file = state.join("event.json");
    std::fs::write(
        &file,
        r#"{"source":"duet.test","detail-type":"Ping","detail":{}}"#,
    )
    .unwrap();
    told(state, &["events", "send", file.to_str().unwrap()]);
    let expect = |kind: &str| {
        let pattern = format!(r#"{{"detail-type":["{kind}"]}}"#);
        let args = ["events", "expect", "--pattern", &pattern];
        run(&mut lab(state, &args)).status.code()
    };
    assert_eq!((expect("Ping"), expect("Pong")), (Some(0), Some(1)));
    let tail = run(&mut lab(state, &["events", "tail", "--within", "1h"]));
    assert!(String::from_utf8_lossy(&tail.stdout).contains("OrderConfirmed"));

    let rules = told(state, &["rules", "list"]);
    let there = duet_cli::world::lab::definitions(&Default::default()).unwrap();
    let on_bus = |rule: &&duet_lab::Rule| rule.arn.contains("/duet-bus/");
    assert_eq!(
        rules["rules"].as_array().unwrap().len(),
        there.rules.iter().filter(on_bus).count() + there.subscriptions.len()
    );
    let users = told(state, &["rules", "users", "detail.data.kind"]);
    assert!(!users["patterns"].as_array().unwrap().is_empty());
}

#[test]
fn a_lab_is_updated_in_place_and_set_aside_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    told(state, &["place", "--id", "o-1", "--wait"]);
    let parameters = |state| told(state, &["status"])["lab"]["parameters"].clone();
    assert_eq!(parameters(state), serde_json::json!({}));
    // A default by its name is the default: nothing is updated.
    let same = run(&mut lab(state, &["up", "--parameter", "Fraud=on"]));
    assert!(same.status.success());
    assert_eq!(String::from_utf8_lossy(&same.stderr), "");
    assert_eq!(parameters(state), serde_json::json!({}));
    let up = told(state, &["up", "--parameter", "WithChoreography=false"]);
    let variants = up["variants"].as_array().unwrap();
    assert!(variants.contains(&"standard".into()) && !variants.contains(&"eventbridge".into()));
    assert_eq!(
        parameters(state),
        serde_json::json!({ "WithChoreography": "false" })
    );
    assert_eq!(outcome(state, "o-1"), "Confirmed", "it is the same lab");
    told(
        state,
        &["place", "--id", "o-2", "--variant", "standard", "--wait"],
    );
    assert_eq!(outcome(state, "o-2"), "Confirmed");
    let wrong = run(&mut lab(state, &["up", "--parameter", "WithFrau=false"]));
    assert_eq!(wrong.status.code(), Some(2));
    told(state, &["up"]);
    assert_eq!(parameters(state), serde_json::json!({}));
    told(state, &["place", "--id", "o-3", "--variant", "eventbridge"]);
    told(state, &["down"]);
    told(state, &["down", "--delete"]);
    assert!(told(state, &["status"])["lab"].is_null());
    let kept = std::fs::read_dir(state.join("lab/duet")).unwrap();
    let aside = kept.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("inputs-")
    });
    assert_eq!(aside.count(), 1, "it is kept as a copy");
}

#[test]
fn commands_at_once_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let ids: Vec<String> = (0..8).map(|n| format!("o-{n}")).collect();
    let running: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut command = lab(state, &["place", "--id", id]);
            let quiet = std::process::Stdio::null;
            command.stdout(quiet()).stderr(quiet()).spawn().unwrap()
        })
        .collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    let orders = told(state, &["orders"]);
    assert_eq!(orders["orders"].as_array().unwrap().len(), 8);
}

#[test]
fn the_demo_needs_nothing_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let report = told(dir.path(), &["demo"]);
    assert_eq!(report["parity"], true);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The commands of an example in a command's help, as a script.
fn example(command: &[&str]) -> String {
    let help = run(&mut duet(&[command, &["--help"]].concat()));
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let (_, example) = help.split_once("Example:").unwrap();
    let lines = example.lines().map(str::trim);
    let commands = lines.skip_while(|line| line.is_empty());
    let commands: Vec<_> = commands.take_while(|line| !line.is_empty()).collect();
    commands.join("\n")
}

/// Left out: what needs an emulator or the project (`up`, `contracts`), what needs the
/// id of a letter (`dlq show|drop`), and what takes minutes unoptimised.
#[test]
fn the_examples_in_the_help_work_as_printed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let binary = std::path::PathBuf::from(duet(&[]).get_program());
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let commands: &[&[&str]] = &[
        &["status"],
        &["demo"],
        &["place"],
        &["show"],
        &["watch"],
        &["repair"],
        &["forget"],
        &["customer", "register"],
        &["catalog", "seed"],
        &["catalog", "show"],
        &["review", "list"],
        &["review", "show"],
        &["review", "approve"],
        &["review", "reject"],
        &["orders"],
        &["logs"],
        &["redrive"],
        &["replay"],
        &["dlq", "list"],
        &["dlq", "redrive"],
        &["events", "send"],
        &["events", "tail"],
        &["events", "expect"],
        &["rules", "list"],
        &["rules", "users"],
        &["completions"],
        &["man"],
        &["down"],
    ];
    for command in commands {
        let script = example(command);
        let mut shell = program("/bin/sh");
        let shell = shell.args(["-e", "-c", &script]).current_dir(state);
        shell.env("DUET_STATE", state).env("PATH", &path);
        let done = run(shell);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{command:?}: {script}\n{said}");
    }
}

#[test]
fn looking_for_what_is_not_there_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    told(state, &["place", "--id", "o-1"]);
    let file = state.join("lab/duet/inputs.jsonl");
    let before = std::fs::read(&file).unwrap();
    let pattern = r#"{"detail-type":["Never"]}"#;
    for args in [
        vec!["watch", "typo"],
        vec!["show", "typo"],
        vec!["events", "expect", "--pattern", pattern, "--within", "1h"],
        vec!["orders"],
        vec!["top", "--once"],
        vec!["status"],
    ] {
        run(&mut lab(state, &args));
        assert_eq!(std::fs::read(&file).unwrap(), before, "{args:?}");
    }
    // An order that is there is followed to its end, and the lab goes on from then.
    assert!(run(&mut lab(state, &["watch", "o-1"])).status.success());
    assert_eq!(outcome(state, "o-1"), "Confirmed");
}

#[test]
fn a_disk_that_is_full_takes_nothing_of_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    told(state, &["place", "--id", "o-0"]);
    let file = state.join("lab/duet/inputs.jsonl");
    let before = std::fs::read(&file).unwrap();
    let order = |n: u32| {
        format!(
            r#"{{"order":"full-{n}","customer":"c-1","lines":[{{"sku":"kettle","quantity":1}}],"total":{{"amount":5450,"currency":"EUR"}},"payment_token":"tok_visa","ship_to":{{"name":"A","street":"B 1","city":"C","postcode":"12345","country":"SE"}}}}"#
        )
    };
    let orders: Vec<String> = (0..200).map(order).collect();
    std::fs::write(state.join("orders.jsonl"), orders.join("\n")).unwrap();
    // A file may grow to so many blocks of 512 bytes or of 1,024, and no further.
    let blocks = before.len() / 512 + 4;
    let exe = env!("CARGO_BIN_EXE_duet");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {exe} place --file orders.jsonl");
    let mut shell = program("/bin/sh");
    shell
        .args(["-c", &script])
        .current_dir(state)
        .env("DUET_STATE", state);
    let output = run(&mut shell);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(output.stdout.is_empty(), "it told of what was not kept");
    assert!(said.contains("nothing of this command is kept"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(
        told(state, &["orders"])["orders"].as_array().unwrap().len(),
        1
    );
    told(state, &["place", "--file", "orders.jsonl"]);
    assert_eq!(
        told(state, &["orders"])["orders"].as_array().unwrap().len(),
        201
    );
}

#[test]
fn labs_are_listed_chosen_and_dropped_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    told(state, &["place", "--id", "o-1"]);
    told(state, &["lab", "use", "practice"]);
    told(state, &["place", "--id", "o-2"]);
    told(state, &["place", "--id", "o-3", "--stack", "duet"]);
    let labs = told(state, &["lab", "list"]);
    let names: Vec<_> = labs["labs"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!(
        (&names[1]["name"], &names[1]["in_use"]),
        (&"practice".into(), &true.into())
    );
    let count = |more: &[&str]| {
        told(state, &[&["orders"], more].concat())["orders"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((count(&[]), count(&["--stack", "duet"])), (1, 2));
    // Nobody at a terminal, and no --yes: nothing goes.
    let refused = run(lab(state, &["lab", "drop", "practice"]).stdin(std::process::Stdio::null()));
    assert_eq!(refused.status.code(), Some(2));
    told(state, &["up", "--reset"]);
    assert_eq!(count(&[]), 0);
    let labs = told(state, &["lab", "list"]);
    assert_eq!(labs["labs"][1]["copies"], 1);
    told(state, &["lab", "drop", "practice", "--yes"]);
    assert_eq!(count(&[]), 2, "the lab in use is the usual one again");
    let gone = run(&mut lab(state, &["lab", "drop", "practice", "--yes"]));
    assert_eq!(gone.status.code(), Some(1));
}

#[test]
fn a_demo_under_faults_can_be_kept_and_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let args = [
        "demo",
        "--keep",
        "seen",
        "--fault",
        "silent@payment:0.5",
        "--fault",
        "duplicate:0.3",
    ];
    let demo = told(
        state,
        &[
            &args[..],
            &["--seed", "3", "--scenario", "happy", "--orders", "5"],
        ]
        .concat(),
    );
    let rows = demo["rows"].as_array().unwrap();
    let ids = rows
        .iter()
        .flat_map(|row| row["orders"].as_array().unwrap());
    let ids: Vec<&str> = ids.map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.len(), 5 * duet_cli::shop::variant::ALL.len());
    let orders = told(state, &["orders", "--stack", "seen"]);
    assert_eq!(orders["orders"].as_array().unwrap().len(), ids.len());
    for id in ids {
        told(state, &["show", id, "--stack", "seen"]);
    }
    let again = run(&mut lab(state, &args));
    assert_eq!(again.status.code(), Some(2), "its name is taken");
}
