//! `${Name}` placeholders, filled in as deployment does.
//!
//! SAM and CloudFormation replace `DefinitionSubstitutions` in the text before
//! Step Functions ever reads it, so a placeholder may stand where a number must.

use std::collections::BTreeSet;

/// Replaces each `${Name}` of `definition` by what `value` gives for the name.
///
/// # Errors
/// The names `value` has nothing for, in alphabetical order.
pub fn substitute(
    definition: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, Vec<String>> {
    let mut out = String::with_capacity(definition.len());
    let mut missing = BTreeSet::new();
    let mut rest = definition;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let name = from[2..].split_once('}').map(|(name, _)| name);
        // `${..}` in a comment and the like is text: names are letters, digits and `::`.
        let plain = |n: &&str| !n.is_empty() && n.chars().all(|c| c.is_alphanumeric() || c == ':');
        let Some(name) = name.filter(plain) else {
            out.push_str("${");
            rest = &from[2..];
            continue;
        };
        match value(name) {
            Some(text) => out.push_str(&text),
            None => {
                missing.insert(name.to_owned());
            }
        }
        rest = &from[name.len() + 3..];
    }
    out.push_str(rest);
    if missing.is_empty() {
        Ok(out)
    } else {
        Err(missing.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_missing_ones_named() {
        let text =
            r#"{"c": "${..} stay", "n": ${Seconds}, "arn": "arn:${AWS::Partition}:x:${Fn}"}"#;
        let known = |name: &str| match name {
            "Seconds" => Some("5".into()),
            "AWS::Partition" => Some("aws".into()),
            "Fn" => Some("f".into()),
            _ => None,
        };
        assert_eq!(
            substitute(text, known).unwrap(),
            r#"{"c": "${..} stay", "n": 5, "arn": "arn:aws:x:f"}"#
        );
        assert_eq!(
            substitute("${B} ${A} ${B}", |_| None).unwrap_err(),
            ["A", "B"]
        );
    }
}
