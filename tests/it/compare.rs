//! The comparison, and what the documents say of it.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{duet, json, local, run, text};

/// A small comparison: its figures are not the documents'.
fn small(more: &[&str]) -> Value {
    let small = [
        "compare",
        "--draws",
        "20",
        "--failures",
        "0",
        "--output",
        "json",
    ];
    json(&mut duet(&[&small, more].concat()))
}

/// What `duet compare --check -` says of `comparison`, and how it ends.
fn checked(comparison: &str) -> (i32, String, String) {
    let mut command = duet(&["compare", "--check", "-"]);
    command.stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(comparison.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let exit = output.status.code().unwrap();
    (exit, said(&output.stdout), said(&output.stderr))
}

#[test]
fn the_documents_say_what_the_comparison_says() {
    let output = run(&mut duet(&["compare", "--output", "json"]));
    assert!(output.status.success());
    let comparison = String::from_utf8(output.stdout).unwrap();
    let (exit, said, errors) = checked(&comparison);
    assert_eq!(
        exit, 0,
        "{said}{errors}\nwrite them anew with duet compare --check FILE --write"
    );
    let figures: usize = said
        .split(" figures")
        .next()
        .and_then(|before| before.rsplit(' ').next()?.parse().ok())
        .unwrap();
    assert!(figures >= 20, "{said}");
    // A sum that is not one, and something that is no comparison.
    let mut wrong: Value = serde_json::from_str(&comparison).unwrap();
    for money in wrong["money"].as_object_mut().unwrap().values_mut() {
        let total = &mut money["per_million_usd"]["total"];
        *total = (total.as_f64().unwrap() + 1.0).into();
    }
    let (exit, said, _) = checked(&wrong.to_string());
    assert!(exit == 1 && said.contains(".total: "), "{exit} {said}");
    wrong["time"] = 1.into();
    let (exit, _, errors) = checked(&wrong.to_string());
    assert!(exit == 2 && errors.contains("at time"), "{exit} {errors}");
}

/// `document` without what stands between marks, without code and links.
fn outside(document: &str) -> String {
    let mut rest = document.to_owned();
    for (opens, closes) in [("```", "\n```"), ("<!-- compare ", "<!-- /compare -->")] {
        while let Some(from) = rest.find(opens) {
            let after = from + opens.len();
            let end = rest[after..]
                .find(closes)
                .map_or(rest.len(), |at| after + at + closes.len());
            rest.replace_range(from..end, "MARK");
        }
    }
    rest
}

/// The figures of a document that look like the comparison's: an amount of
/// money, milliseconds, or a share, as digits before their unit.
fn figures(document: &str) -> Vec<String> {
    let words: Vec<&str> = document.split_whitespace().collect();
    let unit = |word: &str| {
        let word = word.trim_end_matches(['.', ',', ';', ':', ')']);
        ["ms", "USD", "%"].contains(&word)
    };
    let pairs = words
        .windows(2)
        .filter(|pair| pair[0].ends_with(|c: char| c.is_ascii_digit()) && unit(pair[1]));
    pairs.map(|pair| pair.join(" ")).collect()
}

#[test]
fn no_figure_of_the_comparison_stands_outside_marks() {
    let document = text("docs/comparison.md");
    assert_eq!(figures(&outside(&document)), Vec::<String>::new());
    assert!(figures("it is 12 ms, or 3.5 USD; 4 %").len() == 3);
    assert!(outside("a <!-- compare x -->1<!-- /compare --> ms").contains("MARK ms"));
}

#[test]
fn more_orders_do_not_take_away_what_is_assumed() {
    let (few, many) = (small(&["--orders", "50"]), small(&["--orders", "500"]));
    for (name, time) in few["time"].as_object().unwrap() {
        let width = |time: &Value| {
            let ends = &time["decided_ms"]["range"]["p50"];
            ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
        };
        let share = width(&many["time"][name]) / width(time);
        assert!(share >= 0.8, "{name}: {share}");
        let doubt = |time: &Value| {
            let ends = &time["decided_ms"]["sampling"]["p50"];
            ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
        };
        assert!(doubt(&many["time"][name]) < doubt(time), "{name}");
    }
}

#[test]
fn a_budget_that_is_exceeded_is_a_check_that_failed() {
    let quick = [
        "compare",
        "--draws",
        "1",
        "--orders",
        "2",
        "--failures",
        "0",
    ];
    let ended = |budget: &str| {
        let output = run(&mut duet(&[&quick[..], &["--budget", budget]].concat()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), said)
    };
    let (exit, said) = ended("100000");
    assert!(
        exit == 0 && said.contains("All stay within 100,000.00"),
        "{exit} {said}"
    );
    let (exit, said) = ended("0.5");
    assert!(
        exit == 1 && said.contains("Over the budget of 0.50"),
        "{exit} {said}"
    );
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_can() {
    for (args, says) in [
        (
            &["compare", "--scenario", "review-approve"][..],
            "choose one of happy, ",
        ),
        (
            &["compare", "--profile", "aws-1999"],
            "possible values: fast, aws-2022, aws-2024",
        ),
        (
            &["compare", "--on", "local", "--fault", "duplicate"],
            "--fault is for the lab only",
        ),
        (
            &["compare", "--on", "aws", "--budget", "1"],
            "--budget is for the lab only",
        ),
        (&["compare", "--budget", "much"], "much"),
        (&["compare", "--failure", "rain"], "rain"),
        (&["compare", "--check", "nowhere.json"], "nowhere.json"),
        (&["compare", "--write"], "--check"),
        (&["status", "--output", "md"], "Markdown is of duet compare"),
    ] {
        let output = run(&mut duet(args));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn a_variant_or_a_fault_can_be_looked_at_alone() {
    let all = small(&["--orders", "5"]);
    let names: Vec<&str> = all["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    for name in names {
        let one = small(&["--orders", "5", "--variant", name]);
        assert_eq!(one["variants"].as_array().unwrap().len(), 1);
        assert_eq!(
            one["money"][name]["units"]["transitions"],
            all["money"][name]["units"]["transitions"]
        );
        let stormy = small(&[
            "--orders",
            "5",
            "--variant",
            name,
            "--fault",
            "store-fault:0.2",
        ]);
        let units = |of: &Value, unit: &str| of["money"][name]["units"][unit].as_f64().unwrap();
        assert_eq!(units(&one, "retries"), 0.0);
        assert!(units(&stormy, "retries") > 0.0);
        // What patience costs.
        assert!(units(&stormy, "invocations") > units(&one, "invocations"));
    }
}

#[test]
fn on_an_emulator_orders_are_timed_and_the_rest_is_said_not_to_be_known() {
    let args = ["compare", "--orders", "3", "--scenario", "card-declined"];
    let timed = json(&mut local().duet(&[&args[..], &["--output", "json"]].concat()));
    let variants = timed["variants"].as_array().unwrap();
    assert!(variants.len() >= 2);
    for variant in variants {
        let time = &timed["time"][variant["name"].as_str().unwrap()];
        for what in ["decided_ms", "whole_ms"] {
            let (n, p50) = (&time[what]["n"], &time[what]["p50"]);
            assert!(
                *n == 3 && p50.as_i64().unwrap() > 0,
                "{variant} {what}: {time}"
            );
        }
    }
    assert!(!timed["not_known"].as_array().unwrap().is_empty());
}
