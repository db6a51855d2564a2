//! No template makes the check panic.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use duet_check::check;

#[path = "../../../../tests/garble.rs"]
mod garble;

use garble::{Garbler, Shown};

use crate::own;

const PIECES: [&str; 24] = [
    "!Ref A",
    "!Sub '${A}'",
    "!GetAtt A.Arn",
    "!If [A, b, c]",
    "Fn::Select",
    "Fn::FindInMap",
    "&a",
    "*a",
    "<<: *a",
    "- ",
    ": ",
    "|\n  text\n",
    "\n\n",
    "\t",
    "#",
    "AWS::NoValue",
    "Type: AWS::SQS::Queue",
    "Resources:\n",
    "Properties: {}",
    "'",
    "? ",
    "---\n",
    "%YAML 1.1\n",
    "!!binary",
];

/// The fixtures, trips and mended.
fn templates() -> Vec<String> {
    let mut texts = Vec::new();
    for folder in std::fs::read_dir(own().join("tests/fixtures")).expect("a fixture") {
        for file in ["trips.yaml", "mended.yaml"] {
            texts.push(
                std::fs::read_to_string(folder.as_ref().expect("a fixture").path().join(file))
                    .expect("a fixture"),
            );
        }
    }
    texts.sort_unstable();
    texts
}

fn all(count: u64) {
    let mut garbler = Garbler::new(5, templates(), &PIECES);
    let mut read = 0;
    for _ in 0..count {
        let text = garbler.next();
        let _shown = Shown(&text);
        let files = |path: &Path| match path.ends_with("template.yaml") {
            true => Ok(text.clone()),
            false => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        if check(Path::new("template.yaml"), &BTreeMap::new(), &files).is_ok() {
            read += 1;
        }
    }
    println!("{count} templates, {read} read and checked");
    // What is refused at once shows little.
    assert!(read > count / 50, "{read}");
}

#[test]
fn no_template_makes_the_check_panic() {
    all(1_000);
}

#[test]
#[ignore = "takes long: cargo test -p duet-check --test it -- fuzz --ignored --nocapture"]
fn not_one_in_a_million_templates_makes_the_check_panic() {
    all(1_000_000);
}
