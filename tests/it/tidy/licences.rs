//! What is linked may be linked: the licences of all crates, and where they
//! come from.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

use crate::harness::root;

/// Licences that ask for no more than their text and a name.
const ALLOWED: [&str; 10] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What the licence MIT grants, and no other does in these words.
const MIT: &str = "the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED \"AS IS\"";

/// Whether a choice that `licence` offers needs allowed ones only; old manifests
/// write `MIT/Apache-2.0`.
fn is_allowed(licence: &str) -> bool {
    Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|asked| {
            let name = asked.license.id().map(|id| id.name);
            name.is_some_and(|name| ALLOWED.contains(&name))
        })
    })
}

/// The licence of a package: as its manifest names it, or by the text of the file
/// that it names instead.
fn licence(package: &Value) -> String {
    if let Some(named) = package["license"].as_str() {
        return named.to_owned();
    }
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let file = package["license_file"].as_str().unwrap_or_default();
    let text = std::fs::read_to_string(manifest.with_file_name(file)).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.join(" ").contains(MIT) {
        true => "MIT".to_owned(),
        false => "none".to_owned(),
    }
}

/// What cargo knows of the crates that a build on this machine uses.
fn metadata() -> Value {
    let said = |command: &mut Command| {
        let output = command.current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let rustc = said(Command::new("rustc").arg("-vV"));
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let asked = ["metadata", "--format-version", "1", "--locked"];
    let mut cargo = Command::new(env!("CARGO"));
    let of_host = cargo.args(asked).args(["--filter-platform", host.unwrap()]);
    serde_json::from_str(&said(of_host)).unwrap()
}

#[test]
fn every_crate_may_be_linked_and_comes_from_the_registry() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let here = root().canonicalize().unwrap();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = licence(package);
        if !is_allowed(&licence) {
            wrong.push(format!("{name}: licence {licence}"));
        }
        // Our own have no source; a fork or a path outside would be another kind.
        let source = package["source"].as_str();
        let ours = package["manifest_path"].as_str().unwrap();
        let ours = source.is_none() && Path::new(ours).starts_with(&here);
        if !ours && !source.is_some_and(|from| from.starts_with("registry+")) {
            wrong.push(format!("{name}: from {source:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_may_not_be_linked_is_told_apart() {
    for (licence, allowed) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("MIT OR GPL-3.0-only", true),
        ("ISC AND (Apache-2.0 OR ISC)", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-3.0-only", false),
        ("MIT AND AGPL-3.0-only", false),
        ("none", false),
    ] {
        assert_eq!(is_allowed(licence), allowed, "{licence}");
    }
}
