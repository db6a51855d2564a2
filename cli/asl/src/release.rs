//! Versions and aliases of a state machine.
//!
//! Owns their numbers, routes and rules; which executions run by them, and whose draw
//! decides between two routes, is the caller's.
//!
//! Source: Step Functions API reference, PublishStateMachineVersion,
//! DeleteStateMachineVersion, CreateStateMachineAlias; recorded answers, 2023-08-11 and
//! 2025-03-03. The texts of errors are AWS's, as recorded.

use crate::model::StateMachine;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most versions that a machine keeps (Step Functions quotas).
const MAX_VERSIONS: usize = 1_000;
/// Most aliases (Step Functions quotas).
const MAX_ALIASES: usize = 100;
/// Most characters of an alias's name (API_CreateStateMachineAlias).
const MAX_NAME: usize = 80;

/// A state machine with its versions and aliases.
#[derive(Debug, Clone)]
pub struct Releases {
    current: Arc<StateMachine>,
    versions: BTreeMap<u64, Arc<StateMachine>>,
    /// How many were ever published: a deleted one's number does not come again.
    published: u64,
    aliases: BTreeMap<String, Vec<Route>>,
}

/// A version that an alias leads to, and how often of a hundred times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The version's number.
    pub version: u64,
    /// Its share.
    pub weight: u32,
}

/// What an execution runs.
#[derive(Debug, Clone)]
pub struct Release {
    /// The definition.
    pub machine: Arc<StateMachine>,
    /// Its version, if it was started by one or by an alias.
    pub version: Option<u64>,
    /// The alias that it was started by.
    pub alias: Option<Arc<str>>,
}

/// Why a version or an alias is not as it was asked to be. Each has AWS's name
/// ([`ReleaseError::code`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// An alias leads to the version.
    #[error("Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [{}]", .0.join(", "))]
    Referenced(Vec<String>),
    /// One or two routes, each to another version.
    #[error(
        "Routing configuration must have one or two distinct state machine versions. Received: {0:?}"
    )]
    Routes(Vec<u64>),
    /// Their weights are a hundred.
    #[error("Sum of routing configuration weights must equal 100. Received: {0:?}")]
    Weights(Vec<u32>),
    /// Letters, digits, `_`, `-` and `.`, at most 80, and not digits alone.
    #[error(
        "Value '{0}' at 'name' failed to satisfy constraint: 1 to 80 letters, digits, _, - and ., and not digits alone"
    )]
    Name(String),
    /// No such version, or no such alias.
    #[error("Request references a resource that does not exist: {0}")]
    Missing(String),
    /// The account's quota.
    #[error("there are {0} already, and no more are allowed")]
    Quota(usize),
}

impl ReleaseError {
    /// AWS's name for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Referenced(_) => "ConflictException",
            Self::Routes(_) | Self::Weights(_) | Self::Name(_) => "ValidationException",
            Self::Missing(_) => "ResourceNotFound",
            Self::Quota(_) => "ServiceQuotaExceededException",
        }
    }
}

impl Releases {
    /// `machine`, with no versions yet.
    #[must_use]
    pub fn of(machine: Arc<StateMachine>) -> Self {
        Releases {
            current: machine,
            versions: BTreeMap::new(),
            published: 0,
            aliases: BTreeMap::new(),
        }
    }

    /// The definition that is neither version nor alias: the latest.
    #[must_use]
    pub fn current(&self) -> &Arc<StateMachine> {
        &self.current
    }

    /// UpdateStateMachine: versions stay as they are.
    pub fn update(&mut self, machine: Arc<StateMachine>) {
        self.current = machine;
    }

    /// PublishStateMachineVersion: the number of the version that the definition is from
    /// now on. What is published already keeps its number.
    ///
    /// # Errors
    /// [`ReleaseError::Quota`]
    pub fn publish(&mut self) -> Result<u64, ReleaseError> {
        let mut kept = self.versions.iter().rev();
        if let Some((number, _)) = kept.find(|(_, it)| Arc::ptr_eq(it, &self.current)) {
            return Ok(*number);
        }
        if self.versions.len() >= MAX_VERSIONS {
            return Err(ReleaseError::Quota(MAX_VERSIONS));
        }
        self.published += 1;
        self.versions.insert(self.published, self.current.clone());
        Ok(self.published)
    }

    /// The versions that there are.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.versions.keys().copied()
    }

    /// DeleteStateMachineVersion. One that is not there is none that is to be deleted.
    ///
    /// # Errors
    /// [`ReleaseError::Referenced`]
    pub fn delete_version(&mut self, version: u64) -> Result<(), ReleaseError> {
        let leads = |routes: &[Route]| routes.iter().any(|it| it.version == version);
        let by = self.aliases.iter().filter(|(_, routes)| leads(routes));
        let by: Vec<String> = by.map(|(name, _)| name.clone()).collect();
        if !by.is_empty() {
            return Err(ReleaseError::Referenced(by));
        }
        self.versions.remove(&version);
        Ok(())
    }

    /// CreateStateMachineAlias and UpdateStateMachineAlias: has the alias `name` lead to
    /// `routes`.
    ///
    /// # Errors
    /// [`ReleaseError`], of all but versions that are referenced.
    pub fn set_alias(&mut self, name: &str, routes: &[Route]) -> Result<(), ReleaseError> {
        let admitted = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let digits = name.chars().all(|c| c.is_ascii_digit());
        if name.len() > MAX_NAME || digits || !name.chars().all(admitted) {
            return Err(ReleaseError::Name(name.to_owned()));
        }
        let numbers: Vec<u64> = routes.iter().map(|it| it.version).collect();
        let distinct = numbers.first() != numbers.get(1);
        if !(1..=2).contains(&numbers.len()) || !distinct {
            return Err(ReleaseError::Routes(numbers));
        }
        let weights: Vec<u32> = routes.iter().map(|it| it.weight).collect();
        if weights
            .iter()
            .try_fold(0_u32, |sum, it| sum.checked_add(*it))
            != Some(100)
        {
            return Err(ReleaseError::Weights(weights));
        }
        if let Some(missing) = numbers.iter().find(|it| !self.versions.contains_key(it)) {
            return Err(ReleaseError::Missing(format!("version {missing}")));
        }
        if !self.aliases.contains_key(name) && self.aliases.len() >= MAX_ALIASES {
            return Err(ReleaseError::Quota(MAX_ALIASES));
        }
        self.aliases.insert(name.to_owned(), routes.to_vec());
        Ok(())
    }

    /// Where an alias leads.
    #[must_use]
    pub fn alias(&self, name: &str) -> Option<&[Route]> {
        self.aliases.get(name).map(Vec::as_slice)
    }

    /// DeleteStateMachineAlias. One that is not there is none that is to be deleted.
    pub fn delete_alias(&mut self, name: &str) {
        self.aliases.remove(name);
    }

    /// What an execution runs that is started by `qualifier`, a version's number or an
    /// alias, if there is such a one; the latest definition without it. Between two routes
    /// `draw` decides, with a number from 0 to 99.
    #[must_use]
    pub fn release(&self, qualifier: Option<&str>, draw: impl FnOnce() -> u32) -> Option<Release> {
        let Some(qualifier) = qualifier else {
            return Some(Release {
                machine: self.current.clone(),
                version: None,
                alias: None,
            });
        };
        let (version, alias) = match self.aliases.get(qualifier).map(Vec::as_slice) {
            Some([only]) => (only.version, Some(qualifier)),
            Some([first, second, ..]) => {
                let first = (draw() < first.weight).then_some(first);
                (first.unwrap_or(second).version, Some(qualifier))
            }
            _ => (qualifier.parse().ok()?, None),
        };
        Some(Release {
            machine: self.versions.get(&version)?.clone(),
            version: Some(version),
            alias: alias.map(Into::into),
        })
    }
}
