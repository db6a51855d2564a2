//! What the comparison says a change touches, held against patches that make it.
//!
//! `tests/changes/KIND/` has `services.patch`, which all variants share, and patches
//! to be applied after it: one for each style, and one for each variant that has
//! something of its own. Which owner a file is of is told by its folder; tests,
//! documents and generated files have none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use crate::harness::{duet, json, root, run};

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

/// A kind of change that is made by patches.
struct Kind {
    /// What the comparison calls it.
    name: &'static str,
    /// The folder of its patches.
    folder: &'static str,
    /// The service that comes, if one does.
    comes: Option<&'static str>,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "an observer",
        folder: "observer",
        comes: Some("loyalty"),
    },
    Kind {
        name: "a new field",
        folder: "new-field",
        comes: None,
    },
];

/// A change under one variant: what is said of it, and the patches that make it.
struct Made {
    variant: String,
    said: Owners,
    patches: Vec<String>,
}

/// What is said of `kind` under each variant, and the patches that make it.
fn made(kind: &Kind) -> Vec<Made> {
    static COMPARISON: LazyLock<Value> = LazyLock::new(|| {
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
        json(&mut duet(&quick))
    });
    let styles: BTreeMap<&str, &str> = COMPARISON["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["style"].as_str().unwrap()))
        .collect();
    let changes = COMPARISON["change"].as_array().unwrap().iter();
    let changes = changes.filter(|it| it["kind"] == kind.name);
    let made: Vec<Made> = changes
        .map(|it| {
            let variant = it["variant"].as_str().unwrap();
            let patches = ["services", styles[variant], variant];
            Made {
                variant: variant.to_owned(),
                said: predicted(it),
                patches: patches
                    .iter()
                    .filter_map(|name| patch(kind.folder, name))
                    .collect(),
            }
        })
        .collect();
    assert_eq!(made.len(), styles.len(), "{}", kind.name);
    made
}

/// A patch; `None` where a variant has nothing of its own.
fn patch(kind: &str, name: &str) -> Option<String> {
    let file = root().join(format!("tests/changes/{kind}/{name}.patch"));
    std::fs::read_to_string(file).ok()
}

/// The files that `patches` touch, as they are after it.
fn applied(made: &Made) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for patch in &made.patches {
        for (file, section) in sections(patch) {
            let is_new = section.starts_with("--- /dev/null");
            let before = files.get(file).cloned().unwrap_or_else(|| match is_new {
                true => String::new(),
                false => std::fs::read_to_string(root().join(file)).unwrap(),
            });
            let change = diffy::Patch::from_str(section).unwrap();
            let after = diffy::apply(&before, &change);
            let after = after.unwrap_or_else(|e| panic!("{}: {file}: {e}", made.variant));
            files.insert(file.to_owned(), after);
        }
    }
    files
}

#[test]
fn a_change_touches_what_the_comparison_says() {
    for kind in KINDS {
        for made in made(&kind) {
            let new = kind.comes.unwrap_or_default();
            let whole = made.patches.concat();
            assert_eq!(owners(&whole, new), made.said, "{}", made.variant);
            // An owner more, or one less, is noticed.
            let more =
                "diff --git a/f b/f\n--- a/f\n+++ b/functions/payment/src/domain.rs\n@@\n+x\n";
            assert_ne!(owners(&format!("{whole}{more}"), new), made.said);
            let mut less = String::new();
            let owned = |file: &str| {
                let ends = [".asl.json", "/loyalty.yaml", "delivery/src/policy.rs"];
                ends.iter().any(|end| file.ends_with(end))
                    || file.starts_with("functions/delivery/")
            };
            for part in whole.split("diff --git ").filter(|part| !part.is_empty()) {
                let file = part.split("+++ b/").nth(1).unwrap().lines().next().unwrap();
                if !owned(file) {
                    less.push_str(&format!("diff --git {part}"));
                }
            }
            assert_ne!(owners(&less, new), made.said);
        }
    }
}

#[test]
fn the_patches_of_a_change_apply() {
    for kind in KINDS {
        for made in made(&kind) {
            let files = applied(&made);
            let services = kind.comes.unwrap_or("delivery");
            let folder = format!("functions/{services}/");
            assert!(files.keys().any(|file| file.starts_with(&folder)));
        }
    }
}

/// A field that comes is one that old and new code can do without: in whatever order
/// services are deployed, no fact is lost. Commands are strict, and so who reads one
/// is deployed first.
#[test]
fn a_new_field_breaks_no_fact_and_no_command_that_was_sent() {
    for made in made(&KINDS[1]) {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = applied(&made);
        let schemas = files
            .iter()
            .filter(|(path, _)| path.starts_with("infra/schemas/"));
        let mut changed = Vec::new();
        for (path, text) in schemas {
            let within = path.strip_prefix("infra/schemas/").unwrap();
            let before = std::fs::read_to_string(root().join(path)).unwrap();
            for (folder, text) in [(&old, &before), (&new, text)] {
                let file = folder.path().join(within);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            changed.push(within.to_owned());
        }
        let [old, new] = [&old, &new].map(|it| it.path().to_str().unwrap());
        let check = ["schemas", "check", old, new, "--output", "json"];
        let output = run(&mut duet(&check));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let verdicts: BTreeMap<&str, (&str, &str)> = said
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let word = |name: &str| it[name].as_str().unwrap();
                (word("fact"), (word("backward"), word("forward")))
            })
            .collect();
        let wanted = BTreeMap::from([
            ("NewOrder", ("yes", "yes")),
            ("delivery.NoteOrder", ("yes", "no")),
            ("delivery.ScheduleDelivery", ("yes", "no")),
            ("order.PlaceOrder", ("yes", "no")),
        ]);
        assert_eq!(verdicts, wanted, "{changed:?}");
    }
}
