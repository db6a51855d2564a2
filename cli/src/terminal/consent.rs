//! Somebody's word that something may be given up for good: by a flag, in
//! scripts, or by typing a word at the terminal.

use std::io::{BufRead, IsTerminal as _};

use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::tell;

/// Who says that something may be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Whoever wrote `--yes`.
    Given,
    /// Whoever sits at the terminal, by typing a word.
    Asked,
}

impl Consent {
    /// What there is of it on this command line; `nothing` says what was not
    /// done when there is none, `remedy` what to do.
    ///
    /// # Errors
    /// [`Problem`] when nobody said so and nobody can be asked.
    pub fn of(yes: bool, nothing: &str, remedy: &str) -> Outcome<Self> {
        match (yes, std::io::stdin().is_terminal()) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::Asked),
            (false, false) => Err(Problem::usage(format!(
                "{nothing}: standard input is no terminal, so nobody can confirm it"
            ))
            .hint(remedy)),
        }
    }

    /// Has the person at the terminal type `word`, for which `question` asks,
    /// unless consent was given.
    ///
    /// # Errors
    /// [`Problem`], beginning with `nothing`, when something else is typed.
    pub fn obtain(self, word: &str, question: &str, nothing: &str) -> Outcome<()> {
        self.read(word, question, nothing, &mut std::io::stdin().lock())
    }

    fn read(
        self,
        word: &str,
        question: &str,
        nothing: &str,
        typed: &mut impl BufRead,
    ) -> Outcome<()> {
        if self == Self::Given {
            return Ok(());
        }
        tell(question);
        let mut answer = String::new();
        typed
            .read_line(&mut answer)
            .map_err(|e| Problem::environment(format!("standard input cannot be read: {e}")))?;
        if answer.trim() == word {
            return Ok(());
        }
        Err(Problem::usage(format!("{nothing}: that is not {word}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::exit::Exit;

    #[test]
    fn only_the_word_is_a_confirmation() {
        let read = |consent: Consent, text: &mut &[u8]| {
            consent.read("shop", "type shop:", "nothing was deleted", text)
        };
        let typed = |text: &str| read(Consent::Asked, &mut text.as_bytes());
        assert!(typed("shop\n").is_ok());
        assert!(typed(" shop ").is_ok());
        for other in ["", "\n", "y\n", "yes\n", "sho\n", "shop2\n"] {
            let refused = typed(other).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{other:?}");
            assert!(refused.to_string().contains("nothing was deleted"));
        }
        // Nobody is asked where consent was given.
        let mut unread = "no\n".as_bytes();
        assert!(read(Consent::Given, &mut unread).is_ok());
        assert_eq!(unread, b"no\n");
    }
}
