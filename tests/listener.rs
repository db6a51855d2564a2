//! What CONTRIBUTING.md says of adding a listener is all there is to it: the
//! checked-in patch is applied to a scratch copy, touches just the places that
//! are named there, and passes what is to be run there.
//!
//! A binary of its own, because it compiles the project once more and leaves no
//! processor to others meanwhile.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without stops it, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The patch: a service that grants points for confirmed orders.
const PATCH: &str = "tests/patches/listener.patch";

/// The folder of the service that it adds.
const SERVICE: &str = "loyalty";

fn root() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap()
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The section of CONTRIBUTING.md about a listener.
fn section() -> String {
    let all = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let section = all
        .split("\n## ")
        .find(|it| it.starts_with("Add a listener"));
    section.expect("a section \"Add a listener\"").to_owned()
}

/// The paths in the first column of the section's table, with NAME filled in.
fn places() -> BTreeSet<String> {
    let section = section();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let paths = rows.filter_map(|row| Some(row.split_once('`')?.0));
    paths.map(|path| path.replace("NAME", SERVICE)).collect()
}

/// The commands of the section's block, with NAME filled in.
fn commands() -> Vec<String> {
    let section = section();
    let block = section.split("```sh\n").nth(1).expect("commands");
    let block = block.split("```").next().unwrap_or_default();
    let lines = block.lines().map(|line| line.replace("NAME", SERVICE));
    lines.collect()
}

/// The files that the patch touches; its own folder counts as one.
fn touched() -> BTreeSet<String> {
    let folder = format!("functions/{SERVICE}/");
    let place = |file: String| match file.starts_with(&folder) {
        true => folder.clone(),
        false => file,
    };
    patched().into_keys().map(place).collect()
}

#[test]
fn what_is_said_of_adding_a_listener_is_all_there_is() {
    assert_eq!(
        places(),
        touched(),
        "left: CONTRIBUTING.md; right: the patch"
    );
}

/// A copy of the checkout without what was built, with `changed` in the place of
/// files of that name.
fn scratch(changed: &BTreeMap<String, String>) -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listener");
    if copy.exists() {
        fs::remove_dir_all(&copy).unwrap();
    }
    fs::create_dir_all(&copy).unwrap();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let file = folder.join(entry.file_name());
            let left_out = [".git", ".duet", "target"].map(Path::new);
            if left_out.contains(&file.as_path()) {
                continue;
            }
            if entry.path().is_dir() {
                fs::create_dir_all(copy.join(&file)).unwrap();
                open.push(file);
            } else {
                fs::copy(entry.path(), copy.join(file)).unwrap();
            }
        }
    }
    for (file, text) in changed {
        let file = copy.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    // The tools that lint templates are fetched once.
    let tools = root().join(".duet");
    fs::create_dir_all(&tools).unwrap();
    std::os::unix::fs::symlink(tools, copy.join(".duet")).unwrap();
    copy
}

/// What the patch makes of the files that it touches.
fn patched() -> BTreeMap<String, String> {
    let patch = fs::read_to_string(root().join(PATCH)).unwrap();
    let parts = patch.split("diff --git ").filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let begin = part.find("--- ").expect("a hunk");
            let (_, file) = part.split_once("+++ b/").expect("a file");
            let file = file.lines().next().unwrap_or_default();
            let is_new = part[begin..].starts_with("--- /dev/null");
            let before = match is_new {
                true => String::new(),
                false => fs::read_to_string(root().join(file)).unwrap(),
            };
            let change = diffy::Patch::from_str(&part[begin..]).unwrap();
            let after = diffy::apply(&before, &change)
                .unwrap_or_else(|e| panic!("{PATCH} does not apply to {file} any more: {e}"));
            (file.to_owned(), after)
        })
        .collect()
}

/// A directory to build in, with what is built already of the crates of others,
/// as hard links. Nothing of our own is in it: that is built anew, and what is
/// written over a link would be written over the original, too.
fn built() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let debug = here.ancestors().nth(2).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listener-target");
    if target.exists() {
        fs::remove_dir_all(&target).unwrap();
    }
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    // Cargo names what it makes of a package `…-HASH`, and its folder of notes,
    // too, which begins with the package's name.
    let is_ours = |name: &String| name.starts_with("duet-");
    let notes = names(&debug.join(".fingerprint"));
    let hashes: Vec<_> = notes
        .iter()
        .filter(|name| is_ours(name))
        .filter_map(|name| name.rsplit_once('-'))
        .map(|(_, hash)| format!("-{hash}"))
        .collect();
    assert!(!hashes.is_empty(), "nothing of ours is built");
    for part in [".fingerprint", "build", "deps"] {
        let mut names = names(&debug.join(part));
        names.retain(|name| !is_ours(name) && !hashes.iter().any(|hash| name.contains(hash)));
        link(&debug.join(part), &target.join("debug").join(part), &names);
    }
    target
}

/// Links `names` of the folder `from` into the folder `to`, folders with all that
/// is in them.
fn link(from: &Path, to: &Path, names: &[String]) {
    fs::create_dir_all(to).unwrap();
    for name in names {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            let within = fs::read_dir(&from).unwrap();
            let within = within.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            link(&from, &to, &within.collect::<Vec<_>>());
        } else {
            fs::hard_link(from, to).unwrap();
        }
    }
}

#[test]
fn a_listener_that_is_added_so_works() {
    let copy = scratch(&patched());
    let target = built();
    for command in commands() {
        let words: Vec<&str> = command.split_whitespace().collect();
        let ["cargo", args @ ..] = words.as_slice() else {
            panic!("{command} is no cargo command");
        };
        run(Command::new(env!("CARGO"))
            .args(args)
            .current_dir(&copy)
            .env("CARGO_TARGET_DIR", &target)
            .env("DUET_STATE", copy.join("state")));
    }
    fs::remove_dir_all(target).unwrap();
    fs::remove_dir_all(copy).unwrap();
}
