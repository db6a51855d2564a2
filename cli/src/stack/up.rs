//! Bringing the system up, wherever it runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use duet_core::{Clock, SystemClock};

use super::deploying::Stack;
use super::parameters::{EMULATED, of_today};
use super::{Place, Upped};
use crate::args::{On, Up};
use crate::catalog;
use crate::exit::{Outcome, Problem};
use crate::local::build::{Architecture, Purpose};
use crate::local::emulator::{self, Start};
use crate::local::python;
use crate::removal;
use crate::terminal::tell;
use crate::world::World;
use crate::world::account::Account;
use crate::world::aws::{self, Aws};
use crate::world::lab::kept::Brought;

/// How long the emulator may take to start and to stop.
pub(super) const EMULATOR_LIMIT: Duration = Duration::from_secs(60);

impl Place {
    /// Brings the system up: what is done already is not done again.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up(&self, up: &Up) -> Outcome<Upped> {
        let began = Instant::now();
        let up = &Up {
            parameters: of_today(&up.parameters),
            ..up.clone()
        };
        match self.global.on {
            On::Local => self.up_local(up, began).await,
            On::Aws => self.up_aws(up, began).await,
            On::Lab => self.up_lab(up, began).await,
        }
    }

    /// Begins a lab with the parameters that `up` gives, or updates the one that
    /// is there to them.
    async fn up_lab(&self, up: &Up, began: Instant) -> Outcome<Upped> {
        let parameters = up.parameters.iter().cloned().collect();
        let (kept, brought) = self
            .shelf()?
            .up(parameters, SystemClock.now(), up.yes)
            .await?;
        match brought {
            Brought::AsItWas | Brought::Begun(None) => {}
            Brought::Begun(Some(aside)) => {
                tell(&format!("the lab before lies in {}", aside.display()));
            }
            Brought::Updated(updates) => updates.iter().for_each(|update| {
                tell(&format!(
                    "updated in place: {} resources added, {} changed, {} deleted, by {}",
                    update.added.len(),
                    update.changed.len(),
                    update.removed.len(),
                    update.complete
                ));
            }),
        }
        if kept.facts().updating {
            tell("the update goes on until the executions of a deleted state machine are over");
        }
        let deployment = kept.world.deployment();
        kept.close()?;
        Ok(Upped {
            on: On::Lab,
            stack: self.global.stack.clone(),
            endpoint: None,
            account: None,
            deployment,
            elapsed_ms: began.elapsed().as_millis() as u64,
        })
    }

    async fn up_local(&self, up: &Up, began: Instant) -> Outcome<Upped> {
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
            && matches!(aws::outputs(&config, &self.global.stack).await, Ok(Some(_)));
        if !deployed {
            let ours = self.global.endpoint.is_none();
            if !ours {
                let account = Account::of(&config).await?;
                removal::may_deploy(&config, &account, &self.global.stack).await?;
            }
            let stack = Stack {
                place: self,
                config: &config,
                python: &python,
                emulator: Some((&emulator.endpoint, ours)),
            };
            // Whoever is stopped in between goes on.
            self.note_deployed("", &up.parameters)?;
            self.roll_out(&stack, &parameters, up.yes).await?;
            self.note_deployed(&fingerprint, &up.parameters)?;
        }
        let world = Aws::open(&config, &self.global.stack).await?;
        catalog::seed(&world, &catalog::entries(None)?).await?;
        Ok(Upped {
            endpoint: Some(emulator.endpoint),
            ..self.upped(&world, began)
        })
    }

    async fn up_aws(&self, up: &Up, began: Instant) -> Outcome<Upped> {
        let config = self.ordinary().await?;
        let account = self.account(&config).await?;
        if up.deploy {
            removal::may_deploy(&config, &account, &self.global.stack).await?;
            let python = self.step("python environment", || {
                let requirements = self.root.join("infra/local/requirements.txt");
                python::prepare(&requirements, &self.tools(), &self.environment, &mut tell)
            })?;
            let parameters: BTreeMap<String, String> = up.parameters.iter().cloned().collect();
            let architecture = match parameters.get("Architecture").map(String::as_str) {
                Some("arm64") => Architecture::Arm64,
                _ => Architecture::X86_64,
            };
            self.step("services", || self.build(architecture, Purpose::Lambda))?;
            let stack = Stack {
                place: self,
                config: &config,
                python: &python,
                emulator: None,
            };
            self.roll_out(&stack, &parameters, up.yes).await?;
        }
        let world = Aws::open(&config, &self.global.stack).await;
        let world = world.map_err(|problem| match up.deploy {
            true => problem,
            false => problem.hint("to deploy to the account your AWS configuration names: `duet up --on aws --deploy`"),
        })?;
        if up.deploy {
            catalog::seed(&world, &catalog::entries(None)?).await?;
        }
        Ok(Upped {
            endpoint: account.endpoints.endpoint.clone(),
            account: Some(account),
            ..self.upped(&world, began)
        })
    }

    fn upped(&self, world: &Aws, began: Instant) -> Upped {
        Upped {
            on: self.global.on,
            stack: self.global.stack.clone(),
            endpoint: None,
            account: None,
            deployment: world.deployment(),
            elapsed_ms: began.elapsed().as_millis() as u64,
        }
    }
}
