//! The world that the command line names, opened: the one place that knows how
//! many kinds there are.

use crate::exit::{Exit, Outcome};
use crate::terminal;
use crate::world::aws::Aws;
use crate::world::lab::kept::Kept;

/// An opened world.
#[derive(Debug)]
pub enum Opened {
    /// The lab, and what lasts of it.
    Lab(Box<Kept>),
    /// A stack behind AWS's APIs.
    Aws(Box<Aws>),
}

/// Does something in the world that a [`Place`](crate::stack::Place) opens, and
/// leaves it in order whatever comes of it.
macro_rules! on {
    ($place:expr, $world:ident => $act:expr) => {
        match $place.open().await? {
            $crate::opened::Opened::Lab(kept) => {
                let $world = &kept.world;
                let done = async { $act }.await;
                $crate::opened::left(done, kept.close())
            }
            $crate::opened::Opened::Aws(world) => {
                let $world = &*world;
                async { $act }.await
            }
        }
    };
}
pub(crate) use on;

/// What a command comes to that did as `done` says and left the lab as `closed` says.
pub(crate) fn left(done: Outcome<Exit>, closed: Outcome<()>) -> Outcome<Exit> {
    match (done, closed) {
        (Err(problem), Err(unwritten)) => {
            terminal::tell(&unwritten.to_string());
            Err(problem)
        }
        (Ok(_), Err(unwritten)) => Err(unwritten),
        (done, Ok(())) => done,
    }
}
