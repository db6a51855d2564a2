//! What several commands let one choose: variants, faults.

use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use duet_lab::{Fault, FaultRule, PROFILES, Profile};

use crate::ops::actions::Signed;
use crate::shop::scenario::{self, Scenario};
use crate::shop::variant::{self, Variant};
use crate::terminal::exit::{Outcome, Problem};

/// Which variants.
#[derive(Debug, Clone, Args)]
pub struct Variants {
    /// A variant; may be repeated.
    #[arg(long = "variant", value_name = "NAME")]
    pub names: Vec<String>,
}

impl Variants {
    /// The variants asked for, or all there are, of those that are built in.
    ///
    /// # Errors
    /// [`Problem`] when there is none of that name.
    pub(super) fn built_in(&self) -> Outcome<Vec<&'static Variant>> {
        match self.names.as_slice() {
            [] => Ok(variant::ALL.iter().collect()),
            some => some
                .iter()
                .map(|name| variant::named(name).map_err(Problem::usage))
                .collect(),
        }
    }
}

/// Who does it, and why: it stands in the order's timeline.
#[derive(Debug, Clone, Args)]
pub struct Signature {
    /// Who does it.
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        hide_env_values = true,
        default_value = "somebody"
    )]
    by: String,
    /// Why, in at most 1000 characters.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Signature {
    /// As it was given.
    ///
    /// # Errors
    /// [`Problem`] when nobody would keep the note.
    pub(super) fn signed(&self) -> Outcome<Signed> {
        let signed = Signed {
            by: self.by.clone(),
            note: self.note.clone(),
        };
        signed.check()?;
        Ok(signed)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Args)]
pub struct Faults {
    /// A kind of fault, where, and how often; may be repeated. `all` is every kind at its usual rate; an outage may have a length, as in outage@payment:30s. The kinds are listed below.
    #[arg(long = "fault", value_name = "KIND[@SERVICE|STEP][:Ns][:RATE]", value_parser = faults)]
    faults: Vec<Vec<FaultRule>>,
}

impl Faults {
    /// Every rule that was given.
    #[must_use]
    pub fn rules(&self) -> Vec<FaultRule> {
        self.faults.concat()
    }
}

/// `example`, and the kinds of faults below it.
pub(super) fn with_faults(example: &str) -> String {
    let kinds = Fault::ALL.iter().map(|kind| {
        let (name, about, rate) = (kind.name(), kind.about(), kind.rate() * 100.0);
        format!("  {name:<22}{about} ({rate:.0} % of {})", kind.touches())
    });
    let kinds: Vec<String> = kinds.collect();
    format!(
        "{example}\n\nFaults, and how often each strikes unless told otherwise:\n{}",
        kinds.join("\n")
    )
}

fn faults(text: &str) -> Result<Vec<FaultRule>, String> {
    match text {
        "all" => Ok(FaultRule::all()),
        one => one.parse().map(|rule| vec![rule]),
    }
}

/// A scenario, by a name that help and completions know.
pub(super) fn scenarios() -> impl TypedValueParser<Value = &'static Scenario> {
    let names = scenario::ALL.iter().map(|it| it.name);
    PossibleValuesParser::new(names).try_map(|name| scenario::named(&name))
}

/// A profile of times, likewise.
pub(super) fn profiles() -> impl TypedValueParser<Value = Arc<Profile>> {
    let names = PROFILES.iter().map(|it| it.name.as_str());
    PossibleValuesParser::new(names)
        .try_map(|name| Profile::named(&name).ok_or("there is no such profile"))
}

/// A stack parameter, `NAME=VALUE`.
pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if valid {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err("a parameter's name is alphanumeric".to_owned())
    }
}
