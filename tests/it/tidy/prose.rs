//! Markdown has one sentence a line.

use crate::harness::{root, text};

/// Written by `duet contracts`, and a table of one-line reasons.
const GENERATED: [&str; 2] = ["docs/events.md", "docs/mutants.md"];

/// The lines of `markdown`, by number, in which a second sentence begins. Code
/// and tables are not prose.
fn crowded(markdown: &str) -> Vec<usize> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (n, line) in markdown.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with(['|', '#']) && begins_another(line) {
            found.push(n + 1);
        }
    }
    found
}

/// Whether a word of at least two letters ends a sentence, and a capital letter
/// begins the next one.
fn begins_another(line: &str) -> bool {
    line.match_indices(". ").any(|(at, _)| {
        let (before, after) = (&line[..at], line[at + 2..].trim_start());
        let word = before.rsplit(' ').next().unwrap_or_default();
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let is_code = before.matches('`').count() % 2 == 1;
        // A word with a stop within is an abbreviation.
        let ends = letters > 1 && !word.contains('.');
        !is_code && ends && after.starts_with(|c: char| c.is_uppercase())
    })
}

#[test]
fn markdown_has_one_sentence_a_line() {
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().display()));
    let front = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    for file in front.into_iter().chain(docs) {
        if file.ends_with(".md") && !GENERATED.contains(&&*file) {
            let lines = crowded(&text(&file));
            assert!(lines.is_empty(), "{file}: two sentences on lines {lines:?}");
        }
    }
}

#[test]
fn a_second_sentence_is_seen() {
    assert_eq!(crowded("One line.\nTwo of them. Here it is.\n"), [2]);
    for one in [
        "```\nno prose. At all.\n```\n| a cell. Or two. |\n",
        "1. A step.\nSuch as `a. B`, e.g. Rust.\n",
    ] {
        assert!(crowded(one).is_empty(), "{one}");
    }
}

#[test]
fn the_front_page_is_short() {
    let length = text("README.md").len();
    assert!(length <= 8 * 1_024, "README.md has {length} bytes");
}
