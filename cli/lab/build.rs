//! Finds the templates and state machines that are deployed, so that no list of
//! them has to be kept.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = fs::canonicalize(here.join("../.."))?;
    let mut files = vec![root.join("template.yaml")];
    let infra = root.join("infra");
    println!("cargo::rerun-if-changed={}", infra.display());
    for entry in fs::read_dir(&infra)? {
        let entry = entry?.path();
        if entry.is_file() {
            // What several templates are made of.
            files.push(entry);
        } else if entry.join("template.yaml").is_file() {
            println!("cargo::rerun-if-changed={}", entry.display());
            for file in fs::read_dir(entry)? {
                files.push(file?.path());
            }
        }
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in files.iter().filter(|file| is_deployed(file)) {
        let name = file.strip_prefix(&root).unwrap_or(file);
        // A path has the same separators everywhere, so that digests agree.
        let name = name.to_string_lossy().replace('\\', "/");
        let _ = writeln!(list, "({name:?}, include_str!({file:?})),");
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("bundled.rs"), list)
}

fn is_deployed(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".yaml") || name.ends_with(".asl.json")
}
