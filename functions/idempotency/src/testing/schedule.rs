//! Everything at once, in an order that is data.

use std::pin::Pin;
use std::task::{Poll, Waker};

use super::{Delivery, HandClock, RUN_SECONDS};

/// Rounds of redelivery after the schedule, before giving a message up.
const ROUNDS: usize = 200;

/// One turn of a schedule. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Deliver a message.
    Deliver(usize),
    /// Let a delivery under way go on to its next pause.
    Step(usize),
    /// Kill a delivery under way.
    Kill(usize),
    /// Let seconds pass.
    Wait(u32),
}

impl From<u8> for Turn {
    fn from(byte: u8) -> Self {
        let number = byte >> 3;
        match byte & 7 {
            0 => Self::Deliver(number.into()),
            1..=5 => Self::Step(number.into()),
            6 => Self::Kill(number.into()),
            _ => Self::Wait(u32::from(number) + 1),
        }
    }
}

type Running<O, E> = Pin<Box<dyn Future<Output = Result<O, E>>>>;

struct UnderWay<O, E> {
    delivery: Delivery,
    run: Running<O, E>,
}

struct Play<'a, H, O, E> {
    handle: H,
    clock: &'a HandClock,
    ids: &'a [&'a str],
    budget: u32,
    receives: Vec<u32>,
    acknowledged: Vec<Vec<O>>,
    under_way: Vec<UnderWay<O, E>>,
}

/// Delivers messages, one for each of `ids`, to `handle` as the turns say: at once
/// and more than once, one pause at a time, killed between any two. Each byte is a
/// [`Turn`]. Then every message that was not acknowledged is delivered until it is,
/// as a queue would, and each once more. From its `budget`-th delivery on a message is
/// on its last attempt.
///
/// `handle` acknowledges with `Ok`; with `Err` the message comes again. Gives every
/// acknowledged outcome, per message, the repeats included. What it stands on has to
/// pause: see [`Stepwise`](super::Stepwise).
///
/// # Errors
/// The last error of a message that was never acknowledged.
pub fn schedule<O, E, F>(
    clock: &HandClock,
    ids: &[&str],
    budget: u32,
    turns: &[u8],
    handle: impl Fn(Delivery) -> F,
) -> Result<Vec<Vec<O>>, E>
where
    F: Future<Output = Result<O, E>> + 'static,
{
    let mut play = Play {
        handle,
        clock,
        ids,
        budget,
        receives: vec![0; ids.len()],
        acknowledged: ids.iter().map(|_| Vec::new()).collect(),
        under_way: Vec::new(),
    };
    for &byte in turns {
        play.turn(byte.into());
    }
    while let Some(at) = play.under_way.len().checked_sub(1) {
        let _ = play.step(at);
    }
    for message in 0..ids.len() {
        let mut error = None;
        for _ in 0..ROUNDS {
            if !play.acknowledged[message].is_empty() {
                break;
            }
            clock.advance(RUN_SECONDS + 1);
            error = play.whole(message);
        }
        if let (true, Some(error)) = (play.acknowledged[message].is_empty(), error) {
            return Err(error);
        }
    }
    for message in 0..ids.len() {
        if let Some(error) = play.whole(message) {
            return Err(error);
        }
    }
    Ok(play.acknowledged)
}

impl<H, F, O, E> Play<'_, H, O, E>
where
    H: Fn(Delivery) -> F,
    F: Future<Output = Result<O, E>> + 'static,
{
    fn turn(&mut self, turn: Turn) {
        let running = self.under_way.len();
        match turn {
            Turn::Deliver(_) if self.ids.is_empty() => {}
            Turn::Deliver(number) => self.deliver(number % self.ids.len()),
            Turn::Step(number) if running > 0 => drop(self.step(number % running)),
            Turn::Kill(number) if running > 0 => drop(self.under_way.remove(number % running)),
            Turn::Step(_) | Turn::Kill(_) => {}
            Turn::Wait(seconds) => {
                self.clock.advance(seconds);
                // Whoever runs a handler stops it at its deadline.
                let now = self.clock.now();
                self.under_way.retain(|it| now < it.delivery.until);
            }
        }
    }

    fn deliver(&mut self, message: usize) {
        self.receives[message] += 1;
        let delivery = Delivery {
            message,
            id: self.ids[message].to_owned(),
            until: self.clock.deadline(),
            last: self.receives[message] >= self.budget,
        };
        let run = Box::pin((self.handle)(delivery.clone()));
        self.under_way.push(UnderWay { delivery, run });
    }

    /// Takes one step; gives the error of a delivery that ended in one.
    fn step(&mut self, at: usize) -> Option<E> {
        let UnderWay { delivery, run } = &mut self.under_way[at];
        let message = delivery.message;
        let mut waker = std::task::Context::from_waker(Waker::noop());
        let Poll::Ready(outcome) = run.as_mut().poll(&mut waker) else {
            return None;
        };
        drop(self.under_way.remove(at));
        match outcome {
            Ok(outcome) => {
                self.acknowledged[message].push(outcome);
                None
            }
            Err(error) => Some(error),
        }
    }

    /// Delivers `message` and runs it to its end.
    fn whole(&mut self, message: usize) -> Option<E> {
        self.deliver(message);
        loop {
            let at = self.under_way.len() - 1;
            let error = self.step(at);
            if self.under_way.len() == at {
                return error;
            }
        }
    }
}
