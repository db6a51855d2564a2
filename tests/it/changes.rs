//! What the comparison says a change touches, held against patches that make it.
//!
//! `tests/changes/KIND/` has `services.patch`, which all variants share, and patches
//! to be applied after it: one for each style, and one for each variant that has
//! something of its own. Which owner a file is of is told by its folder; tests,
//! documents and generated files have none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{duet, json, root};

/// What lets a service hear a fact.
const HEARS: [&str; 2] = ["Type: AWS::Events::Rule", "Type: AWS::SNS::Subscription"];

/// What a patch touches, by owner.
#[derive(Debug, Default, PartialEq, Eq)]
struct Owners {
    services: BTreeSet<String>,
    definitions: BTreeSet<String>,
    rules: usize,
}

/// The sections of a patch: the file, and what is said of it.
fn sections(patch: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = patch.split("diff --git ").filter(|part| !part.is_empty());
    parts.map(|part| {
        let (_, file) = part.split_once("+++ b/").expect("a file");
        let file = file.lines().next().unwrap_or_default();
        (file, &part[part.find("--- ").expect("a hunk")..])
    })
}

/// The owners of what `patch` touches, but for the service `new` that comes.
fn owners(patch: &str, new: &str) -> Owners {
    let mut owners = Owners::default();
    for (file, section) in sections(patch) {
        let parts: Vec<&str> = file.split('/').collect();
        match parts.as_slice() {
            ["functions", "core", ..] | ["functions", _, "src", "tests", ..] => {}
            ["functions", service, ..] if *service != new => {
                owners.services.insert((*service).to_owned());
            }
            ["infra", .., name] if name.ends_with(".asl.json") => {
                let name = name.split('.').next().unwrap_or_default();
                owners.definitions.insert(name.to_owned());
            }
            _ => {}
        }
        let lines = section.lines().filter(|line| line.starts_with('+'));
        owners.rules += lines
            .filter(|line| HEARS.iter().any(|hears| line.ends_with(hears)))
            .count();
    }
    owners
}

/// What the comparison says of `change`.
fn predicted(change: &Value) -> Owners {
    let names = |field: &str| -> BTreeSet<String> {
        let list = change[field].as_array().unwrap().iter();
        list.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    Owners {
        services: names("edited"),
        definitions: names("definitions"),
        rules: change["rules"].as_u64().unwrap() as usize,
    }
}

/// What is said of an observer under each variant, and the patches that make it.
fn observers() -> BTreeMap<String, (Value, Vec<String>)> {
    let quick = [
        "compare",
        "--draws",
        "1",
        "--orders",
        "1",
        "--failures",
        "0",
        "--output",
        "json",
    ];
    let comparison = json(&mut duet(&quick));
    let styles: BTreeMap<&str, &str> = comparison["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["style"].as_str().unwrap()))
        .collect();
    let changes = comparison["change"].as_array().unwrap().iter();
    let changes = changes.filter(|it| it["kind"] == "an observer");
    changes
        .map(|it| {
            let variant = it["variant"].as_str().unwrap();
            let patches = ["services", styles[variant], variant].map(patch);
            let patches = patches.into_iter().flatten().collect();
            (variant.to_owned(), (it.clone(), patches))
        })
        .collect()
}

/// A patch; `None` where a variant has nothing of its own.
fn patch(name: &str) -> Option<String> {
    let file = root().join(format!("tests/changes/observer/{name}.patch"));
    std::fs::read_to_string(file).ok()
}

#[test]
fn an_observer_touches_what_the_comparison_says() {
    for (variant, (change, patches)) in observers() {
        let whole = patches.concat();
        let said = predicted(&change);
        assert_eq!(owners(&whole, "loyalty"), said, "{variant}");
        // An owner more, or one less, is noticed.
        let more = "diff --git a/f b/f\n--- a/f\n+++ b/functions/payment/src/domain.rs\n@@\n+x\n";
        assert_ne!(owners(&format!("{whole}{more}"), "loyalty"), said);
        let mut less = String::new();
        let owned = |file: &str| file.ends_with(".asl.json") || file.ends_with("/loyalty.yaml");
        for part in whole.split("diff --git ").filter(|part| !part.is_empty()) {
            let file = part.split("+++ b/").nth(1).unwrap().lines().next().unwrap();
            if !owned(file) {
                less.push_str(&format!("diff --git {part}"));
            }
        }
        assert_ne!(owners(&less, "loyalty"), said);
    }
}

#[test]
fn the_patches_of_an_observer_apply() {
    for (variant, (_, patches)) in observers() {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for patch in &patches {
            for (file, section) in sections(patch) {
                let is_new = section.starts_with("--- /dev/null");
                let before = files.get(file).cloned().unwrap_or_else(|| match is_new {
                    true => String::new(),
                    false => std::fs::read_to_string(root().join(file)).unwrap(),
                });
                let change = diffy::Patch::from_str(section).unwrap();
                let after = diffy::apply(&before, &change);
                let after = after.unwrap_or_else(|e| panic!("{variant}: {file}: {e}"));
                files.insert(file.to_owned(), after);
            }
        }
        assert!(
            files
                .keys()
                .any(|file| file.starts_with("functions/loyalty/"))
        );
    }
}
