//! What people meet on a terminal: its width, colours, errors for programs, one
//! whole screen; and other people's text, which is shown and never obeyed.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{duet, run};

/// Clears the screen, goes home, turns what follows round, and begins a line.
const HOSTILE: &str = "\u{1b}[2J\u{9b}H\u{202e}live\rdone\ninnocent";

/// An order, `r-1`, that a person has to look at.
const REVIEWED: [&str; 7] = [
    "place",
    "--id",
    "r-1",
    "--customer",
    "c-2",
    "--line",
    "espresso-machine=20",
];

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
    said(&mut lab(dir.path(), &REVIEWED));
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

/// What `duet args` says in a terminal of so many columns, with `typed` typed.
fn in_a_terminal(state: &Path, columns: u16, args: &str, typed: &[u8]) -> String {
    use std::io::Write as _;
    let exe = env!("CARGO_BIN_EXE_duet");
    let mut terminal = Command::new("script");
    terminal
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty cols {columns} rows 24; {exe} {args}"))
        .arg("/dev/null")
        .current_dir(state)
        .env("DUET_STATE", state)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = terminal
        .spawn()
        .expect("`script`, of util-linux, is on every Debian");
    let mut keys = child.stdin.take().unwrap();
    for key in typed.chunks(1) {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        // Who has left already hears no more keys.
        let _ = keys.write_all(key);
    }
    if !typed.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    drop(keys);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// `text` without its colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        rest = &after[end + 1..];
    }
    plain + rest
}

#[test]
fn tables_fit_eighty_columns_and_no_id_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    for scenario in ["out-of-stock", "poison"] {
        for variant in duet_cli::shop::variant::ALL.iter() {
            let args = ["place", "--scenario", scenario, "--variant", variant.name];
            said(&mut lab(state, &args));
        }
    }
    let ids = |words: &[&str], of: &str| -> Vec<String> {
        let json = said(&mut lab(state, &[words, &["--output", "json"]].concat()));
        let json: Value = serde_json::from_str(&json).unwrap();
        let rows = json[of].as_array().unwrap().iter();
        rows.map(|row| {
            row[if of == "orders" { "order" } else { "id" }]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
    };
    for (words, of) in [(vec!["orders"], "orders"), (vec!["dlq", "list"], "letters")] {
        for columns in [80, 120] {
            let shown = in_a_terminal(state, columns, &words.join(" "), b"");
            assert!(shown.contains("\u{1b}["), "no colour: {shown:?}");
            let shown = plain(&shown);
            for line in shown.lines() {
                assert!(
                    line.chars().count() <= usize::from(columns),
                    "{columns}: {line}"
                );
            }
            let all = ids(&words, of);
            assert!(!all.is_empty());
            for id in all {
                assert!(
                    shown.contains(&id),
                    "{id} breaks in {columns} columns:\n{shown}"
                );
            }
        }
    }
    let shown = plain(&in_a_terminal(
        state,
        80,
        "demo --scenario refund-fails",
        b"",
    ));
    for line in shown.lines() {
        assert!(line.trim_end().chars().count() <= 80, "{line}");
    }
}

#[test]
fn colour_is_there_when_asked_for_and_never_when_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    said(&mut lab(state, &["place", "--id", "o-1", "--wait"]));
    let colours = |args: &[&str]| {
        let output = run(lab(state, args).env_remove("NO_COLOR"));
        String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
    };
    assert!(!colours(&["orders"]), "into a pipe");
    assert!(colours(&["orders", "--color", "always"]));
    assert!(!colours(&["orders", "--color", "never"]));
    let refused = |args: &str| in_a_terminal(state, 80, args, b"").contains("\u{1b}[");
    assert!(!refused("orders --color never"));
    assert!(refused("orders"));
    // What is said for programs has none, whatever is asked for.
    assert!(!colours(&[
        "orders", "--output", "json", "--color", "always"
    ]));
}

#[test]
fn an_error_for_programs_is_a_document() {
    let dir = tempfile::tempdir().unwrap();
    for (args, code, exit) in [
        (vec!["show", "nobody"], "failed", 1),
        (vec!["orders", "--variant", "nosuch"], "usage", 2),
        (vec!["shw"], "usage", 2),
        (vec!["place", "--file", "nowhere.json"], "usage", 2),
    ] {
        let output = run(&mut lab(
            dir.path(),
            &[&args[..], &["--output", "json"]].concat(),
        ));
        assert_eq!(output.status.code(), Some(exit), "{args:?}");
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        let error: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(error["error"]["code"], code, "{error}");
        assert_eq!(error["error"]["exit"], exit);
        assert!(
            !error["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with("error")
        );
    }
}

#[test]
fn one_screen_shows_what_waits_and_is_left_by_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    said(&mut lab(state, &REVIEWED));
    let poison = ["place", "--scenario", "poison", "--variant", "eventbridge"];
    said(&mut lab(state, &poison));
    let file = state.join("lab/duet/inputs.jsonl");
    let before = std::fs::read(&file).unwrap();
    let shown = in_a_terminal(state, 100, "top", b"q");
    assert!(plain(&shown).contains("a person's decision"), "{shown:?}");
    // It took the whole screen, and gave it back.
    assert!(
        shown.contains("\u{1b}[?1049h") && shown.contains("\u{1b}[?1049l"),
        "{shown:?}"
    );
    assert_eq!(
        std::fs::read(&file).unwrap(),
        before,
        "looking left a trace"
    );
    let json = said(&mut lab(state, &["top", "--output", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["waiting"][0]["order"], "r-1");
    assert_eq!(json["reviews"], 1);
    let dead = json["dead_letters"].as_object().unwrap();
    assert_eq!(dead.values().collect::<Vec<_>>(), [1], "{json:#}");
}
