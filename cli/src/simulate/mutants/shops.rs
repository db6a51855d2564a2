//! Which variants a mutant is in.

use std::collections::{BTreeMap, BTreeSet};

use duet_lab::Definitions;

use super::super::Options;
use super::edits::{Edit, Mutant, mapping_of};
use crate::shop::services::Subject;
use crate::shop::variant::{Description, Entry};
use crate::terminal::exit::{Outcome, Problem};

/// How the name of a parameter begins that deploys a variant or leaves it out.
const WITH: &str = "With";

/// What is deployed where a variant is alone: only its worlds can tell of a mutant that
/// is in it.
pub(super) struct Shop {
    machines: BTreeSet<String>,
    resources: BTreeSet<String>,
}

impl Shop {
    fn of(all: &Definitions) -> Outcome<Self> {
        let queues = all.queues.iter().map(|it| it.name.clone());
        let mappings = all.mappings.iter().map(|it| mapping_of(all, it));
        let functions = all.functions.iter().map(|it| it.name.clone());
        let rules = all.rules.iter().map(|it| it.name.clone());
        let subscriptions = all.subscriptions.iter().map(|it| it.name.to_string());
        let resources = queues.chain(mappings).chain(functions).chain(rules);
        Ok(Self {
            machines: entered(all)?,
            resources: resources.chain(subscriptions).collect(),
        })
    }

    pub(super) fn has(&self, mutant: &Mutant) -> bool {
        match &mutant.edit {
            Edit::Json(file, ..) => self.machines.contains(file),
            Edit::Resource(_) => self.resources.contains(&mutant.place),
        }
    }
}

/// The shop of each variant of `options`: what is left when every parameter is off that
/// deploys others only.
pub(super) fn alone(
    sound: &Definitions,
    options: &Options,
) -> Outcome<BTreeMap<&'static str, Shop>> {
    let off = |names: &[&String]| -> Outcome<_> {
        let mut given = sound.parameters.clone();
        given.extend(
            names
                .iter()
                .map(|name| ((*name).clone(), "false".to_owned())),
        );
        let left = sound.with(&given).map_err(Problem::usage)?;
        let variants = Description::all(&left.outputs)?;
        Ok((left, variants))
    };
    let with = sound.values.keys().filter(|name| name.starts_with(WITH));
    let mut without = Vec::new();
    for name in with {
        without.push((name, off(&[name])?.1));
    }
    let is_in = |variants: &[&Description], name| variants.iter().any(|it| it.variant.name == name);
    let shops = options.variants.iter().map(|variant| {
        let others = without.iter().filter(|(_, left)| is_in(left, variant.name));
        let others: Vec<&String> = others.map(|(name, _)| *name).collect();
        Ok((variant.name, Shop::of(&off(&others)?.0)?))
    });
    shops.collect()
}

/// The files of the state machines in which orders and customers begin. To what is deployed
/// beside them, for orders from before a change, few orders of these worlds come.
pub(super) fn entered(all: &Definitions) -> Outcome<BTreeSet<String>> {
    let variants = Description::all(&all.outputs)?;
    let entries = variants
        .iter()
        .flat_map(|of| Subject::ALL.map(|it| of.entry(it)));
    let machines = entries.filter_map(Entry::machine);
    let machines = machines.filter_map(|arn| all.machine_named(arn));
    Ok(machines.map(|at| all.machines[at].file.clone()).collect())
}
