//! The checker held against another's judgement, and the generator against what it
//! generates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod changes;
mod draw;
mod evolved;
mod generated;
mod lowered;
mod mutate;
mod oracle;

use std::path::PathBuf;

use serde_json::Value;

/// The project's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The schemas in a folder of `infra/schemas`: names, and what they say.
fn schemas(folder: &str) -> Vec<(String, Value)> {
    let folder = root().join("infra/schemas").join(folder);
    let mut found: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}
