//! State machines as the templates declare them, with versions, aliases and activities.

use std::sync::Arc;

use duet_asl::{MachineType, Route, StateMachine, substitute};

use super::reading::{Read, number};
use super::{Definitions, Machine, Released};
use crate::express::LogLevel;
use crate::template::{DefinitionError, Resource, Stack, text};

impl Definitions {
    pub(super) fn machine(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let arn = stack.attribute(&logical, "Arn")?;
        let wrong = |why: &dyn std::fmt::Display| DefinitionError::new(&arn, why);
        let path = properties["DefinitionS3Location"]
            .as_str()
            .unwrap_or_default();
        let definition = stack.file(path)?;
        let values = &properties["DefinitionSubstitutions"];
        let definition =
            substitute(definition, |name| values.get(name).map(text)).map_err(|missing| {
                wrong(&format!(
                    "{path}: nothing is put in for {}",
                    missing.join(", ")
                ))
            })?;
        let kind = match properties["StateMachineType"].as_str() {
            Some("EXPRESS") => MachineType::Express,
            _ => MachineType::Standard,
        };
        let machine = StateMachine::parse_as(&definition, kind).map_err(|findings| {
            wrong(&format!(
                "{path}: {}",
                findings
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            ))
        })?;
        let logging = &properties["LoggingConfiguration"];
        let level = logging["Level"].as_str().unwrap_or_default();
        let level = LogLevel::of(level).ok_or_else(|| {
            wrong(&format!(
                "the lab knows no level {level}: it is OFF, ERROR or ALL"
            ))
        })?;
        let group = text(&logging["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]);
        let group = group.strip_suffix(":*").unwrap_or(&group);
        self.machines.push(Machine {
            logs: group.rsplit(':').next().unwrap_or_default().into(),
            level,
            name: stack.attribute(&logical, "Name")?,
            role: text(&properties["RoleArn"]),
            machine: Arc::new(machine),
            file: stack.sibling(path),
            arn,
            gone: false,
        });
        Ok(())
    }

    pub(super) fn activity(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        self.activities.push(stack.reference(&resource.logical)?);
        Ok(())
    }

    /// A version is of the definition that is deployed: the first time that is number 1.
    pub(super) fn version(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let place = stack.place(&resource.logical);
        let arn = text(&resource.properties["StateMachineArn"]);
        let machine = self.machine_at(&place, &arn)?;
        self.released.push(Released::Version { place, machine });
        Ok(())
    }

    pub(super) fn alias(&mut self, stack: &Stack, resource: Resource) -> Read<()> {
        let Resource {
            logical,
            properties,
            ..
        } = resource;
        let place = stack.place(&logical);
        let wrong = |why: &str| DefinitionError::new(&place, why);
        let preference = &properties["DeploymentPreference"];
        // All at once is what there is at the first deployment, whatever the type.
        let mut listed = Vec::new();
        if !preference.is_null() {
            listed.push((text(&preference["StateMachineVersionArn"]), Some(100)));
        }
        let written = properties["RoutingConfiguration"].as_array();
        listed.extend(written.into_iter().flatten().map(|it| {
            let weight = number(&it["Weight"]).and_then(|weight| u32::try_from(weight).ok());
            (text(&it["StateMachineVersionArn"]), weight)
        }));
        let (mut machine, mut routes) = (None, Vec::new());
        for (arn, weight) in listed {
            let (of, version) = arn.rsplit_once(':').unwrap_or((&arn, ""));
            let of = self.machine_at(&place, of)?;
            if machine.replace(of).is_some_and(|before| before != of) {
                return Err(wrong("its versions are of two state machines"));
            }
            routes.push(Route {
                version: version
                    .parse()
                    .map_err(|_| wrong("it leads to no version"))?,
                weight: weight.ok_or_else(|| wrong("a Weight is a number from 0 to 100"))?,
            });
        }
        self.released.push(Released::Alias {
            machine: machine.ok_or_else(|| wrong("it leads nowhere"))?,
            name: stack.attribute(&logical, "Name")?,
            routes,
            place,
        });
        Ok(())
    }

    fn machine_at(&self, whose: &str, arn: &str) -> Read<usize> {
        let found = self.machines.iter().position(|it| it.arn == arn);
        found.ok_or_else(|| DefinitionError::new(whose, format!("no state machine {arn}")))
    }
}
