//! The world that the command line names, opened: the one place that knows how
//! many kinds there are.

use crate::target::lasting::Lasting;
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome};
#[cfg(feature = "aws")]
use crate::world::aws::Aws;

/// An opened world.
#[derive(Debug)]
pub enum Opened {
    /// The lab, and what lasts of it.
    Lab(Box<Lasting>),
    /// A stack behind AWS's APIs.
    #[cfg(feature = "aws")]
    Aws(Box<Aws>),
}

/// What a world is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// To look.
    Looking,
    /// To change something. On AWS it is said first whose account, which region and
    /// which stack that is.
    Acting,
}

/// Does something in the world that a [`Place`](crate::target::Target) opens, and
/// leaves it in order whatever comes of it.
macro_rules! on {
    ($place:expr, $world:ident => $act:expr) => {
        match $place.open($crate::target::open::For::Acting).await? {
            $crate::target::open::Opened::Lab(lasting) => {
                let $world = &lasting.world;
                $crate::terminal::hold();
                let done = async { $act }.await;
                $crate::target::open::left(done, lasting.close())
            }
            #[cfg(feature = "aws")]
            $crate::target::open::Opened::Aws(world) => {
                let $world = &*world;
                async { $act }.await
            }
        }
    };
}
pub(crate) use on;

/// The same for what only looks: a look that finds nothing leaves no trace in a
/// lab, and moves its clock nowhere.
macro_rules! look_on {
    ($place:expr, $world:ident => $act:expr) => {
        match $place.open($crate::target::open::For::Looking).await? {
            $crate::target::open::Opened::Lab(lasting) => {
                let $world = &lasting.world;
                match async { $act }.await {
                    Ok(exit) => $crate::target::open::left(Ok(exit), lasting.close()),
                    nothing => nothing,
                }
            }
            #[cfg(feature = "aws")]
            $crate::target::open::Opened::Aws(world) => {
                let $world = &*world;
                async { $act }.await
            }
        }
    };
}
pub(crate) use look_on;

/// What a command comes to that did as `done` says and left the lab as `closed` says.
pub(crate) fn left(done: Outcome<Exit>, closed: Outcome<()>) -> Outcome<Exit> {
    let told = terminal::release(closed.is_ok());
    match (done, closed) {
        (Err(problem), Err(unwritten)) => {
            terminal::tell(&unwritten.to_string());
            Err(problem)
        }
        (Ok(_), Err(unwritten)) => Err(unwritten),
        (done, Ok(())) => told.and(done),
    }
}
