//! Systems for the demo and the drills.

use tokio::runtime::Handle;

use crate::ops::drill::outage;
use crate::ops::drill::rollout::Turned;
use crate::shop::parameters::{FRAUD, Fraud};
use crate::target::open::For;
use crate::target::{Target, Up};
use crate::terminal::exit::{Outcome, Problem};
use crate::terminal::global::On;
use crate::terminal::tell;
use crate::world::aws::Aws;

/// What the name of a stack to break things in ends with.
const DRILL: &str = "-drill";

impl Target {
    /// The world on this machine, brought up with the parameters it was last
    /// deployed with.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up_as_it_is(&self) -> Outcome<Aws> {
        let parameters = self
            .last_deployed()
            .map_or(Vec::new(), |note| note.parameters);
        self.up(&Up {
            parameters,
            ..Up::default()
        })
        .await?;
        self.stack(For::Looking).await
    }

    /// A world on this machine to break things in.
    ///
    /// # Errors
    /// [`Problem`] saying which step did not work, and what to do.
    pub async fn up_for_outage(&self) -> Outcome<Aws> {
        let target = self.beside();
        let up = self.drilling(&[
            (FRAUD, "on"),
            ("ReviewSeconds", &outage::REVIEW_SECONDS.to_string()),
        ]);
        target.up(&up).await?;
        target.stack(For::Looking).await
    }

    /// A shop to turn fraud detection of: beside the stack that was named on this
    /// machine, or that one on AWS. It is brought up when it is turned first.
    #[must_use]
    pub fn for_rollout(&self) -> Drilled {
        match self.global.on {
            On::Aws => Drilled {
                target: self.clone(),
                up: Up {
                    deploy: true,
                    ..Up::default()
                },
            },
            _ => Drilled {
                target: self.beside(),
                up: self.drilling(&[("ReviewSeconds", &outage::REVIEW_SECONDS.to_string())]),
            },
        }
    }

    /// A target beside the one that was named, with a stack of its own.
    fn beside(&self) -> Self {
        let stack = format!("{}{DRILL}", self.stack);
        tell(&format!(
            "the drill has a stack of its own; `--stack {stack}` shows what it leaves"
        ));
        let mut beside = self.clone();
        beside.stack = stack;
        beside
    }

    /// With the parameters of the stack that was named, but for those in `instead`.
    fn drilling(&self, instead: &[(&str, &str)]) -> Up {
        let mut parameters = self
            .last_deployed()
            .map_or(Vec::new(), |note| note.parameters);
        for (name, value) in instead {
            set(&mut parameters, name, value);
        }
        Up {
            parameters,
            ..Up::default()
        }
    }

    /// Refuses a stack on AWS that is not meant to have things broken in it, for
    /// what breaks there breaks for everybody.
    ///
    /// # Errors
    /// [`Problem`] when the stack is not named as one for drills.
    pub fn may_break(&self) -> Outcome<()> {
        let stack = &self.stack;
        if stack.ends_with(DRILL) {
            return Ok(());
        }
        Err(Problem::usage(format!(
            "the drill takes a service of the stack out of order, for everybody; {stack} is not meant for it"
        ))
        .hint(format!(
            "deploy one whose name ends with {DRILL}: `duet up --on aws --deploy --stack {stack}{DRILL}`, and name it here too"
        )))
    }
}

/// A stack whose fraud detection the drill turns, as `duet up` does.
#[derive(Debug)]
pub struct Drilled {
    target: Target,
    up: Up,
}

impl Turned for Drilled {
    type World = Aws;

    async fn world(&self) -> Outcome<Aws> {
        self.target.stack(For::Looking).await
    }

    /// On a thread of its own: `sam` is waited for there, while the drill goes on.
    async fn turn(&self, to: Fraud) -> Outcome<()> {
        let (target, mut up) = (self.target.clone(), self.up.clone());
        set(&mut up.parameters, FRAUD, &to.to_string());
        let runtime = Handle::current();
        let turning = tokio::task::spawn_blocking(move || runtime.block_on(target.up(&up)));
        turning.await.map_err(Problem::environment)?.map(drop)
    }
}

/// Gives the parameter `name` this value.
fn set(parameters: &mut Vec<(String, String)>, name: &str, value: &str) {
    parameters.retain(|(known, _)| known != name);
    parameters.push((name.to_owned(), value.to_owned()));
}
