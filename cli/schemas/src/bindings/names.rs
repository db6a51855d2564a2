//! Names of Rust for names of JSON: stable, and never two alike.

use std::collections::BTreeSet;

/// Rust's keywords of every edition, strict and reserved
/// ([reference](https://doc.rust-lang.org/reference/keywords.html)).
const KEYWORDS: [&str; 53] = [
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "macro_rules",
];

/// Types that generated code names itself.
const TYPES: [&str; 13] = [
    "Self", "Option", "Some", "None", "Result", "Ok", "Err", "String", "Vec", "Box", "From",
    "Unknown", "Send",
];

/// The words of `name`: letters and digits, divided where something else stands or a
/// capital letter follows a small one.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    let chars: Vec<char> = name.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        let after = chars.get(n + 1).copied().unwrap_or(' ');
        let begins = c.is_uppercase()
            && (!before.is_uppercase() || (before.is_alphanumeric() && after.is_lowercase()));
        if c.is_ascii_alphanumeric() {
            match words.last_mut() {
                Some(word) if !begins && before.is_ascii_alphanumeric() => word.push(*c),
                _ => words.push(c.to_string()),
            }
        }
        before = *c;
    }
    words
}

/// `name` as a type is called: `order-id` is `OrderId`.
pub(super) fn type_name(name: &str) -> String {
    let capital = |word: String| {
        let lower = word.to_ascii_lowercase();
        let mut chars = lower.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    let mut found: String = words(name).into_iter().map(capital).collect();
    if !found.starts_with(|c: char| c.is_ascii_alphabetic()) {
        found.insert(0, 'N');
    }
    if TYPES.contains(&found.as_str()) {
        found.push_str("Type");
    }
    found
}

/// `name` as a field or module is called: `detail-type` is `detail_type`.
pub(super) fn field_name(name: &str) -> String {
    let lower: Vec<String> = words(name)
        .iter()
        .map(|it| it.to_ascii_lowercase())
        .collect();
    let mut found = lower.join("_");
    if !found.starts_with(|c: char| c.is_ascii_alphabetic()) {
        found.insert(0, 'n');
    }
    if KEYWORDS.contains(&found.as_str()) {
        found.push('_');
    }
    found
}

/// `wish`, or it with the first number that makes it another than all `taken`; it is
/// taken from now on.
pub(super) fn unique(wish: String, taken: &mut BTreeSet<String>) -> String {
    let mut found = wish.clone();
    let mut n = 2;
    while !taken.insert(found.clone()) {
        found = match wish.chars().any(char::is_uppercase) {
            true => format!("{wish}{n}"),
            false => format!("{wish}_{n}"),
        };
        n += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_rust_does() {
        for (json, of_type, of_field) in [
            ("order-id", "OrderId", "order_id"),
            ("DBInstanceID", "DbInstanceId", "db_instance_id"),
            ("type", "Type", "type_"),
            ("aws:cloudtrail", "AwsCloudtrail", "aws_cloudtrail"),
            ("2nd", "N2nd", "n2nd"),
            ("", "N", "n"),
            ("option", "OptionType", "option"),
            ("\u{e4}", "N", "n"),
            ("self", "SelfType", "self_"),
        ] {
            assert_eq!(
                (type_name(json), field_name(json)),
                (of_type.into(), of_field.into())
            );
        }
        let mut taken = BTreeSet::new();
        let all = ["A", "A", "a", "a"].map(|it| unique(it.to_owned(), &mut taken));
        assert_eq!(all, ["A", "A2", "a", "a_2"]);
    }
}
