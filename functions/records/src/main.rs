//! The sweep of kept outcomes on real wires: see [`duet_edge::records`].

use duet_edge::lambda::{Edge, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Edge::start()?.records().await
}
