//! `duet top`: one live screen of a target.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::Args;
use duet_core::OrderId;

use crate::ops::dlq;
use crate::ops::redrive::{self, Which};
use crate::ops::top::{self, Look};
use crate::ops::{repair, show};
use crate::target::Target;
use crate::target::open::{look_on, on};
use crate::terminal;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::global::Global;
use crate::terminal::report::{Format, Report, print};
use crate::terminal::screen::{Key, Page, Screen};
use crate::terminal::times::{seconds, span};

/// `duet top`.
#[derive(Debug, Args)]
pub struct Top {
    /// How often to look.
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = seconds)]
    pub every: i64,
    /// Look once, print what is seen, and end; so it is too where there is no terminal, and with --output json.
    #[arg(long)]
    pub once: bool,
}

/// The keys that there are.
const KEYS: &str = "q leave  ↑↓ choose  ⏎ show  r repair  d redrive dead letters  e executions";

/// How long one repair may take, in seconds.
const WITHIN: u64 = 60;
/// Dead letters sent back a second.
const RATE: u32 = 10;
/// Failed executions of so long are taken up again, in seconds.
const SINCE: i64 = 24 * 60 * 60;

/// Looks once, or goes on until somebody leaves.
pub(super) async fn run(global: &Global, args: &Top) -> Outcome<Exit> {
    let target = Target::new(global)?;
    let is_live = terminal::terminals()[0] && std::io::stdin().is_terminal();
    if args.once || !is_live || global.output != Format::Text {
        return look_on!(target, world => print(&top::look(world, target.name()).await?, global.output));
    }
    let mut seen = Seen {
        look: see(&target).await?,
        chosen: 0,
        shown: None,
        said: KEYS.to_owned(),
    };
    let mut screen = Screen::enter()?;
    let every = Duration::from_secs(args.every.unsigned_abs().max(1));
    let mut looked = Instant::now();
    loop {
        screen.draw(&seen.page())?;
        let key = screen.key(every.saturating_sub(looked.elapsed()))?;
        match key {
            Some(Key::Quit) => return Ok(Exit::Done),
            Some(key) => seen.press(key, &target).await,
            None => {}
        }
        if looked.elapsed() >= every || matches!(key, Some(Key::Letter(_))) {
            // A target that does not answer once may do so the next time.
            match see(&target).await {
                Ok(look) => seen.look = look,
                Err(problem) => seen.said = problem.message().to_owned(),
            }
            looked = Instant::now();
        }
    }
}

/// What is there, without a trace of looking.
async fn see(target: &Target) -> Outcome<Look> {
    let mut look = Look::default();
    let seen = look_on!(target, world => {
        look = top::look(world, target.name()).await?;
        Ok(Exit::Done)
    });
    seen.map(|_| look)
}

/// What the screen shows.
struct Seen {
    look: Look,
    chosen: usize,
    /// An order, looked at closely.
    shown: Option<String>,
    said: String,
}

impl Seen {
    fn page(&self) -> Page {
        let look = &self.look;
        let title = format!("stack {}  {:.0}", look.stack, look.now);
        if let Some(shown) = &self.shown {
            return Page {
                title,
                body: shown.lines().map(str::to_owned).collect(),
                foot: "esc back  q leave".to_owned(),
                ..Page::default()
            };
        }
        let mut head: Vec<String> = Vec::new();
        for (variant, of) in &look.orders {
            head.push(format!(
                "{variant:<14} {:>5} undecided {:>6} confirmed {:>6} rejected {:>5} unsettled",
                of.undecided, of.confirmed, of.rejected, of.unsettled
            ));
        }
        head.extend(look.beside());
        let waiting = look.waiting.iter().map(|order| {
            format!(
                "{:>12}  {}  {}: {}",
                span(order.age_seconds),
                order.order,
                order.variant,
                order.waits_for.as_deref().unwrap_or_default()
            )
        });
        let body: Vec<String> = waiting.collect();
        let chosen = body.len().checked_sub(1).map(|last| self.chosen.min(last));
        Page {
            title,
            head,
            chosen,
            body: match chosen {
                Some(_) => body,
                None => vec!["no order waits for anything".to_owned()],
            },
            foot: self.said.clone(),
        }
    }

    fn order(&self) -> Option<OrderId> {
        let last = self.look.waiting.len().checked_sub(1)?;
        let row = self.look.waiting.get(self.chosen.min(last))?;
        row.order.parse().ok()
    }

    /// Does what `key` asks for.
    async fn press(&mut self, key: Key, target: &Target) {
        self.said = KEYS.to_owned();
        match key {
            Key::Up => self.chosen = self.chosen.saturating_sub(1),
            Key::Down => {
                let last = self.look.waiting.len().saturating_sub(1);
                self.chosen = (self.chosen + 1).min(last);
            }
            Key::Back => self.shown = None,
            Key::Enter => match self.order() {
                None => {}
                Some(order) => match shown(target, &order).await {
                    Ok(text) => self.shown = Some(text),
                    Err(problem) => self.said = problem.message().to_owned(),
                },
            },
            Key::Letter(letter) => {
                let done = act(target, letter, self.order()).await;
                if let Some(said) = done.transpose() {
                    self.said = said.unwrap_or_else(|problem| problem.message().to_owned());
                }
            }
            Key::Quit => {}
        }
    }
}

/// An order, as `duet show` prints it.
async fn shown(target: &Target, order: &OrderId) -> Outcome<String> {
    let mut text = String::new();
    let seen = look_on!(target, world => {
        text = show::show(world, order.as_str()).await?.text();
        Ok(Exit::Done)
    });
    seen.map(|_| text)
}

/// What the key `letter` does, told in a line; `None` when it does nothing.
async fn act(target: &Target, letter: char, order: Option<OrderId>) -> Outcome<Option<String>> {
    let mut said = String::new();
    let done = match (letter, order) {
        ('r', None) => Err(Problem::failed("there is no order to repair")),
        ('r', Some(order)) => on!(target, world => {
            said = repair::repair(world, &order, WITHIN).await?.text();
            Ok(Exit::Done)
        }),
        ('d', _) => on!(target, world => {
            let sent = dlq::redrive(world, &dlq::Filter::default(), false, RATE).await?;
            said = format!("{} dead letters sent back, {} stay", sent.redriven.len(), sent.kept.len());
            Ok(Exit::Done)
        }),
        ('e', _) => on!(target, world => {
            let since = Which::Since(SINCE);
            let taken = redrive::run(world, &since, false).await?.executions;
            let again = taken.iter().filter(|one| one.instead.is_none()).count();
            said = format!("{again} of {} failed executions taken up again", taken.len());
            Ok(Exit::Done)
        }),
        _ => return Ok(None),
    };
    done.map(|_| Some(said.replace('\n', "; ")))
}
