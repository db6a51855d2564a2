//! Completion in a shell: the script asks `duet` itself, with the variable
//! `COMPLETE` set, for what fits. What an argument stands for is told by the name of
//! its value, so an argument of a further command is completed, too.

use clap::{Arg, Command, CommandFactory};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCandidates, CompleteEnv, CompletionCandidate, Shell};
use duet_lab::Fault;

use super::Cli;
use crate::shop::{goods, variant};
use crate::target;
use crate::terminal::exit::{Outcome, Problem};

/// The variable by which a script asks.
const ASKED: &str = "COMPLETE";

/// What an argument may be.
type Candidates = fn() -> Vec<CompletionCandidate>;

/// By the name of its value, or its own, what an argument may be.
const KNOWN: [(&str, Candidates); 6] = [
    ("ORDER", orders),
    ("EXECUTION|ORDER", orders),
    ("order", orders),
    ("SKU=QUANTITY", lines),
    ("variant", variants),
    ("fault", faults),
];

/// Answers a completion script and ends the process, if one asks.
pub(crate) fn answer() {
    CompleteEnv::with_factory(command).var(ASKED).complete();
}

/// The script for `shell`.
///
/// # Errors
/// [`Problem`] when there is none for it.
pub(super) fn script(shell: Shell) -> Outcome<String> {
    let shell = shell.to_string();
    let completer = Shells::builtins();
    let completer = completer
        .completer(&shell)
        .ok_or_else(|| Problem::usage(format!("there is no script for {shell}")))?;
    let mut script = Vec::new();
    completer
        .write_registration(ASKED, "duet", "duet", "duet", &mut script)
        .map_err(Problem::environment)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

fn command() -> Command {
    with_candidates(Cli::command())
}

fn with_candidates(command: Command) -> Command {
    command
        .mut_args(|arg| match candidates(&arg) {
            Some(candidates) => arg.add(ArgValueCandidates::new(candidates)),
            None => arg,
        })
        .mut_subcommands(with_candidates)
}

fn candidates(arg: &Arg) -> Option<Candidates> {
    let value = arg.get_value_names().into_iter().flatten().next();
    let is = |name: &str| {
        arg.get_long() == Some(name) || value.is_some_and(|value| value.as_str() == name)
    };
    let known = KNOWN.iter().find(|(name, _)| is(name));
    known.map(|(_, candidates)| *candidates)
}

fn of(words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let words = words.into_iter().enumerate();
    words
        .map(|(n, word)| CompletionCandidate::new(word).display_order(Some(n)))
        .collect()
}

/// The orders that were placed last in the lab in use, the latest first. Other
/// targets are not asked: who presses a key does not wait for AWS.
fn orders() -> Vec<CompletionCandidate> {
    of(target::labs::recent_orders())
}

/// One of each of the built-in goods.
fn lines() -> Vec<CompletionCandidate> {
    let goods = goods::goods(None).unwrap_or_default();
    of(goods.into_iter().map(|good| format!("{}=1", good.sku)))
}

fn variants() -> Vec<CompletionCandidate> {
    of(variant::ALL.iter().map(|one| one.name.to_owned()))
}

fn faults() -> Vec<CompletionCandidate> {
    let all = CompletionCandidate::new("all").help(Some("every kind at its usual rate".into()));
    let kinds = Fault::ALL.iter().map(|kind| {
        CompletionCandidate::new(kind.name()).help(Some(kind.about().to_string().into()))
    });
    std::iter::once(all).chain(kinds).collect()
}
