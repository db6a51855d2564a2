//! The rooms of the command: what each may use.

use crate::harness::{root, text};
use crate::tidy::{nowhere, rust_files, shipped};

/// From the ground up: each uses itself and those before it.
const ROOMS: [&str; 8] = [
    "terminal", "shop", "world", "ops", "simulate", "compare", "target", "commands",
];

/// What `code` names of its crate's root.
fn named(code: &str) -> impl Iterator<Item = &str> {
    let lines = code.lines().filter_map(|line| line.split("//").next());
    let places = lines.flat_map(|line| line.split("crate::").skip(1));
    places.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[test]
fn a_room_uses_only_the_rooms_below_it() {
    for (floor, room) in ROOMS.iter().enumerate() {
        for path in rust_files(&format!("cli/src/{room}")) {
            for used in named(&shipped(&path)) {
                let below = ROOMS.iter().position(|known| *known == used);
                assert!(
                    below.is_some_and(|below| below <= floor),
                    "{} is in {room} and uses {used}, which is above it or no room",
                    path.display()
                );
            }
        }
    }
    let all = std::fs::read_dir(root().join("cli/src")).unwrap();
    for entry in all.map(|entry| entry.unwrap().file_name()) {
        let name = entry.to_string_lossy();
        let known = ROOMS.contains(&&*name) || ["lib.rs", "main.rs"].contains(&&*name);
        assert!(known, "cli/src/{name} is in no room");
    }
}

/// How long a file may be.
const LINES: usize = 500;

/// The one that may be longer: it is written into a crate as it stands.
const WHOLE: &str = "cli/schemas/src/bindings/templates/support.rs";

#[test]
fn a_file_can_be_read_in_one_go() {
    for dir in ["functions", "cli", "tests"] {
        for path in rust_files(dir) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            let file = path.strip_prefix(root()).unwrap();
            let file = file.to_string_lossy();
            assert!(lines <= LINES || file == WHOLE, "{file} has {lines} lines");
        }
    }
}

#[test]
fn no_port_names_an_sdk() {
    let rooms = [
        "terminal",
        "shop",
        "world/port",
        "world/lab",
        "ops",
        "simulate",
        "compare",
        "commands",
    ];
    let rooms = rooms.map(|room| format!("cli/src/{room}"));
    nowhere(
        &rooms.each_ref().map(String::as_str),
        &[],
        &["aws_sdk_", "aws_config", "aws_types", "aws_credential"],
        "only world/aws and target/cloud know AWS",
    );
}

#[test]
fn no_command_uses_a_command() {
    for path in rust_files("cli/src/commands") {
        if path.ends_with("mod.rs") {
            continue;
        }
        for line in shipped(&path).lines() {
            // The tree of all commands is no command.
            let own = ["super::choose::", "super::Cli;"];
            let other = line.contains("super::") && !own.iter().any(|it| line.contains(it));
            assert!(
                !other && !line.contains("crate::commands"),
                "{}: {line}",
                path.display()
            );
        }
    }
}

/// The rows of "Where is …?" in docs/architecture.md: a file, and what stands in it.
#[test]
fn what_a_stranger_asks_for_is_where_it_is_said_to_be() {
    let document = text("docs/architecture.md");
    let section = document
        .split("\n## ")
        .find(|it| it.starts_with("Where is"));
    let rows = section.expect("the section").lines().filter_map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [_, file, symbol] = cells.as_slice() else {
            return None;
        };
        let file = file.strip_prefix('[')?.split(']').next()?;
        Some((file, symbol.split('`').nth(1)?))
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for (file, symbol) in rows {
        assert!(text(file).contains(symbol), "{file} has no {symbol}");
    }
}

#[test]
fn what_a_file_names_is_found() {
    let code = "use crate::world::{self, World};\nlet x = crate::ops::word(y); // crate::z\n";
    assert_eq!(named(code).collect::<Vec<_>>(), ["world", "ops"]);
}
