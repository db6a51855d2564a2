//! Waiting until something holds: the one loop that looks, and looks again.

use crate::terminal::exit::Outcome;
use crate::terminal::progress::Progress;
use crate::world::World;

/// The first and the longest time between two looks, in milliseconds.
const LOOK_EVERY: (u64, u64) = (200, 10_000);

/// A pause is so many percent of the time that has passed, so nothing is noticed
/// later than by that, once the first pauses are over.
const LATE: u64 = 5;

/// Looks until `look` finds what it looks for (`Ok`), or `within` seconds are over.
/// Gives what the last look found, or how it stood then (`Err`).
///
/// It looks often at first and then more seldom, so that what comes soon is
/// noticed soon, and what takes hours costs few looks.
///
/// # Errors
/// What `look` ends with.
pub(crate) async fn until<W: World, T, E>(
    world: &W,
    within: u64,
    mut look: impl AsyncFnMut() -> Outcome<Result<T, E>>,
) -> Outcome<Result<T, E>> {
    let began = world.now();
    let _shown = (!world.is_virtual()).then(|| Progress::waiting("waiting"));
    loop {
        let found = look().await?;
        let passed = world.now().duration_since(began);
        let is_over = passed.as_secs() >= i64::try_from(within).unwrap_or(i64::MAX);
        if found.is_ok() || is_over {
            return Ok(found);
        }
        let passed = u64::try_from(passed.as_millis()).unwrap_or(0);
        let (first, longest) = LOOK_EVERY;
        world
            .pause((passed * LATE / 100).clamp(first, longest))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::world::lab::{Lab, definitions};

    #[tokio::test]
    async fn what_comes_late_costs_few_looks_and_what_never_comes_has_an_end() {
        let definitions = definitions(&BTreeMap::new()).unwrap();
        let world = Lab::new(&definitions, duet_lab::Config::default()).unwrap();
        let began = world.now();
        let after = |seconds: i64| world.now().duration_since(began).as_secs() >= seconds;

        let mut looks = 0;
        let found = until(&world, 3_600, async || {
            looks += 1;
            Ok(if after(600) { Ok("there") } else { Err(looks) })
        });
        assert_eq!(found.await.unwrap(), Ok("there"));
        let late = world.now().duration_since(began).as_secs() - 600;
        assert!((0..=10).contains(&late), "noticed {late} s late");
        assert!(looks < 150, "{looks} looks");

        let began = world.now();
        let never = until(&world, 30, async || Ok(Err::<(), _>("not yet"))).await;
        assert_eq!(never.unwrap(), Err("not yet"));
        let passed = world.now().duration_since(began).as_secs();
        assert!((30..=32).contains(&passed), "gave up after {passed} s");
    }
}
