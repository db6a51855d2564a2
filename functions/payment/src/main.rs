//! The payment service on real wires.

use duet_core::Environment;
use duet_edge::lambda::{Edge, Error};
use duet_payment::SimulatedProvider;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let provider = SimulatedProvider::new(edge.table("DUET_LEDGER_TABLE")?, edge.clock());
    let service = duet_payment::build(&edge, provider)?;
    edge.run(service).await
}
