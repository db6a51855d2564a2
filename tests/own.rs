//! What somebody with a project of their own takes: the libraries, which stand alone, and docs/your-own.md, as one reads
//! it: every command in it is run, in order, in an empty folder, and says what stands below it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside test functions may take the shortcuts tests may"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The document's blocks of code: the language, the text, and the line it begins on.
fn blocks(document: &str) -> Vec<(String, String, usize)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String, usize)> = None;
    for (n, line) in document.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (None, Some(language)) => open = Some((language.to_owned(), String::new(), n + 1)),
            (Some((_, text, _)), _) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    blocks
}

/// The folder of this repository.
fn root() -> &'static Path {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().unwrap()
}

/// What a block of commands says, on both outputs.
fn said(commands: &str, folder: &Path) -> String {
    let duet = Path::new(env!("CARGO_BIN_EXE_duet"));
    let folders = [
        duet.parent().unwrap(),
        Path::new(env!("CARGO")).parent().unwrap(),
        Path::new("/usr/bin"),
        Path::new("/bin"),
    ];
    // Cargo's own folders, which a shell that has cargo knows, and where it builds: once
    // for all runs, as a reader's does.
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let cargo = |name: &str, folder: &str| {
        std::env::var_os(name).unwrap_or_else(|| home.join(folder).into_os_string())
    };
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{commands}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::join_paths(folders).unwrap())
        .env("HOME", folder)
        .env("DUET", root())
        .env("CARGO_HOME", cargo("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", cargo("RUSTUP_HOME", ".rustup"))
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/own"),
        )
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_says_what_stands_below_it() {
    let document = std::fs::read_to_string(root().join("docs/your-own.md")).unwrap();
    let blocks = blocks(&document);
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for (at, (language, commands, line)) in blocks.iter().enumerate() {
        if language != "sh" {
            let after = at.checked_sub(1).map(|before| blocks[before].0.as_str());
            assert!(
                language == "text" && after == Some("sh"),
                "line {line}: neither a command nor its answer"
            );
            continue;
        }
        let said = said(commands, folder.path());
        let shown = blocks
            .get(at + 1)
            .filter(|(language, ..)| language == "text");
        let shown = shown.map_or("", |(_, text, _)| text);
        assert_eq!(said, shown, "line {line} of docs/your-own.md:\n{commands}");
        compared += usize::from(!shown.is_empty());
    }
    assert!(compared > 5, "only {compared} answers");
}

/// The crates that a build of `package` links, itself among them.
fn crates(package: &str) -> BTreeSet<String> {
    let options = ["tree", "--offline", "--edges", "normal", "--prefix", "none"];
    let output = Command::new(env!("CARGO"))
        .args(options)
        .args(["--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_libraries_stand_alone() {
    for folder in ["cli/asl", "cli/pattern", "functions/idempotency"] {
        let folder = root().join(folder);
        let package = format!("duet-{}", folder.file_name().unwrap().display());
        let crates = crates(&package);
        assert!(crates.contains(&package), "{crates:?}");
        for linked in &crates {
            let cloud = linked.starts_with("aws-") || ["tokio", "hyper"].contains(&linked.as_str());
            let ours = linked.starts_with("duet-") && *linked != package;
            assert!(!cloud && !ours, "{package} depends on {linked}");
        }
        assert!(folder.join("README.md").exists() && folder.join("examples").is_dir());
    }
}
