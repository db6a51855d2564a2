//! The journal on real wires.

use duet_edge::lambda::{Edge, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let service = duet_journal::build(&edge)?;
    edge.run(service).await
}
