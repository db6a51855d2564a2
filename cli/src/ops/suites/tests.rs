//! The project's own test files, and what is told of any.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::terminal::exit::Exit;
use crate::terminal::report::Report as _;

const DEFINITION: &str = r#"{"StartAt": "Pay", "States": {
    "Pay": {"Type": "Task", "Resource": "${Task}", "Parameters": {"FunctionName": "pay"},
        "Catch": [{"ErrorEquals": ["Declined"], "Next": "Refuse"}], "End": true},
    "Refuse": {"Type": "Fail", "Error": "Refused <&> \"no\""}}}"#;

/// A folder with the definition above and `test.yaml`.
fn folder(test: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pay.asl.json"), DEFINITION).unwrap();
    let file = folder.path().join("test.yaml");
    std::fs::write(&file, test).unwrap();
    (folder, file)
}

fn ran(test: &str) -> Outcome<Ran> {
    let (_folder, file) = folder(test);
    load(&file)?.run(None)
}

/// What goes wrong with a test file, for whoever wrote it.
fn problem(test: &str) -> String {
    let problem = ran(test).err();
    problem
        .unwrap_or_else(|| panic!("no problem with\n{test}"))
        .to_string()
}

#[test]
fn our_own_definitions_pass_their_tests_and_are_covered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tested = 0;
    let files = |folder: &str| std::fs::read_dir(root.join(folder)).unwrap();
    let standard = files("infra/orchestration").map(|entry| ("", entry));
    let express = files("infra/express").map(|entry| ("express/", entry));
    for (folder, entry) in standard.chain(express) {
        let name = entry.unwrap().file_name();
        let name = name.to_string_lossy();
        let Some(stem) = name.strip_suffix(".asl.json") else {
            continue;
        };
        tested += 1;
        let ran = load(&root.join(format!("tests/asl/{folder}{stem}.test.yaml")))
            .and_then(|it| it.run(None))
            .unwrap_or_else(|why| panic!("{why}"));
        let told = Told::new(&[ran], Some(90.0), false);
        assert_eq!(told.exit(), Exit::Done, "{}", told.text());
    }
    assert!(tested >= 6, "no definition found");
}

const GOOD: &str = "definition: pay.asl.json
substitutions: { Task: 'arn:aws:states:::lambda:invoke' }
cases:
  - name: paid
    mocks: { Pay: &paid { returns: { ok: true } } }
    expect: { output: { ok: true } }
  - name: <&>
    mocks: { Pay: *paid }
    expect: { output: { ok: \"<\" } }
  - name: unmocked
    expect: {}
";

#[test]
fn results_are_told_to_people_programs_and_junit() {
    let all = [ran(GOOD).unwrap()];
    let told = Told::new(&all, Some(70.0), true);
    assert_eq!(told.exit(), Exit::Failed);
    let text = told.text();
    for part in [
        "failed  <&>",
        "output.ok\n    expected \"<\"\n    got      true",
        "state 'Pay' calls arn:aws:states:::lambda:invoke, and has no mock",
        "  Pay caught Declined\n    /States/Pay/Catch[0]",
        "33.3 % reached",
        ", which is less than 70 %",
        "1 of 3 cases passed",
        "stateDiagram-v2",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let data = serde_json::to_value(&told).unwrap();
    let case = &data["files"][0]["cases"][0];
    assert_eq!(
        (&case["path"], &case["transitions"], &case["passed"]),
        (&json!(["Pay"]), &json!(1), &json!(true))
    );
    assert_eq!(data["files"][0]["coverage"]["percent"], 33.3);
    let xml = junit(&all, Some(70.0));
    for part in [
        "tests=\"4\" failures=\"2\" errors=\"1\"",
        "name=\"&lt;&amp;&gt;\"",
        "<failure message=\"output.ok\">output.ok&#10;  expected &quot;&lt;&quot;",
        "<error message=\"not run to its end\">",
        "<failure message=\"33.3 % reached, 70 % required\">",
    ] {
        assert!(xml.contains(part), "{part} in\n{xml}");
    }
    let enough = Told::new(
        &[ran(&GOOD[..GOOD.find("  - name: <").unwrap()]).unwrap()],
        Some(33.0),
        false,
    );
    assert_eq!(enough.exit(), Exit::Done);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let case = "cases: [{ name: n, expect: {} }]\n";
    let with = |more: &str| {
        format!(
            "definition: pay.asl.json\nsubstitutions: {{ Task: 'arn:aws:states:::lambda:invoke' }}\n{more}"
        )
    };
    for (test, expected) in [
        ("cases: [".to_owned(), "line 2"),
        (case.to_owned(), "exactly one of definition and template"),
        (
            format!("definition: none.json\n{case}"),
            "none.json cannot be read",
        ),
        (
            format!("definition: pay.asl.json\nsubstitutions: {{ X: y }}\n{case}"),
            "nothing is put in for Task",
        ),
        (
            with("cases: [{ name: n, expect: { ouput: 1 } }]"),
            "cases[0].expect.ouput: unknown field",
        ),
        (
            with("cases: [{ name: n, mocks: { Pay: { returns: 1, times: 0 } }, expect: {} }]"),
            "cases[0].mocks.Pay",
        ),
        (
            with("cases: [{ name: n, mocks: { Pai: { returns: 1 } }, expect: {} }]"),
            "cases[0].mocks.Pai: the definition has no state",
        ),
        (
            with("cases: [{ name: n, name: m, expect: {} }]"),
            "duplicate",
        ),
        (
            with("type: fast\ncases: []"),
            "type: 'fast' is not a state machine type",
        ),
    ] {
        let problem = problem(&test);
        assert!(
            problem.contains(expected),
            "{problem}\nshould contain {expected}"
        );
    }
}
