//! Ignoring case as Event Ruler does: each character of the pattern stands for its lower and for its upper form.
//!
//! The forms are Java's `toLowerCase` and `toUpperCase` of the character by itself (`EqualsIgnoreCaseParser`), which may
//! be several characters: `ß` stands for `ß` and `SS`. The event's text is not folded: `Σ` in a pattern stands for `σ` and
//! `Σ`, and not for the final `ς`; `k` does not stand for the Kelvin sign. This module must not know operators.

/// A text whose characters each stand for two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folded {
    /// The text itself, when it is ASCII and folds byte by byte.
    ascii: Option<Box<str>>,
    forms: Vec<[String; 2]>,
}

impl Folded {
    pub(crate) fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self {
                ascii: Some(text.into()),
                forms: Vec::new(),
            };
        }
        Self {
            ascii: None,
            forms: text.chars().map(forms).collect(),
        }
    }

    /// Whether the whole text is one of the forms.
    pub(crate) fn equals(&self, text: &str) -> bool {
        match &self.ascii {
            Some(wanted) => wanted.eq_ignore_ascii_case(text),
            None => self.forward(text, |rest| rest == text.len()),
        }
    }

    /// Whether the text begins with one of the forms.
    pub(crate) fn begins(&self, text: &str) -> bool {
        match &self.ascii {
            Some(wanted) => text
                .as_bytes()
                .get(..wanted.len())
                .is_some_and(|start| wanted.as_bytes().eq_ignore_ascii_case(start)),
            None => self.forward(text, |_| true),
        }
    }

    /// Whether the text ends with one of the forms.
    pub(crate) fn ends(&self, text: &str) -> bool {
        if let Some(wanted) = &self.ascii {
            return text
                .len()
                .checked_sub(wanted.len())
                .and_then(|from| text.as_bytes().get(from..))
                .is_some_and(|end| wanted.as_bytes().eq_ignore_ascii_case(end));
        }
        let mut rests = vec![text.len()];
        for forms in self.forms.iter().rev() {
            rests = step(&rests, forms, |rest, form| {
                let left = text.get(..rest)?.strip_suffix(form)?;
                Some(left.len())
            });
        }
        !rests.is_empty()
    }

    /// Follows the forms through the text; `end` judges where they may come to their end.
    fn forward(&self, text: &str, end: impl Fn(usize) -> bool) -> bool {
        let mut reached = vec![0];
        for forms in &self.forms {
            reached = step(&reached, forms, |from, form| {
                text.get(from..)?
                    .starts_with(form)
                    .then(|| from + form.len())
            });
        }
        reached.into_iter().any(end)
    }
}

/// All places that lead on from `places` over one of the forms.
fn step(
    places: &[usize],
    forms: &[String; 2],
    over: impl Fn(usize, &str) -> Option<usize>,
) -> Vec<usize> {
    let mut next: Vec<usize> = places
        .iter()
        .flat_map(|place| forms.iter().filter_map(|form| over(*place, form)))
        .collect();
    next.sort_unstable();
    next.dedup();
    next
}

fn forms(c: char) -> [String; 2] {
    // Java goes through UTF-16: beyond the first plane it sees two halves, which have no case.
    if c as u32 > 0xFFFF {
        return [c.to_string(), c.to_string()];
    }
    [c.to_lowercase().collect(), c.to_uppercase().collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_case_is_the_patterns_two_forms() {
        for (wanted, text, equal) in [
            ("ODOS", "odos", true),
            ("ΟΔΟΣ", "οδοσ", true),
            ("ΟΔΟΣ", "οδος", false),
            ("straße", "STRASSE", true),
            ("STRASSE", "straße", false),
            ("k", "\u{212a}", false),
            ("Ⱥx", "ⱥX", true),
            ("é", "É", true),
        ] {
            let folded = Folded::new(wanted);
            assert_eq!(folded.equals(text), equal, "{wanted} {text}");
            assert_eq!(folded.begins(&format!("{text}!")), equal, "{wanted} {text}");
            assert_eq!(folded.ends(&format!("!{text}")), equal, "{wanted} {text}");
        }
    }
}
