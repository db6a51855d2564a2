//! Bringing the system up, wherever it runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::deploying::Stack;
use super::removal;
use crate::ops::catalog;
use crate::shop::goods::goods;
use crate::shop::parameters::EMULATED;
use crate::target::{Target, Up, UpReport};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::global::On;
use crate::terminal::tell;
use crate::world::World;
use crate::world::aws::account::Account;
use crate::world::aws::{self, Aws};
use duet_local::build::{Architecture, Purpose};
use duet_local::emulator::{self, Start};
use duet_local::python;

/// How long the emulator may take to start and to stop.
pub(super) const EMULATOR_LIMIT: Duration = Duration::from_secs(60);

impl Target {
    pub(in crate::target) async fn up_cloud(&self, up: &Up, began: Instant) -> Outcome<UpReport> {
        match self.global.on {
            On::Aws => self.up_aws(up, began).await,
            _ => self.up_local(up, began).await,
        }
    }

    async fn up_local(&self, up: &Up, began: Instant) -> Outcome<UpReport> {
        let python = self.step("python environment", || {
            let requirements = self.root.join("infra/local/requirements.txt");
            python::prepare(&requirements, &self.tools(), &self.environment, &mut tell)
        })?;
        let emulator = self.step("emulator", || match &self.global.endpoint {
            Some(endpoint) => emulator::named(endpoint),
            None => {
                let launcher = self.root.join("infra/local/launch.py");
                let start = Start {
                    python: &python,
                    launcher: &launcher,
                    state: &self.state,
                    settings: &[],
                    until_exit_of: up.until_exit_of,
                    limit: EMULATOR_LIMIT,
                };
                emulator::start(start, &self.environment)
            }
        })?;
        emulator
            .warnings
            .iter()
            .for_each(|warning| tell(&format!("warning: {warning}")));
        let architecture = Architecture::here().ok_or_else(|| {
            Problem::environment(
                "this machine is neither x86_64 nor arm64, the architectures Lambda has",
            )
        })?;
        let built = self.step("services", || self.build(architecture, Purpose::Here))?;
        let mut parameters: BTreeMap<String, String> = EMULATED
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        parameters.insert(
            "Architecture".to_owned(),
            architecture.sam_name().to_owned(),
        );
        parameters.extend(up.parameters.iter().cloned());
        let fingerprint = self.fingerprint(&built, &parameters, &emulator)?;
        let config = aws::emulated(&emulator.endpoint);
        let deployed = self
            .last_deployed()
            .is_some_and(|note| note.fingerprint == fingerprint)
            && matches!(aws::outputs(&config, &self.stack).await, Ok(Some(_)));
        if !deployed {
            let ours = self.global.endpoint.is_none();
            if !ours {
                let account = Account::of(&config).await?;
                removal::may_deploy(&config, &account, &self.stack).await?;
            }
            let stack = Stack {
                at: self,
                config: &config,
                python: &python,
                emulator: Some((&emulator.endpoint, ours)),
            };
            // Whoever is stopped in between goes on.
            self.note_deployed("", &up.parameters)?;
            self.roll_out(&stack, &parameters, up.yes).await?;
            self.note_deployed(&fingerprint, &up.parameters)?;
        }
        let world = Aws::open(&config, &self.stack).await?;
        catalog::seed(&world, &goods(None)?).await?;
        Ok(UpReport {
            endpoint: Some(emulator.endpoint),
            ..self.upped(world.deployment(), began)
        })
    }

    async fn up_aws(&self, up: &Up, began: Instant) -> Outcome<UpReport> {
        let config = self.ordinary().await?;
        let account = self.account(&config).await?;
        if up.deploy {
            removal::may_deploy(&config, &account, &self.stack).await?;
            let python = self.step("python environment", || {
                let requirements = self.root.join("infra/local/requirements.txt");
                python::prepare(&requirements, &self.tools(), &self.environment, &mut tell)
            })?;
            let parameters: BTreeMap<String, String> = up.parameters.iter().cloned().collect();
            // A stack that is not complete says nothing that lasts.
            let there = aws::complete(&config, &self.stack).await.ok().flatten();
            let there = there.map(|there| there.parameters).unwrap_or_default();
            let architecture = architecture(&parameters, &there);
            self.step("services", || self.build(architecture, Purpose::Lambda))?;
            let stack = Stack {
                at: self,
                config: &config,
                python: &python,
                emulator: None,
            };
            self.roll_out(&stack, &parameters, up.yes).await?;
        }
        let world = Aws::open(&config, &self.stack).await;
        let world = world.map_err(|problem| match up.deploy {
            true => problem,
            false => problem.hint("to deploy to the account your AWS configuration names: `duet up --on aws --deploy`"),
        })?;
        if up.deploy {
            catalog::seed(&world, &goods(None)?).await?;
        }
        Ok(UpReport {
            endpoint: account.endpoints.endpoint.clone(),
            account: Some(account),
            ..self.upped(world.deployment(), began)
        })
    }
}

/// What the functions are built for: what is asked for, or else what the stack has,
/// for a deployment that does not say keeps it.
fn architecture(
    asked: &BTreeMap<String, String>,
    there: &BTreeMap<String, String>,
) -> Architecture {
    const NAME: &str = "Architecture";
    let said = asked.get(NAME).or_else(|| there.get(NAME));
    match said.map(String::as_str) {
        Some("arm64") => Architecture::Arm64,
        _ => Architecture::X86_64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_keeps_its_architecture_unless_another_is_asked_for() {
        let named = |name: &str| BTreeMap::from([("Architecture".to_owned(), name.to_owned())]);
        let nothing = BTreeMap::new();
        for (asked, there, expected) in [
            (&nothing, &nothing, Architecture::X86_64),
            (&nothing, &named("arm64"), Architecture::Arm64),
            (&named("x86_64"), &named("arm64"), Architecture::X86_64),
            (&named("arm64"), &nothing, Architecture::Arm64),
        ] {
            assert_eq!(architecture(asked, there), expected);
        }
    }
}
