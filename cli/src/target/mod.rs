//! Where `--on` leads: bringing the system up there, opening it, taking it down,
//! and telling how it is.
//!
//! The lab is always there. What reaches AWS, or an emulator of it, is in `cloud`,
//! and in the build only with the feature `aws`.

#[cfg(not(feature = "aws"))]
mod absent;
#[cfg(feature = "aws")]
mod cloud;
pub mod labs;
pub mod lasting;
pub mod open;
mod report;
mod turning;

use std::path::{Path, PathBuf};
use std::time::Instant;

use duet_core::{Clock, SystemClock};
#[cfg(feature = "aws")]
use duet_local::Environment;

#[cfg(not(feature = "aws"))]
use self::absent::Emulator;
#[cfg(feature = "aws")]
use self::cloud::Emulator;
use self::labs::Labs;
use self::lasting::{Brought, LabDir};
use self::open::{For, Opened};
pub use self::report::{DownReport, StatusReport, UpReport};
use self::report::{LabStatus, NO_LAB_YET};
use crate::ops::faulty::Faulty as _;
use crate::ops::orders;
use crate::shop::parameters::of_today;
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::global::{Global, On};
use crate::terminal::tell;
use crate::world::{Deployment, World};

/// The project's root: where `template.yaml` lies, from here upwards, or where
/// this command was built.
///
/// # Errors
/// [`Problem`] when there is none.
pub fn root() -> Outcome<PathBuf> {
    let here = std::env::current_dir().map_err(Problem::environment)?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    checkout(&here).or_else(|| checkout(built?)).ok_or_else(|| {
        Problem::environment("there is no template.yaml here or above")
            .hint("run duet inside a checkout of the project")
    })
}

/// The checkout of the project that `dir` is in.
fn checkout(dir: &Path) -> Option<PathBuf> {
    dir.ancestors()
        .find(|dir| dir.join("template.yaml").is_file() && dir.join("infra").is_dir())
        .map(Path::to_path_buf)
}

/// Where state is kept outside a checkout: `duet` in `$XDG_STATE_HOME`, or in
/// `~/.local/state` (XDG Base Directory Specification 0.8).
fn home_of_state() -> Outcome<PathBuf> {
    let given = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    given
        .filter(|dir| dir.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))
        .map(|dir| dir.join("duet"))
        .ok_or_else(|| {
            Problem::environment("there is no home directory to keep a lab in")
                .hint("name a directory with --state")
        })
}

/// The directory where state is kept: the one `given`, else the checkout's own, else
/// the user's.
fn state_of(given: Option<&Path>) -> Outcome<PathBuf> {
    let here = std::env::current_dir().map_err(Problem::environment)?;
    match (given, checkout(&here)) {
        (Some(state), _) => Ok(state.to_owned()),
        (None, Some(checkout)) => Ok(checkout.join(".duet")),
        (None, None) => home_of_state(),
    }
}

/// The name of a stack or lab that nobody named.
const DEFAULT: &str = "duet";

/// How to bring the system up.
#[derive(Debug, Clone, Default)]
pub struct Up {
    /// Parameters of the stack, by name.
    pub parameters: Vec<(String, String)>,
    /// Whether to deploy to AWS, not only to look.
    pub deploy: bool,
    /// Whether what an update takes away may be given up without asking.
    pub yes: bool,
    /// Whether the lab that is there is set aside for a new one.
    pub reset: bool,
    /// The process with which the emulator ends.
    pub until_exit_of: Option<u32>,
}

/// Where and how to reach the system, before it is known to be there.
#[derive(Debug, Clone)]
pub struct Target {
    #[cfg(feature = "aws")]
    root: PathBuf,
    state: PathBuf,
    /// The name of the stack, or of the lab.
    stack: String,
    global: Global,
    #[cfg(feature = "aws")]
    environment: Environment,
}

impl Target {
    /// The target that the command line names.
    ///
    /// # Errors
    /// [`Problem`] outside a checkout of the project; the lab needs none.
    pub fn new(global: &Global) -> Outcome<Self> {
        #[cfg(feature = "aws")]
        let root = match (root(), global.on) {
            (Ok(root), _) => root,
            (Err(_), On::Lab) => PathBuf::new(),
            (Err(problem), _) => return Err(problem),
        };
        let state = state_of(global.state.as_deref())?;
        std::fs::create_dir_all(&state).map_err(|e| {
            Problem::environment(format!("{} cannot be made: {e}", state.display()))
        })?;
        let stack = match (&global.stack, global.on) {
            (Some(stack), _) => stack.clone(),
            (None, On::Lab) => labs::in_use(&state).unwrap_or_else(|| DEFAULT.to_owned()),
            (None, _) => DEFAULT.to_owned(),
        };
        let target = Self {
            #[cfg(feature = "aws")]
            root,
            state,
            stack,
            global: global.clone(),
            #[cfg(feature = "aws")]
            environment: Environment::new(std::env::vars_os()),
        };
        #[cfg(feature = "aws")]
        let target = target.with_endpoint()?;
        Ok(target)
    }

    /// Brings the system up: what is done already is not done again.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up(&self, up: &Up) -> Outcome<UpReport> {
        let began = Instant::now();
        let up = &Up {
            parameters: of_today(&up.parameters),
            ..up.clone()
        };
        match self.global.on {
            On::Lab => self.up_lab(up, began).await,
            On::Local | On::Aws => self.up_cloud(up, began).await,
        }
    }

    /// Opens the system there for `purpose`, without starting anything. A lab that is
    /// not there yet is begun.
    ///
    /// # Errors
    /// [`Problem`] when it is not running or not deployed.
    pub async fn open(&self, purpose: For) -> Outcome<Opened> {
        match self.global.on {
            On::Lab => {
                let lasting = self.labs()?.open(SystemClock.now()).await?;
                Ok(Opened::Lab(Box::new(lasting)))
            }
            On::Local | On::Aws => self.open_cloud(purpose).await,
        }
    }

    /// Stops the emulator; with `delete`, sets the lab aside, or deletes the stack
    /// on AWS, after asking unless `yes`.
    ///
    /// # Errors
    /// [`Problem`] when it cannot be stopped or deleted, or may not be.
    pub async fn down(&self, delete: bool, yes: bool) -> Outcome<DownReport> {
        if self.global.on != On::Lab {
            return self.down_cloud(delete, yes).await;
        }
        let labs = self.labs()?;
        let done = match delete {
            true => match labs.set_aside(SystemClock.now())? {
                Some(aside) => format!(
                    "the lab is no more; what it was made of lies in {}",
                    aside.display()
                ),
                None => "there was no lab".to_owned(),
            },
            false => format!(
                "nothing runs between commands; the lab stays in {} until `duet down --delete`",
                labs.file().display()
            ),
        };
        Ok(DownReport {
            done,
            account: None,
        })
    }

    /// Tells what is running and deployed.
    ///
    /// # Errors
    /// [`Problem`] when that cannot be told.
    pub async fn status(&self) -> Outcome<StatusReport> {
        if self.global.on != On::Lab {
            return self.status_cloud().await;
        }
        if !self.labs()?.exists() {
            let text = NO_LAB_YET.to_owned();
            return Ok(self.told(None, None, Some(text)));
        }
        match self.labs()?.open(SystemClock.now()).await {
            Ok(lasting) => {
                let orders = orders::list(&lasting.world, &orders::Filter::default()).await?;
                let lab = LabStatus {
                    facts: lasting.facts(),
                    orders: orders.orders.len(),
                    trouble: lasting.world.trouble().unwrap_or_default(),
                };
                let deployment = lasting.world.deployment();
                Ok(StatusReport {
                    lab: Some(lab),
                    ..self.told(None, Some(deployment), None)
                })
            }
            Err(problem) => Ok(self.told(None, None, Some(problem.to_string()))),
        }
    }

    /// Begins a lab with the parameters that `up` gives, or updates the one that
    /// is there to them.
    async fn up_lab(&self, up: &Up, began: Instant) -> Outcome<UpReport> {
        let parameters = up.parameters.iter().cloned().collect();
        let aside = match up.reset {
            true => self.labs()?.set_aside(SystemClock.now())?,
            false => None,
        };
        let (lasting, brought) = self
            .labs()?
            .up(parameters, SystemClock.now(), up.yes)
            .await?;
        let brought = match brought {
            Brought::Begun(None) => Brought::Begun(aside),
            other => other,
        };
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
        if lasting.facts().updating {
            tell("the update goes on until the executions of a deleted state machine are over");
        }
        let deployment = lasting.world.deployment();
        lasting.close()?;
        Ok(self.upped(deployment, began))
    }

    /// The name of the stack, or of the lab.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.stack
    }

    /// The labs of this state directory.
    #[must_use]
    pub fn all_labs(&self) -> Labs {
        Labs::of(&self.state, &self.stack)
    }

    /// Where a lab called `name` lies, or would.
    ///
    /// # Errors
    /// [`Problem`] when no lab can have that name.
    pub fn lab_called(&self, name: &str) -> Outcome<LabDir> {
        LabDir::new(&self.state, name)
    }

    /// Where the lab lies.
    fn labs(&self) -> Outcome<LabDir> {
        LabDir::new(&self.state, &self.stack)
    }

    fn upped(&self, deployment: Deployment, began: Instant) -> UpReport {
        UpReport {
            on: self.global.on,
            stack: self.stack.clone(),
            endpoint: None,
            account: None,
            deployment,
            elapsed_ms: began.elapsed().as_millis() as u64,
        }
    }

    fn told(
        &self,
        emulator: Option<Emulator>,
        deployment: Option<Deployment>,
        problem: Option<String>,
    ) -> StatusReport {
        StatusReport {
            on: self.global.on,
            stack: self.stack.clone(),
            emulator,
            endpoint: self.global.endpoint.clone(),
            account: None,
            lab: None,
            deployment,
            problem,
        }
    }
}
