//! CloudFormation and SAM templates against the mistakes that are known to bite.
//!
//! A template goes in, with the files it names; what is wrong comes out, each with
//! its file, line and mend. Any template will do: SAM or plain, YAML or JSON, with
//! nested stacks and state machines.
//!
//! | module | owns |
//! |---|---|
//! | `yaml`, `node` | a document whose values know their lines |
//! | `template` | parameters, conditions, functions, nested stacks: what is known before deployment |
//! | `model`, `reading` | resources as queues, mappings, rules and machines, however they are written |
//! | `definition`, `reads` | state machines as graphs, and what a state reads of its input |
//! | `speech`, `grants` | who says what, and who may |
//! | `overlap` | event patterns against each other |
//! | [`rules`] | the mistakes, a file a family |
//! | `finding` | what is found, and what of it is allowed |
//! | `bus` | the rules alone, to try events on them |
//!
//! What a template cannot tell before it is deployed stays unknown, and a rule that
//! needs it says so; it never says "fine". The crate knows no clock, no network and
//! no terminal, and reads files only through what it is given.

mod bus;
mod definition;
mod finding;
mod grants;
mod model;
mod node;
mod overlap;
mod reading;
mod reads;
pub mod rules;
mod speech;
mod template;
mod yaml;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub use bus::{BusRule, rules_of};
pub use finding::{Allowed, Checked, Finding, Severity};
use model::Model;

/// Why there is nothing to check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// Checks the template at `path`, as it is deployed with `parameters` in place of
/// its defaults. `read` reads it, and the files that it names.
///
/// # Errors
/// [`Refused`] when the file cannot be read or is no template, or has no such
/// parameter.
pub fn check(
    path: &Path,
    parameters: &BTreeMap<String, String>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Checked, Refused> {
    let model = Model::of(path, read, parameters).map_err(Refused)?;
    Ok(finding::apply(&model))
}
