//! The document names the rules as they are.

use std::fmt::Write as _;

use duet_check::rules::RULES;

use crate::own;

#[test]
fn the_document_has_a_row_for_every_rule() {
    let path = own().join("../../docs/check.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut table = String::from(
        "| rule | at worst | what goes wrong | where that is known from | fix |\n|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            rule.name,
            rule.severity.word(),
            rule.wrong,
            rule.source,
            rule.fix
        );
    }
    assert!(text.contains(&table), "docs/check.md should have:\n{table}");
}
