//! The order service on real wires.

use duet_edge::lambda::{Edge, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?.with_scheduler()?.with_workflows();
    let service = duet_order::build(&edge)?;
    edge.run(service).await
}
