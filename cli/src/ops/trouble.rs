//! Breaking something on purpose, to practise on, and mending it.

use std::fmt;

use serde::Serialize;

use crate::ops::faulty::Faulty;
use crate::shop::services::TableOf;
use crate::terminal::exit::Outcome;
use crate::terminal::report::Report;
use crate::world::port::operate::Operate;

/// What is broken on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The services that are out of order: each invocation of theirs fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<String>,
    /// The faults that strike, as they were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

impl Trouble {
    /// Whether nothing is.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.down.is_empty() && self.faults.is_empty()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("out of order", &self.down), ("faults", &self.faults)];
        let some = all.iter().filter(|(_, what)| !what.is_empty());
        let lines: Vec<String> = some
            .map(|(name, what)| format!("{name}: {}", what.join(", ")))
            .collect();
        f.write_str(&lines.join("; "))
    }
}

impl Report for Trouble {
    fn text(&self) -> String {
        match self.is_none() {
            true => "nothing is broken on purpose".to_owned(),
            false => format!("{self}; `duet mend` mends all of it"),
        }
    }
}

/// What was mended, and what is still broken.
#[derive(Debug, Clone, Serialize)]
pub struct Mended {
    /// What was broken until now.
    pub mended: Trouble,
    /// What still is.
    #[serde(flatten)]
    pub left: Trouble,
}

impl Mended {
    /// What of `before` is not in `left`.
    fn between(before: Trouble, left: Trouble) -> Self {
        let mut mended = before;
        mended.down.retain(|it| !left.down.contains(it));
        mended.faults.retain(|it| !left.faults.contains(it));
        Self { mended, left }
    }
}

impl Report for Mended {
    fn text(&self) -> String {
        match self.mended.is_none() {
            true => self.left.text(),
            false => {
                let again = [&self.mended.down[..], &self.mended.faults[..]].concat();
                format!("mended: {}; {}", again.join(", "), self.left.text())
            }
        }
    }
}

/// What is to be broken or mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A service.
    Service(TableOf),
    /// A kind of fault, where and how often.
    Fault(String),
}

impl std::str::FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(service) = TableOf::SERVICES.iter().find(|it| it.name() == text) {
            return Ok(Self::Service(*service));
        }
        match text.parse::<duet_lab::FaultRule>() {
            Ok(_) => Ok(Self::Fault(text.to_owned())),
            Err(why) if text.contains(['@', ':']) => Err(why),
            Err(_) => Err(format!(
                "it is no service ({}) and no kind of fault; `duet break --help` lists them",
                TableOf::SERVICES.map(TableOf::name).join(", ")
            )),
        }
    }
}

/// Breaks `what`, until it is mended.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the target cannot break it, or does not answer.
pub async fn cause<W: Operate + Faulty>(world: &W, what: &What) -> Outcome<Trouble> {
    let mut trouble = world.trouble().unwrap_or_default();
    match what {
        What::Service(service) => {
            world.outage(*service, true).await?;
            trouble.down.push(service.name().to_owned());
        }
        What::Fault(rule) => {
            // A kind at one place has one rate: the newest.
            let of = |rule: &str| rule.split(':').next().map(str::to_owned);
            trouble.faults.retain(|old| of(old) != of(rule));
            trouble.faults.push(rule.clone());
            world.set_faults(&trouble.faults)?;
        }
    }
    Ok(world.trouble().unwrap_or(trouble))
}

/// Mends `what`, or all that was broken on purpose.
///
/// # Errors
/// [`crate::terminal::exit::Problem`] when the target does not answer.
pub async fn mend<W: Operate + Faulty>(world: &W, what: Option<&What>) -> Outcome<Mended> {
    let services = match what {
        Some(What::Service(service)) => vec![*service],
        Some(What::Fault(_)) => Vec::new(),
        None => TableOf::SERVICES.to_vec(),
    };
    let before = world.trouble().unwrap_or_default();
    for service in services {
        world.outage(service, false).await?;
    }
    let faults = &before.faults;
    match what {
        Some(What::Service(_)) => {}
        Some(What::Fault(rule)) => {
            let kept = faults
                .iter()
                .filter(|old| *old != rule && old.split(['@', ':']).next() != Some(rule.as_str()));
            world.set_faults(&kept.cloned().collect::<Vec<_>>())?;
        }
        None => world.set_faults(&[])?,
    }
    let left = world.trouble().unwrap_or_default();
    Ok(Mended::between(before, left))
}
