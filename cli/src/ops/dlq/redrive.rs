//! Sending dead letters back where they were going, and seeing whether they stay.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Filter, HOLD_SECONDS, Letter, Likeness, MOVE_SECONDS};
use crate::terminal::exit::Outcome;
use crate::terminal::progress::Progress;
use crate::world::port::operate::{Held, Operate};

/// How long the first letter of a cause is watched for coming back dead before
/// others like it follow. What nobody can read returns at once; what waits
/// between tries takes longer, so the watch goes on while the others are sent.
const PROBATION_SECONDS: u32 = 6;

/// What a redrive did.
#[derive(Debug, Serialize)]
pub struct Redrive {
    /// Whether nothing was moved, only counted.
    pub dry_run: bool,
    /// What was sent home, or would be.
    pub redriven: Vec<Letter>,
    /// What stays, and why.
    pub kept: Vec<Kept>,
}

/// A letter that stays.
#[derive(Debug, Serialize)]
pub struct Kept {
    /// Which.
    #[serde(flatten)]
    pub letter: Letter,
    /// Why.
    pub why: String,
}

/// Sends the letters that `filter` takes back where they were going, at most
/// `rate` a second. The first of those that died alike goes alone; if it comes
/// back, or any of the others while they are being sent, the rest stay.
///
/// # Errors
/// [`Problem`](crate::terminal::exit::Problem) when the target does not answer; what
/// was not moved is where it was.
pub async fn redrive<W: Operate>(
    world: &W,
    filter: &Filter,
    dry_run: bool,
    rate: u32,
) -> Outcome<Redrive> {
    filter.check(world)?;
    let mut going = Going {
        world,
        filter,
        homes: world.homes(),
        rate: rate.max(1),
        report: Redrive {
            dry_run,
            redriven: Vec::new(),
            kept: Vec::new(),
        },
        tried: BTreeSet::new(),
        hopeless: BTreeSet::new(),
    };
    for queue in world.dead_letter_queues() {
        going.send_home(&queue).await?;
    }
    Ok(going.report)
}

/// A redrive under way.
struct Going<'a, W> {
    world: &'a W,
    filter: &'a Filter,
    homes: BTreeMap<String, String>,
    /// Letters a second.
    rate: u32,
    report: Redrive,
    /// What those that were sent have in common with others.
    tried: BTreeSet<Likeness>,
    /// The same of those that came back.
    hopeless: BTreeSet<Likeness>,
}

impl<W: Operate> Going<'_, W> {
    /// Sends the letters of `queue` home that are to go.
    async fn send_home(&mut self, queue: &str) -> Outcome<()> {
        let world = self.world;
        let (mine, before) = self.pick(queue).await?;
        let mut sent = Sent {
            letters: Vec::new(),
            before,
        };
        let began = world.now();
        let mut looked = began;
        let progress = Progress::new("letters", mine.len() as u64);
        for (held, mut letter) in mine {
            progress.step();
            let late = world.now().duration_since(began).as_secs() > i64::from(MOVE_SECONDS / 2);
            if let Some(why) = self.forward(&held, &mut letter, late).await {
                world.release(&[held]).await?;
                self.report.kept.push(Kept { letter, why });
                continue;
            }
            let looks = if self.tried.insert(letter.likeness()) {
                PROBATION_SECONDS
            } else {
                u32::from(world.now().duration_since(looked).as_secs() >= 1)
            };
            sent.letters.push((held.body, letter));
            for _ in 0..looks {
                if looks > 1 {
                    world.pause(1_000).await;
                }
                looked = world.now();
                let back = sent.back(world, queue).await?;
                let alike = back.iter().map(|kept| kept.letter.likeness());
                self.hopeless.extend(alike);
                self.report.kept.extend(back);
                if sent.letters.is_empty() {
                    break;
                }
            }
            world.pause(1_000 / u64::from(self.rate)).await;
        }
        // The last ones get a moment, too.
        if world.now().duration_since(looked).as_millis() > 0 && !sent.letters.is_empty() {
            world.pause(1_000).await;
            self.report.kept.extend(sent.back(world, queue).await?);
        }
        let gone = sent.letters.into_iter().map(|(_, letter)| letter);
        self.report.redriven.extend(gone);
        Ok(())
    }

    /// Holds what is to go of `queue`, which is nothing in a dry run; gives the ids of all that
    /// lay there, too.
    async fn pick(&mut self, queue: &str) -> Outcome<(Vec<(Held, Letter)>, BTreeSet<String>)> {
        let mut mine = Vec::new();
        let mut others = Vec::new();
        let mut before = BTreeSet::new();
        for held in self.world.hold(queue, MOVE_SECONDS).await? {
            before.insert(held.id.clone());
            let letter = Letter::of(&held, &self.homes, self.world.now());
            if self.filter.takes(&letter) && !self.report.dry_run {
                mine.push((held, letter));
                continue;
            }
            others.push(held);
            match letter.homeless() {
                _ if !self.filter.takes(&letter) => {}
                Some(why) => self.report.kept.push(Kept { letter, why }),
                None => self.report.redriven.push(letter),
            }
        }
        self.world.release(&others).await?;
        Ok((mine, before))
    }

    /// Sends a letter home; gives why it stays, if it does.
    async fn forward(&self, held: &Held, letter: &mut Letter, late: bool) -> Option<String> {
        match &letter.home {
            None => letter.homeless(),
            Some(_) if self.hopeless.contains(&letter.likeness()) => {
                Some(format!("one that died alike came back: {}", letter.cause))
            }
            Some(_) if late => Some("not its turn yet: run the command again".to_owned()),
            // What stays is seen again at once, not when the hold runs out.
            Some(home) => match self.world.forward(held, home).await {
                // From here on it is known by the id that it has there.
                Ok(id) => {
                    letter.id = id;
                    None
                }
                Err(problem) => Some(problem.to_string()),
            },
        }
    }
}

/// What was sent home from one dead-letter queue and has not come back.
struct Sent {
    /// Its text, and what it was.
    letters: Vec<(String, Letter)>,
    /// The ids that lay in the queue before. A message that comes back has an id
    /// of its own, however much its text is like another's.
    before: BTreeSet<String>,
}

impl Sent {
    /// Takes out what lies in `queue` again: a new message with the same text.
    async fn back<W: Operate>(&mut self, world: &W, queue: &str) -> Outcome<Vec<Kept>> {
        let mut back = Vec::new();
        let all = world.hold(queue, HOLD_SECONDS).await?;
        for held in &all {
            let same = |(body, _): &(String, Letter)| *body == held.body;
            let at = self.letters.iter().position(same);
            if let Some(at) = at.filter(|_| !self.before.contains(&held.id)) {
                let (_, letter) = self.letters.remove(at);
                let why = format!("it came back: {}", letter.cause);
                back.push(Kept { letter, why });
            }
        }
        world.release(&all).await?;
        Ok(back)
    }
}
