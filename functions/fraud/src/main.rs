//! The fraud service on real wires.

use duet_core::SystemClock;
use duet_edge::lambda::{Edge, Error};
use duet_fraud::Frauds;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?.with_scheduler()?.with_workflows();
    let review_seconds = edge.setting("DUET_REVIEW_SECONDS")?;
    let frauds = Frauds::new(
        edge.table("DUET_TABLE")?,
        SystemClock,
        review_seconds,
        edge.setting("DUET_AWAITS_CLEARANCE")?,
    );
    edge.run(frauds).await
}
