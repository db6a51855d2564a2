//! The journal on real wires.

use duet_core::SystemClock;
use duet_edge::lambda::{Edge, Error};
use duet_journal::Journal;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let edge = Edge::start()?;
    let journal = Journal::new(
        edge.table("DUET_TABLE")?,
        SystemClock,
        edge.setting("DUET_JOURNAL_DAYS")?,
    );
    edge.run(journal).await
}
