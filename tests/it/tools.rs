//! The tools for the bus, for patterns and for definitions.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{duet, fresh, json, local, run};

/// Runs `duet` with `text` on standard input.
fn fed(args: &[&str], text: &str) -> Output {
    let mut command = duet(args);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_pattern_matches_or_not_or_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let event = file("event.json", r#"{"source":"duet.order","detail":{"n":3}}"#);
    let cases = [
        (r#"{"source":["duet.order"]}"#, 0),
        (r#"{"detail":{"n":[{"numeric":[">",5]}]}}"#, 1),
        (r#"{"source":"duet.order"}"#, 2),
    ];
    for (pattern, code) in cases {
        let pattern = file("pattern.json", pattern);
        let args = ["rules", "match", "--pattern", &pattern, "--event", &event];
        assert_eq!(run(&mut duet(&args)).status.code(), Some(code), "{pattern}");
    }
}

#[test]
fn any_definition_runs_with_exit_codes_that_tell() {
    let echo = r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},"OutputPath":"$.Payload","End":true}}}"#;
    let fails =
        r#"{"StartAt":"A","States":{"A":{"Type":"Fail","Error":"Mine","Cause":"because"}}}"#;
    let broken = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"}}}"#;
    let ran = fed(
        &["asl", "run", "-", "--task-echo", "--input", r#"{"a":1}"#],
        echo,
    );
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        said,
        serde_json::json!({"status": "SUCCEEDED", "output": {"a": 1}})
    );
    assert_eq!(ran.status.code(), Some(0));

    let ran = fed(&["asl", "run", "-"], fails);
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (said["status"].as_str(), said["error"].as_str()),
        (Some("FAILED"), Some("Mine"))
    );
    assert_eq!(ran.status.code(), Some(1));

    // Nothing answers the task: an error that says so, and no guess.
    let ran = fed(&["asl", "run", "-"], echo);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("nothing answers"));

    assert_eq!(fed(&["asl", "run", "-"], broken).status.code(), Some(2));
    let checked = fed(&["asl", "validate", "-", "--output", "json"], broken);
    assert_eq!(checked.status.code(), Some(2));
    let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let first = &said["findings"][0];
    assert_eq!(first["code"], "MISSING_TRANSITION_TARGET");
    assert_eq!(first["severity"], "ERROR");
    assert_eq!(first["path"], "/States/A/Next");
}

#[test]
fn any_template_is_checked_with_exit_codes_that_tell() {
    let checked = |template: &str| {
        run(&mut duet(&[
            "check",
            "--template",
            template,
            "--output",
            "json",
        ]))
    };
    let fixture = |name: &str| format!("cli/check/tests/fixtures/{name}.yaml");
    for (template, code) in [
        ("template.yaml".to_owned(), 0),
        (fixture("short-visibility/trips"), 0),
        (fixture("poll-without-bound/trips"), 1),
        (fixture("poll-without-bound/none"), 2),
        ("README.md".to_owned(), 2),
    ] {
        assert_eq!(checked(&template).status.code(), Some(code), "{template}");
    }
    let found = checked(&fixture("poll-without-bound/trips"));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let first = &found[0];
    assert_eq!(first["rule"], "poll-without-bound");
    assert_eq!(first["severity"], "error");
    assert!(first["file"].as_str().unwrap().ends_with("trips.yaml"));
    for member in ["line", "resource", "message", "fix"] {
        assert!(!first[member].is_null(), "{member} in {first}");
    }
}

#[test]
fn an_event_is_expected_sent_and_the_tap_is_gone_afterwards() {
    let kind = fresh("ping");
    let pattern = format!(r#"{{"detail-type":["{kind}"]}}"#);
    let waiting = local()
        .duet(&["events", "expect", "--pattern", &pattern, "--within", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Sent until it is heard: the tap takes a moment to open.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("event.json");
    let event = format!(r#"{{"source":"duet.test","detail-type":"{kind}","detail":{{}}}}"#);
    std::fs::write(&file, event).unwrap();
    let heard = std::thread::spawn(move || waiting.wait_with_output().unwrap());
    while !heard.is_finished() {
        json(&mut local().duet(&["events", "send", file.to_str().unwrap(), "--output", "json"]));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let heard = heard.join().unwrap();
    assert!(
        heard.status.success(),
        "{}",
        String::from_utf8_lossy(&heard.stderr)
    );
    assert!(String::from_utf8_lossy(&heard.stdout).contains(&kind));
    let rules = json(&mut local().duet(&["rules", "list", "--output", "json"]));
    let mut names = rules["rules"].as_array().unwrap().iter();
    assert!(!names.any(|rule| rule["name"].as_str().unwrap().contains("-tap-")));

    let quiet = run(&mut local().duet(&[
        "events",
        "expect",
        "--pattern",
        r#"{"source":["duet.never"]}"#,
        "--within",
        "1s",
    ]));
    assert_eq!(quiet.status.code(), Some(1));
}

#[test]
fn the_users_of_a_field_are_rules_transformers_and_schemas() {
    let users =
        |field: &str| json(&mut local().duet(&["rules", "users", field, "--output", "json"]));
    let has = |found: &Value, of: &str, part: &str| {
        let mut names = found[of].as_array().unwrap().iter();
        names.any(|name| name.as_str().unwrap().contains(part))
    };
    let kind = users("detail.data.kind");
    assert!(has(&kind, "patterns", "NoFraudDetected"), "{kind}");
    assert!(has(&kind, "schemas", "events/NoFraudDetected.json"));
    assert!(!has(&kind, "schemas", "events/NewOrder.json"));
    // The rule on the account's own bus that parks what a workflow left.
    let name = users("detail.name");
    assert!(
        has(&name, "transformers", "order-commands-ExecutionEnded"),
        "{name}"
    );
    let nobody = users("detail.data.colour");
    for of in ["patterns", "transformers", "schemas"] {
        assert_eq!(nobody[of], serde_json::json!([]));
    }
}
