//! The command as people and scripts meet it: help, errors, exit codes, JSON.

use std::process::Command;

use clap::CommandFactory;
use duet_cli::commands::Cli;
use serde_json::json;

use crate::harness::{duet, run};

/// What a command that is refused before anything is sent says.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    // An endpoint where nobody listens: only what never asks it gets past.
    let output = run(duet(args)
        .args(["--on", "local"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9"));
    assert!(
        output.stdout.is_empty(),
        "data on standard output: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The commands that do something, each as the words that call it.
fn leaves(command: &clap::Command, path: &[String]) -> Vec<Vec<String>> {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .flat_map(|sub| leaves(sub, &[path, &[sub.get_name().to_owned()]].concat()))
        .collect();
    match below.is_empty() {
        true => vec![path.to_vec()],
        false => below,
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let top = run(&mut duet(&["--help"]));
    let text = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(top.status.success() && text.contains("Exit codes: 0 done"));
    let mut tree = Cli::command();
    tree.build();
    let commands = leaves(&tree, &[]);
    assert!(commands.iter().any(|path| *path == ["dlq", "list"]));
    for path in commands {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let output = run(&mut duet(&[&words[..], &["--help"]].concat()));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{path:?}");
        let (_, example) = text
            .split_once("Example:")
            .unwrap_or_else(|| panic!("{path:?} shows no example:\n{text}"));
        // Wrapped as the terminal is wide.
        let example: Vec<&str> = example.split_whitespace().collect();
        assert!(
            example
                .join(" ")
                .contains(&format!("duet {}", path.join(" "))),
            "{path:?} shows an example of something else:\n{text}"
        );
    }
}

#[test]
fn completions_and_the_manual_come_from_the_command_line_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&mut duet(&["completions", shell]));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("COMPLETE"),
            "{shell}"
        );
    }
    let manual = run(&mut duet(&["man"]));
    assert!(
        String::from_utf8_lossy(&manual.stdout).starts_with(".ie"),
        "roff"
    );
    // A page for each command, and each page that a page names is there.
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    assert!(run(&mut duet(&["man", "--dir", at])).status.success());
    let mut tree = Cli::command();
    tree.build();
    for path in leaves(&tree, &[]) {
        let page = dir.path().join(format!("duet-{}.1", path.join("-")));
        let text = std::fs::read_to_string(&page).unwrap();
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let printed = run(&mut duet(&[&["man"], &words[..]].concat()));
        assert_eq!(
            String::from_utf8_lossy(&printed.stdout).trim(),
            text.trim(),
            "{path:?}"
        );
    }
    let main = std::fs::read_to_string(dir.path().join("duet.1")).unwrap();
    for named in main.lines().filter_map(|line| line.strip_suffix("(1)")) {
        let page = format!("{}.1", named.replace('\\', ""));
        assert!(dir.path().join(&page).is_file(), "{page}");
    }
}

#[test]
fn nothing_is_broken_on_a_stack_that_is_not_meant_for_it() {
    let output = run(&mut duet(&["demo", "--drill", "outage", "--on", "aws"]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("duet is not meant for it"), "{said}");
    assert!(said.contains("--stack duet-drill"), "{said}");
}

#[test]
fn wrong_usage_ends_with_2_and_names_what_there_is() {
    for (args, part) in [
        (
            vec!["demo", "--scenario", "sad"],
            "possible values: happy, ",
        ),
        (vec!["demo", "--drill", "flood"], "possible values: outage"),
        (
            vec!["demo", "--drill", "outage", "--scenario", "happy"],
            "cannot be used with",
        ),
        (vec!["dlq", "list", "--older-than", "soon"], "30m, 1h"),
        (
            vec!["simulate", "--variant", "mqtt"],
            "there are express, express-sync, standard, eventbridge",
        ),
        (vec!["place", "--line", "kettle"], "write SKU=QUANTITY"),
        (vec!["place", "--line", "kettle=0"], "quantity 0"),
        (vec!["place", "--id", "a b"], "an id has 1 to 64 characters"),
        (vec!["place", "--total", "5"], "--currency"),
        (vec!["show"], "<ORDER>"),
        (vec!["fly"], "unrecognized subcommand"),
    ] {
        let (code, said) = refused(&args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(
            said.contains(part),
            "{args:?} should mention {part:?}: {said}"
        );
    }
}

fn order() -> serde_json::Value {
    json!({
        "order": "o-1", "customer": "c-1",
        "lines": [{ "sku": "kettle", "quantity": 1 }],
        "total": { "amount": 5450, "currency": "EUR" },
        "payment_token": "tok_visa",
        "ship_to": { "name": "Ada", "street": "S 1", "city": "U", "postcode": "75310", "country": "SE" },
    })
}

#[test]
fn a_wrong_order_is_refused_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |n: usize, sku: fn(usize) -> String| {
        (0..n)
            .map(|i| json!({ "sku": sku(i), "quantity": 1 }))
            .collect::<Vec<_>>()
    };
    let cases = [
        ("/lines", json!([]), "lines: an order has at least one line"),
        (
            "/lines",
            json!(lines(101, |_| "kettle".to_owned())),
            "lines: 101 lines; an order has at most 100",
        ),
        (
            "/lines",
            json!(lines(99, |i| format!("sku-{i}"))),
            "lines: 99 different SKUs; an order has at most 98",
        ),
        ("/lines/0/quantity", json!(-1), "lines[0].quantity"),
        ("/lines/0/sku", json!("å"), "lines[0].sku"),
        (
            "/total/amount",
            json!(0),
            "total.amount: an order costs something",
        ),
        ("/total/amount", json!(1.5), "total.amount"),
        (
            "/total/amount",
            json!(9_007_199_254_740_992_i64),
            "total.amount: is at most 9007199254740991 (2^53 - 1)",
        ),
        ("/order", json!("o__1"), "order: a new id has 1 to 60"),
        (
            "/order",
            json!("x".repeat(61)),
            "order: a new id has 1 to 60",
        ),
        ("/customer", json!("c_"), "customer: a new id has 1 to 60"),
        (
            "/total/currency",
            json!("EURO"),
            "total.currency: not an ISO 4217 currency code",
        ),
        ("/ship_to/country", json!("Sweden"), "ship_to.country"),
        ("/ship_to/postcode", json!(""), "ship_to.postcode"),
        (
            "/ship_to/street",
            json!("x".repeat(300_000)),
            "ship_to.street",
        ),
        (
            "/order",
            json!("no spaces"),
            "order: an id has 1 to 64 characters",
        ),
    ];
    for (pointer, value, part) in cases {
        let mut order = order();
        *order.pointer_mut(pointer).unwrap() = value;
        let file = dir.path().join("order.json");
        std::fs::write(&file, order.to_string()).unwrap();
        let (code, said) = refused(&["place", "--file", file.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{pointer}: {said}");
        assert!(
            said.contains(part),
            "{pointer} should mention {part:?}: {said}"
        );
    }
}

#[test]
fn a_file_of_orders_names_the_entry_at_fault() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.jsonl");
    let mut second = order();
    second["colour"] = json!("red");
    std::fs::write(&file, format!("{}\n{second}\n", order())).unwrap();
    let (code, said) = refused(&["place", "--file", file.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("entry 2") && said.contains("unknown field `colour`"),
        "{said}"
    );
    let (code, said) = refused(&["place", "--file", "/no/such/file"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("/no/such/file cannot be read"), "{said}");
}

#[test]
fn a_wrong_registration_is_refused_before_anything_is_sent() {
    let args = [
        "customer",
        "register",
        "--id",
        "c-1",
        "--name",
        "Ada",
        "--email",
        "nobody",
        "--country",
        "SE",
    ];
    let (code, said) = refused(&args);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("email"), "{said}");
}

#[test]
fn a_target_that_is_not_there_ends_with_3_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(duet(&["show", "o-1", "--on", "local"])
        .env("DUET_STATE", dir.path())
        .env_remove("AWS_ENDPOINT_URL"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("error: ") && said.contains("hint: run `duet up"),
        "{said}"
    );
    let (code, said) = refused(&["show", "o-1"]);
    assert_eq!(code, Some(3), "{said}");
    // Who asks how it is, is told so by the same code.
    let status = run(duet(&["status", "--on", "local"])
        .env("DUET_STATE", dir.path())
        .env_remove("AWS_ENDPOINT_URL"));
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(3), "{said}");
    assert!(said.contains("the emulator is not running"), "{said}");
}

#[test]
fn a_missing_python_is_one_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(duet(&["up", "--on", "local"])
        .env("DUET_STATE", dir.path())
        .env("DUET_PYTHON", "/no/such/python")
        .env_remove("AWS_ENDPOINT_URL"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("Python") && said.contains("3.10"), "{said}");
}

#[test]
fn the_state_machines_that_a_template_deploys_are_checked() {
    let validate = ["asl", "validate", "--template", "template.yaml"];
    let all = run(&mut duet(&validate));
    let said = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(all.status.success(), "{said}");
    let machines: Vec<&str> = said
        .trim()
        .trim_start_matches("valid: ")
        .split(", ")
        .collect();
    assert!(machines.len() >= 4, "{said}");
    // One by its logical id, and less of them where a parameter leaves them out.
    // (Two variants may have one of that name.)
    let (_, name) = machines[0].rsplit_once('/').unwrap();
    let one = run(&mut duet(&[&validate[..], &["--resource", name]].concat()));
    let called = |it: &&&str| it.rsplit_once('/').is_some_and(|(_, it)| it == name);
    let called: Vec<&str> = machines.iter().filter(called).copied().collect();
    assert_eq!(
        String::from_utf8_lossy(&one.stdout).trim(),
        format!("valid: {}", called.join(", "))
    );
    let off = run(&mut duet(
        &[&validate[..], &["--parameter", "Fraud=off"]].concat(),
    ));
    assert!(off.status.success() && off.stdout.len() < all.stdout.len());

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let machine = "Resources:\n  M: { Type: AWS::Serverless::StateMachine, Properties: { DefinitionUri: m.asl.json, DefinitionSubstitutions: { Next: B } } }\n";
    write("t.yaml", machine);
    let failed = |says: &str, more: &[&str]| {
        let args = [&["asl", "validate", "--template", "t.yaml"], more].concat();
        let output = run(duet(&args).current_dir(dir.path()));
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    };
    failed("m.asl.json", &[]);
    write(
        "m.asl.json",
        r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"${Next}"}}}"#,
    );
    failed("B", &[]);
    failed("it deploys M", &["--resource", "N"]);
    write(
        "m.asl.json",
        r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"${Other}"}}}"#,
    );
    failed("nothing is put in for Other", &[]);
    write("t.yaml", "Resources: {}\n");
    failed("no state machine", &[]);
}

#[test]
fn what_is_interrupted_says_what_became_of_it() {
    let mut command = duet(&["simulate", "--seeds", "1000000"]);
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Until it has begun there is nobody who could say anything.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let pid = child.id().to_string();
    let kill = ["-c", &format!("kill -INT {pid}")];
    assert!(
        Command::new("/bin/sh")
            .args(kill)
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("nothing of this command is kept"), "{said}");
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        ["place", "--scenario", "happy", "--token", "tok_declined"],
        ["place", "--scenario", "happy", "--postcode", "00000"],
        ["place", "--file", "orders.json", "--country", "SE"],
    ] {
        let output = run(duet(&args).env("DUET_STATE", dir.path()));
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
