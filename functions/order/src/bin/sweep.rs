//! The order service's sweep on real wires: see [`duet_order::sweep`].
//!
//! A binary of its own, because it needs clients that the service does not, and
//! needs less of the environment.

use duet_core::SystemClock;
use duet_edge::dynamo::Dynamo;
use duet_edge::lambda::{Edge, Error};
use duet_order::Orders;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Edge::start()?.sweep::<Orders<Dynamo, SystemClock>>().await
}
