//! The inventory service on real wires.

use duet_core::SystemClock;
use duet_edge::lambda::{Edge, Error};
use duet_inventory::Inventory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let inventory = Inventory::new(edge.table("DUET_TABLE")?, SystemClock);
    edge.run(inventory).await
}
