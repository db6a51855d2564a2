//! AWS, and an emulator of it on this machine.

mod deploying;
pub(super) mod drills;
mod removal;
mod up;

use std::path::PathBuf;

use aws_config::SdkConfig;
use duet_local::emulator;
pub(super) use duet_local::emulator::Emulator;

use self::up::EMULATOR_LIMIT;
use super::open::{For, Opened};
use super::{DownReport, StatusReport, Target};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::global::{On, url};
use crate::terminal::tell;
use crate::world::World;
pub(super) use crate::world::aws::account::Account;
use crate::world::aws::account::Endpoints;
use crate::world::aws::{self, Aws};

impl Target {
    /// With the emulator's endpoint that the environment names, if the command line
    /// names none.
    pub(in crate::target) fn with_endpoint(mut self) -> Outcome<Self> {
        if self.global.on == On::Local && self.global.endpoint.is_none() {
            let set = self.environment.get("AWS_ENDPOINT_URL");
            let set = set.map(|text| url(&text.to_string_lossy())).transpose();
            self.global.endpoint =
                set.map_err(|wrong| Problem::usage(format!("AWS_ENDPOINT_URL: {wrong}")))?;
        }
        Ok(self)
    }

    /// The stack there.
    pub(super) async fn stack(&self, purpose: For) -> Outcome<Aws> {
        let config = match self.global.on {
            On::Aws => self.ordinary().await?,
            _ => aws::emulated(&self.endpoint()?),
        };
        if self.global.on == On::Aws && purpose == For::Acting {
            self.account(&config).await?;
        }
        Aws::open(&config, &self.stack).await
    }

    pub(in crate::target) async fn open_cloud(&self, purpose: For) -> Outcome<Opened> {
        Ok(Opened::Aws(Box::new(self.stack(purpose).await?)))
    }

    /// How AWS is reached: at the endpoint that was named, or as is configured.
    /// Says so where that is not AWS.
    async fn ordinary(&self) -> Outcome<SdkConfig> {
        let config = aws::ordinary(self.global.endpoint.as_deref()).await?;
        let endpoints = Endpoints::of(&config);
        if self.global.endpoint.is_none() && !endpoints.is_ordinary() {
            tell(&format!(
                "not AWS itself: {endpoints}, by AWS_ENDPOINT_URL or the AWS profile"
            ));
        }
        Ok(config)
    }

    /// Asks whom AWS takes us for, and says it.
    async fn account(&self, config: &SdkConfig) -> Outcome<Account> {
        let account = Account::of(config).await?;
        tell(&format!("{account}, stack {}", self.stack));
        Ok(account)
    }

    /// Where the Python environment lies: shared by every state directory.
    fn tools(&self) -> PathBuf {
        self.root.join(".duet")
    }

    fn endpoint(&self) -> Outcome<String> {
        if let Some(endpoint) = &self.global.endpoint {
            return Ok(endpoint.clone());
        }
        match emulator::status(&self.state).map_err(Problem::environment)? {
            Some(emulator) => Ok(emulator.endpoint),
            None => Err(Problem::environment("the emulator is not running")
                .hint("run `duet up --on local` first")),
        }
    }

    pub(in crate::target) async fn down_cloud(
        &self,
        delete: bool,
        yes: bool,
    ) -> Outcome<DownReport> {
        let (done, account) = match self.global.on {
            On::Local if self.global.endpoint.is_some() => {
                return Err(
                    Problem::usage("the endpoint was named, so it is not ours to stop")
                        .hint("leave out --endpoint and unset AWS_ENDPOINT_URL to stop the emulator that `duet up` started"),
                );
            }
            On::Aws if delete => {
                let consent = removal::consent(yes)?;
                let config = self.ordinary().await?;
                let there = self.account(&config).await?;
                let done = removal::delete(&config, &there, &self.stack, consent).await?;
                (done, Some(there))
            }
            On::Aws => {
                return Err(Problem::usage("nothing was deleted")
                    .hint("`duet down --on aws --delete` deletes the stack and all it keeps"));
            }
            _ => {
                let stopped =
                    emulator::stop(&self.state, EMULATOR_LIMIT).map_err(Problem::environment)?;
                let done = match stopped {
                    true => "the emulator is stopped",
                    false => "the emulator was not running",
                };
                (done.to_owned(), None)
            }
        };
        Ok(DownReport { done, account })
    }

    pub(in crate::target) async fn status_cloud(&self) -> Outcome<StatusReport> {
        if self.global.on == On::Aws {
            let config = self.ordinary().await?;
            let account = Account::of(&config).await?;
            let (deployment, problem) = match Aws::open(&config, &self.stack).await {
                Ok(world) => (Some(world.deployment()), None),
                Err(problem) => (None, Some(problem.to_string())),
            };
            return Ok(StatusReport {
                account: Some(account),
                ..self.told(None, deployment, problem)
            });
        }
        let emulator = match &self.global.endpoint {
            None => emulator::status(&self.state).map_err(Problem::environment)?,
            Some(_) => None,
        };
        Ok(match self.stack(For::Looking).await {
            Ok(world) => self.told(emulator, Some(world.deployment()), None),
            Err(problem) => self.told(emulator, None, Some(problem.to_string())),
        })
    }
}
