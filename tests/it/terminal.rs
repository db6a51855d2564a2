//! Other people's text on the terminal: shown, never obeyed.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{duet, run};

/// Clears the screen, goes home, turns what follows round, and begins a line.
const HOSTILE: &str = "\u{1b}[2J\u{9b}H\u{202e}live\rdone\ninnocent";

/// How it is shown where lines are somebody's layout.
const SHOWN: &str = "\\u001b[2J\\u009bH\\u202elive\\u000ddone";

fn lab(state: &Path, args: &[&str]) -> Command {
    let mut command = duet(args);
    command.current_dir(state).env("DUET_STATE", state);
    command
}

/// What a command says, on either stream, none of which steers a terminal.
fn said(command: &mut Command) -> String {
    let output = run(command);
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(all).unwrap();
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(steers), "{command:?} said {text:?}");
    text
}

#[test]
fn a_reviewers_note_is_shown_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let place = [
        "place",
        "--id",
        "r-1",
        "--customer",
        "c-2",
        "--line",
        "espresso-machine=20",
    ];
    said(&mut lab(dir.path(), &place));
    said(&mut lab(
        dir.path(),
        &["review", "approve", "r-1", "--note", HOSTILE],
    ));
    let shown = said(&mut lab(dir.path(), &["review", "show", "r-1"]));
    let note = format!("note: {SHOWN}\\ninnocent");
    assert!(shown.lines().any(|line| line == note), "{shown}");
    // For programs it is data: the same text.
    let json = said(&mut lab(
        dir.path(),
        &["review", "show", "r-1", "--output", "json"],
    ));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["note"], HOSTILE);
    said(&mut lab(dir.path(), &["show", "r-1"]));
}

#[test]
fn an_event_is_shown_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let event =
        json!({ "source": "duet.test", "detail-type": HOSTILE, "detail": { "what": HOSTILE } });
    let file = dir.path().join("event.json");
    std::fs::write(&file, event.to_string()).unwrap();
    said(&mut lab(
        dir.path(),
        &["events", "send", file.to_str().unwrap()],
    ));
    let shown = said(&mut lab(dir.path(), &["events", "tail", "--within", "1m"]));
    assert!(shown.contains(&format!("{SHOWN}\\ninnocent")), "{shown}");
    let shown = said(&mut lab(
        dir.path(),
        &["events", "tail", "--within", "1m", "--output", "json"],
    ));
    let heard = shown
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(
        heard
            .into_iter()
            .any(|event| event["detail"]["what"] == HOSTILE),
        "{shown}"
    );
    said(&mut lab(
        dir.path(),
        &["rules", "test", file.to_str().unwrap()],
    ));
}

#[test]
fn an_argument_that_is_echoed_is_shown_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    // The command line's own parser says the first three; it leaves out what it
    // takes for a colour.
    let parsed = &SHOWN["\\u001b[2J".len()..];
    for (args, seen) in [
        (vec!["show", HOSTILE], parsed),
        (vec![HOSTILE], parsed),
        (vec!["demo", "--scenario", HOSTILE], parsed),
        (vec!["dlq", "show", HOSTILE], SHOWN),
        (vec!["rules", "match", HOSTILE, "{}"], ""),
        (vec!["place", "--file", HOSTILE], SHOWN),
        (vec!["down", "--state", HOSTILE], SHOWN),
    ] {
        let shown = said(&mut lab(dir.path(), &args));
        assert!(shown.contains(seen), "{args:?}: {shown}");
    }
    // Help is printed with its colours: nothing in it may be anybody else's.
    let mut help = lab(dir.path(), &["--help"]);
    let shown = said(help.env("DUET_STACK", HOSTILE).env("CLICOLOR_FORCE", "1"));
    assert!(
        shown.contains("DUET_STACK") && !shown.contains("innocent"),
        "{shown}"
    );
}
