//! Bringing the system up, taking it down, and telling how it is.

mod deploying;
pub mod drills;
mod parameters;
mod told;
mod up;

use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use duet_core::{Clock, SystemClock};

pub(crate) use self::parameters::WHAT_BECAME_OF_TRIES;
pub use self::parameters::{EMULATED, LITTLE_PATIENCE};
pub use self::told::{Downed, Status, Upped};
use self::told::{LabStatus, NO_LAB_YET};
use self::up::EMULATOR_LIMIT;
use crate::args::{self, Down, Global, On};
use crate::exit::{Outcome, Problem};
use crate::local::Environment;
use crate::local::emulator::{self, Emulator};
use crate::opened::Opened;
use crate::orders;
use crate::removal;
use crate::terminal::tell;
use crate::world::account::{Account, Endpoints};
use crate::world::aws::{self, Aws};
use crate::world::lab::kept::Shelf;
use crate::world::{Deployment, World};

/// The services: a package and a binary each.
pub const SERVICES: [&str; 8] = [
    "customer",
    "order",
    "fraud",
    "inventory",
    "payment",
    "delivery",
    "notification",
    "journal",
];

/// What runs by the clock and takes no commands: package, and directory.
pub const SWEEPS: [(&str, &str); 2] = [("order", "order-sweep"), ("records", "records")];

/// The project's root: where `template.yaml` lies, from here upwards, or where
/// this command was built.
///
/// # Errors
/// [`Problem`] when there is none.
pub fn root() -> Outcome<PathBuf> {
    let here = std::env::current_dir().map_err(Problem::environment)?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    here.ancestors()
        .chain(built)
        .find(|dir| dir.join("template.yaml").is_file() && dir.join("infra").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            Problem::environment("there is no template.yaml here or above")
                .hint("run duet inside a checkout of the project")
        })
}

/// Where and how to reach the system, before it is known to be there.
#[derive(Debug, Clone)]
pub struct Place {
    root: PathBuf,
    state: PathBuf,
    environment: Environment,
    global: Global,
}

impl Place {
    /// The place that the command line names.
    ///
    /// # Errors
    /// [`Problem`] outside a checkout of the project; the lab needs none.
    pub fn new(global: &Global) -> Outcome<Self> {
        let root = match (root(), global.on) {
            (Ok(root), _) => root,
            (Err(_), On::Lab) => std::env::current_dir().map_err(Problem::environment)?,
            (Err(problem), _) => return Err(problem),
        };
        let state = global.state.clone().unwrap_or_else(|| root.join(".duet"));
        std::fs::create_dir_all(&state).map_err(|e| {
            Problem::environment(format!("{} cannot be made: {e}", state.display()))
        })?;
        let environment = Environment::new(std::env::vars_os());
        let mut global = global.clone();
        if global.on == On::Local && global.endpoint.is_none() {
            let set = environment.get("AWS_ENDPOINT_URL");
            let set = set.map(|url| args::url(&url.to_string_lossy())).transpose();
            global.endpoint =
                set.map_err(|wrong| Problem::usage(format!("AWS_ENDPOINT_URL: {wrong}")))?;
        }
        Ok(Self {
            root,
            state,
            environment,
            global,
        })
    }

    /// Opens the system there, without starting anything. A lab that is not
    /// there yet is begun.
    ///
    /// # Errors
    /// [`Problem`] when it is not running or not deployed.
    pub async fn open(&self) -> Outcome<Opened> {
        let config = match self.global.on {
            On::Aws => self.ordinary().await?,
            On::Local => aws::emulated(&self.endpoint()?),
            On::Lab => {
                let kept = self.shelf()?.open(SystemClock.now()).await?;
                return Ok(Opened::Lab(Box::new(kept)));
            }
        };
        let world = Aws::open(&config, &self.global.stack).await?;
        Ok(Opened::Aws(Box::new(world)))
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
        tell(&format!("{account}, stack {}", self.global.stack));
        Ok(account)
    }

    /// Where the lab lies.
    fn shelf(&self) -> Outcome<Shelf> {
        Shelf::new(&self.state, &self.global.stack)
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

    /// Stops the emulator, sets the lab aside, or deletes the stack on AWS when
    /// asked to, see [`removal`].
    ///
    /// # Errors
    /// [`Problem`] when it cannot be stopped or deleted, or may not be.
    pub async fn down(&self, &Down { delete, yes }: &Down) -> Outcome<Downed> {
        let mut account = None;
        let what = match self.global.on {
            On::Local if self.global.endpoint.is_some() => {
                return Err(
                    Problem::usage("the endpoint was named, so it is not ours to stop")
                        .hint("leave out --endpoint and unset AWS_ENDPOINT_URL to stop the emulator that `duet up` started"),
                );
            }
            On::Local => {
                let stopped =
                    emulator::stop(&self.state, EMULATOR_LIMIT).map_err(Problem::environment)?;
                if stopped {
                    "the emulator is stopped".to_owned()
                } else {
                    "the emulator was not running".to_owned()
                }
            }
            On::Aws if delete => {
                let consent = removal::consent(yes)?;
                let config = self.ordinary().await?;
                let there = account.insert(self.account(&config).await?);
                removal::delete(&config, there, &self.global.stack, consent).await?
            }
            On::Lab if delete => match self.shelf()?.set_aside(SystemClock.now())? {
                Some(aside) => format!(
                    "the lab is no more; what it was made of lies in {}",
                    aside.display()
                ),
                None => "there was no lab".to_owned(),
            },
            On::Lab => format!(
                "nothing runs between commands; the lab stays in {} until `duet down --delete`",
                self.shelf()?.file().display()
            ),
            On::Aws => {
                return Err(Problem::usage("nothing was deleted")
                    .hint("`duet down --on aws --delete` deletes the stack and all it keeps"));
            }
        };
        Ok(Downed {
            done: what,
            account,
        })
    }

    /// Tells what is running and deployed.
    ///
    /// # Errors
    /// [`Problem`] when that cannot be told.
    pub async fn status(&self) -> Outcome<Status> {
        let emulator = match (self.global.on, &self.global.endpoint) {
            (On::Local, None) => emulator::status(&self.state).map_err(Problem::environment)?,
            _ => None,
        };
        if self.global.on == On::Lab && !self.shelf()?.exists() {
            let text = NO_LAB_YET.to_owned();
            return Ok(self.told(None, None, None, Some(text)));
        }
        if self.global.on == On::Aws {
            let config = self.ordinary().await?;
            let account = Account::of(&config).await?;
            let (deployment, problem) = match Aws::open(&config, &self.global.stack).await {
                Ok(world) => (Some(world.deployment()), None),
                Err(problem) => (None, Some(problem.to_string())),
            };
            return Ok(Status {
                account: Some(account),
                ..self.told(None, deployment, None, problem)
            });
        }
        Ok(match self.open().await {
            Ok(Opened::Aws(world)) => self.told(emulator, Some(world.deployment()), None, None),
            Ok(Opened::Lab(kept)) => {
                let orders = orders::list(&kept.world, orders::Filter::default()).await?;
                let lab = LabStatus {
                    facts: kept.facts(),
                    orders: orders.orders.len(),
                };
                self.told(None, Some(kept.world.deployment()), Some(lab), None)
            }
            Err(problem) => self.told(emulator, None, None, Some(problem.to_string())),
        })
    }

    fn told(
        &self,
        emulator: Option<Emulator>,
        deployment: Option<Deployment>,
        lab: Option<LabStatus>,
        problem: Option<String>,
    ) -> Status {
        Status {
            on: self.global.on,
            stack: self.global.stack.clone(),
            emulator,
            endpoint: self.global.endpoint.clone(),
            account: None,
            lab,
            deployment,
            problem,
        }
    }
}
