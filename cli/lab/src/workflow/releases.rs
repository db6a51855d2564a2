//! Machines, with their versions and aliases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use duet_asl::{ReleaseError, Releases, Route, StateMachine, Surroundings};

use super::WorkflowError;
use crate::definitions::Released;
use crate::lab::Lab;
use crate::template::DefinitionError;

impl Lab {
    /// Has the machines and activities be there that are deployed, with the versions and
    /// aliases that the templates declare.
    pub(crate) fn deploy_machines(&mut self) -> Result<(), DefinitionError> {
        let definitions = self.definitions.clone();
        let machines = definitions.machines.iter();
        self.releases = machines
            .map(|it| Releases::of(it.machine.clone()))
            .collect();
        for released in &definitions.released {
            let (place, done) = match released {
                Released::Version { place, machine } => {
                    (place, self.releases[*machine].publish().map(|_| ()))
                }
                Released::Alias {
                    place,
                    machine,
                    name,
                    routes,
                } => (place, self.releases[*machine].set_alias(name, routes)),
            };
            done.map_err(|why| DefinitionError::new(place, why))?;
        }
        let activities = definitions.activities.iter();
        self.activities = activities
            .map(|arn| (arn.clone(), Default::default()))
            .collect();
        self.surround();
        Ok(())
    }

    /// Has executions that start from now on find what is deployed now.
    pub(crate) fn surround(&mut self) {
        let machines = self.definitions.machines.iter().zip(&self.releases);
        let there = machines.filter(|(it, _)| !it.gone);
        let releases: BTreeMap<String, Releases> = there
            .map(|(it, releases)| (it.name.clone(), releases.clone()))
            .collect();
        let activities: BTreeSet<String> = self.activities.keys().cloned().collect();
        self.around = Surroundings::default()
            .with_releases(releases)
            .with_activities(Arc::new(activities));
    }

    /// The machine with this name or ARN, and the version or alias behind it.
    pub(crate) fn machine_by<'a>(&self, named: &'a str) -> Option<(usize, Option<&'a str>)> {
        if let Some(at) = self.definitions.machine_named(named) {
            return Some((at, None));
        }
        let (machine, qualifier) = named.rsplit_once(':')?;
        Some((self.definitions.machine_named(machine)?, Some(qualifier)))
    }

    /// Whether there is a machine, version or alias that is named so.
    pub(crate) fn is_there(&self, named: &str) -> bool {
        let found = self.machine_by(named);
        found.is_some_and(|(at, qualifier)| self.releases[at].release(qualifier, || 0).is_some())
    }

    fn releases_of(&mut self, machine: &str) -> Result<&mut Releases, WorkflowError> {
        let at = self.definitions.machine_named(machine);
        let at = at.ok_or_else(|| WorkflowError::NoMachine(machine.to_owned()))?;
        Ok(&mut self.releases[at])
    }

    /// Changes the versions or aliases of a machine.
    fn release<T>(
        &mut self,
        machine: &str,
        change: impl FnOnce(&mut Releases) -> Result<T, ReleaseError>,
    ) -> Result<T, WorkflowError> {
        let changed = change(self.releases_of(machine)?)?;
        self.surround();
        Ok(changed)
    }

    /// UpdateStateMachine: what starts from now on by neither version nor alias runs
    /// `definition`.
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`], [`WorkflowError::Definition`]
    pub fn update_definition(
        &mut self,
        machine: &str,
        definition: &str,
    ) -> Result<(), WorkflowError> {
        let at = self.definitions.machine_named(machine);
        let at = at.ok_or_else(|| WorkflowError::NoMachine(machine.to_owned()))?;
        let live = Arc::make_mut(&mut self.definitions);
        let kind = live.machines[at].machine.machine_type();
        let parsed = StateMachine::parse_as(definition, kind).map_err(|findings| {
            let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
            WorkflowError::Definition(all.join("\n"))
        })?;
        let parsed = Arc::new(parsed);
        live.machines[at].machine = parsed.clone();
        self.releases[at].update(parsed);
        self.surround();
        Ok(())
    }

    /// PublishStateMachineVersion of the definition that is deployed now. Gives the
    /// version's number.
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`], [`WorkflowError::Release`]
    pub fn publish_version(&mut self, machine: &str) -> Result<u64, WorkflowError> {
        self.release(machine, Releases::publish)
    }

    /// DeleteStateMachineVersion: executions that run it go on.
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`], [`WorkflowError::Release`]
    pub fn delete_version(&mut self, machine: &str, version: u64) -> Result<(), WorkflowError> {
        self.release(machine, |all| all.delete_version(version))
    }

    /// CreateStateMachineAlias and UpdateStateMachineAlias: the alias leads to one or two
    /// versions, each with its share of a hundred.
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`], [`WorkflowError::Release`]
    pub fn set_alias(
        &mut self,
        machine: &str,
        name: &str,
        routes: &[Route],
    ) -> Result<(), WorkflowError> {
        self.release(machine, |all| all.set_alias(name, routes))
    }

    /// DeleteStateMachineAlias.
    ///
    /// # Errors
    /// [`WorkflowError::NoMachine`]
    pub fn delete_alias(&mut self, machine: &str, name: &str) -> Result<(), WorkflowError> {
        self.release(machine, |all| {
            all.delete_alias(name);
            Ok(())
        })
    }
}
