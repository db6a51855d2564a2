//! A lab is a shop that can be brought to other parameters while it runs.

use duet_core::Timestamp;
use duet_lab::Update;

use crate::ops::rollout::{Shop, There};
use crate::shop::parameters::Parameters;
use crate::terminal::exit::Outcome;
use crate::world::World;
use crate::world::lab::Lab;

impl Shop for Lab {
    type World = Self;
    type Done = Update;
    /// What is not named has the template's default.
    const KEEPS: bool = false;

    async fn there(&self) -> Outcome<Option<There>> {
        Ok(Some(There {
            parameters: self.with(|lab| lab.parameters().clone()),
            fraud: self.deployment().fraud,
            since: self.with(|lab| lab.updated()).unwrap_or(Timestamp::MIN),
        }))
    }

    async fn world(&self) -> Outcome<Self> {
        Ok(self.clone())
    }

    async fn update(&self, parameters: &Parameters) -> Outcome<Update> {
        let update = Self::update(self, parameters)?;
        let left = update.complete.duration_since(self.now()).as_millis();
        self.pause(u64::try_from(left).unwrap_or(0)).await;
        Ok(update)
    }
}
