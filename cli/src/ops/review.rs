//! People in the loop: the reviews that wait for a person, and what a person
//! decides. Reads the fraud service's documents and brings it the decision;
//! which style an order runs under is not known here.

use duet_core::OrderId;
use duet_core::store::Store;
use duet_fraud::Command;
use duet_fraud::command::{DecideReview, Verdict};
use duet_fraud::review::{OPEN, Review, Status};
use duet_order::domain::Fate;
use serde::Serialize;

use crate::ops::actions::Signed;
use crate::ops::wait::until;
use crate::ops::{orders, place};
use crate::shop::message;
use crate::shop::services::TableOf;
use crate::terminal::exit::{Exit, Outcome, Problem};
use crate::terminal::inline;
use crate::terminal::report::Report;
use crate::terminal::table::{self, table};
use crate::terminal::times::span;
use crate::world::{Commanded, World};

/// How fraud stands on order `id`.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn find<W: World>(world: &W, id: &str) -> Outcome<Option<Review>> {
    let found = world
        .table(TableOf::Fraud)
        .load(&[duet_fraud::review_key(id)])
        .await?
        .pop()
        .flatten();
    Ok(found.map(|item| item.read()).transpose()?)
}

/// A review as a reviewer sees it: no names, no addresses, no token.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which order.
    pub order: String,
    /// The variant it runs under.
    pub variant: String,
    /// How the review stands.
    pub status: Status,
    /// The sum of the rules that tripped.
    pub score: u32,
    /// Their names.
    pub reasons: Vec<String>,
    /// Whose order.
    pub customer: Option<String>,
    /// What it costs.
    pub total: Option<String>,
    /// When the review was opened.
    pub opened_at: Option<duet_core::Timestamp>,
    /// When it closes by itself.
    pub due: Option<duet_core::Timestamp>,
    /// When it ended.
    pub closed_at: Option<duet_core::Timestamp>,
    /// The reviewer's note.
    pub note: Option<String>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Seconds left to decide; negative when the time is over.
    pub seconds_left: Option<i64>,
}

impl Row {
    fn of(review: Review, now: duet_core::Timestamp) -> Self {
        let open = review.status == Status::Open;
        let left = review.due.filter(|_| open);
        Self {
            order: review.order.to_string(),
            variant: review.variant,
            status: review.status,
            score: review.score,
            reasons: review.reasons,
            customer: review.customer.map(|id| id.to_string()),
            total: review.total.map(|total| total.to_string()),
            opened_at: review.opened_at,
            due: review.due,
            closed_at: review.closed_at,
            note: review.note,
            by: review.by,
            seconds_left: left.map(|due| due.duration_since(now).as_secs()),
        }
    }
}

/// Reviews, the most urgent first.
#[derive(Debug, Serialize)]
pub struct Reviews {
    /// One row each.
    pub reviews: Vec<Row>,
}

/// The reviews that wait for a person; with `all`, those that ended too.
/// Orders that needed no review are never among them.
///
/// # Errors
/// [`Problem`] when the table does not answer.
pub async fn list<W: World>(world: &W, all: bool) -> Outcome<Reviews> {
    let now = world.now();
    let reviews: Vec<Review> = match all {
        true => orders::documents(world, TableOf::Fraud, "review").await?,
        false => orders::indexed(world, TableOf::Fraud, &[OPEN]).await?,
    };
    let mut rows: Vec<Row> = reviews
        .into_iter()
        .filter(|review| review.status == Status::Open || all && review.opened_at.is_some())
        .map(|review| Row::of(review, now))
        .collect();
    rows.sort_by(|a, b| (a.closed_at, a.due, &a.order).cmp(&(b.closed_at, b.due, &b.order)));
    Ok(Reviews { reviews: rows })
}

/// One review.
///
/// # Errors
/// [`Problem`] when the order was not screened.
pub async fn show<W: World>(world: &W, order: &OrderId) -> Outcome<Row> {
    match find(world, order.as_str()).await? {
        Some(review) => Ok(Row::of(review, world.now())),
        None => Err(Problem::failed(format!("order {order} was not screened"))
            .hint("an order just placed may take a moment; `duet review list` shows what waits")),
    }
}

/// Why the review of an order cannot be decided, if so.
fn refusal(order: &OrderId, review: &Review) -> Option<String> {
    let at = review
        .closed_at
        .map_or(String::new(), |at| format!(" at {at}"));
    Some(match review.status {
        Status::Open => return None,
        Status::Clear => format!("order {order} needs no review: the screening cleared it"),
        Status::Blocked => {
            format!("order {order} was refused by the screening itself; no person decides it")
        }
        Status::Approved | Status::Rejected => {
            format!(
                "the review of order {order} was decided before{at}: {}",
                review.status
            )
        }
        Status::TimedOut => format!("too late: the review of order {order} closed by itself{at}"),
        Status::Closed => format!("order {order} was rejected for another reason{at}"),
    })
}

/// A decision that took effect.
#[derive(Debug, Serialize)]
pub struct Decided {
    /// How the review ended.
    #[serde(flatten)]
    pub review: Row,
}

/// Brings a person's decision, `signed` by them, to the fraud service and waits, at
/// most `within` seconds, until the review has ended.
///
/// # Errors
/// [`Problem`] with the reason when the decision is not wanted, comes late, was
/// overtaken by another one, or did not take effect in time.
pub async fn decide<W: World>(
    world: &W,
    order: &OrderId,
    verdict: Verdict,
    signed: Option<&Signed>,
    within: u64,
) -> Outcome<Decided> {
    let review = find(world, order.as_str()).await?.ok_or_else(|| {
        Problem::failed(format!("order {order} was not screened"))
            .hint("is the order on this target and stack? `duet review list` shows what waits")
    })?;
    if let Some(why) = refusal(order, &review) {
        return Err(Problem::failed(why));
    }
    if let Some(there) = place::find(world, order.as_str()).await?
        && there.fate != Fate::Undecided
    {
        let how = place::word(&there.standing());
        return Err(Problem::failed(format!("order {order} has ended: {how}")));
    }
    let variant = world.variant(&review.variant)?;
    let command = Command::from(DecideReview {
        order: order.clone(),
        verdict,
        note: signed.and_then(|signed| signed.note.clone()),
        by: signed.map(|signed| signed.by.clone()),
    });
    let message = message::command(&command, order.as_str(), variant.name, world.now());
    // What fails in passing is asked again: the same decision is decided once, and
    // is told again to those who have not heard.
    let answer = until(world, within, async || {
        let answer = world.command(variant, TableOf::Fraud, &message).await?;
        Ok(match answer.may_be_asked_again() {
            true => Err(answer),
            false => Ok(answer),
        })
    });
    let answer = answer.await?;
    let passing = answer.is_err();
    if let Ok(Commanded::Refused { name, text }) | Err(Commanded::Refused { name, text }) = answer {
        let refused = Problem::failed(format!("the fraud service refused: {name} {text}"));
        return Err(match passing {
            true => refused.hint("sending the same decision again is safe"),
            false => refused,
        });
    }
    let ended = until(world, within, async || {
        Ok(match find(world, order.as_str()).await? {
            Some(review) if review.status != Status::Open => Ok(review),
            _ => Err(()),
        })
    });
    let ended = ended.await?.map_err(|()| {
        Problem::failed(format!(
            "the decision on order {order} was sent, but has taken no effect after {within} s"
        ))
        .hint("`duet dlq list` tells whether it lies dead; sending the same decision again is safe")
    })?;
    let wanted = match verdict {
        Verdict::Approve => Status::Approved,
        Verdict::Reject => Status::Rejected,
    };
    let said = |of: fn(&Signed) -> Option<&String>| signed.and_then(of);
    let same = ended.note.as_ref() == said(|signed| signed.note.as_ref())
        && ended.by.as_ref() == said(|signed| Some(&signed.by));
    if ended.status == wanted && same {
        return Ok(Decided {
            review: Row::of(ended, world.now()),
        });
    }
    // Somebody was quicker, or the clock was.
    Err(Problem::failed(refusal(order, &ended).unwrap_or_default()))
}

/// What became of several decisions.
#[derive(Debug, Serialize)]
pub struct AllDecided {
    /// Those that took effect.
    pub decided: Vec<Decided>,
    /// Those that did not, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// A decision that did not take effect.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// On which order.
    pub order: String,
    /// Why not.
    pub error: String,
}

/// Brings the same decision on several orders; one that is refused keeps nobody
/// else from theirs.
///
/// # Errors
/// [`Problem`] when the target does not answer.
pub async fn decide_each<W: World>(
    world: &W,
    orders: &[OrderId],
    verdict: Verdict,
    signed: Option<&Signed>,
    within: u64,
) -> Outcome<AllDecided> {
    let mut all = AllDecided {
        decided: Vec::new(),
        refused: Vec::new(),
    };
    for order in orders {
        match decide(world, order, verdict, signed, within).await {
            Ok(decided) => all.decided.push(decided),
            Err(problem) if problem.exit == Exit::Failed => all.refused.push(Refused {
                order: order.to_string(),
                error: problem.message().to_owned(),
            }),
            Err(problem) => return Err(problem),
        }
    }
    Ok(all)
}

impl Report for AllDecided {
    fn text(&self) -> String {
        let decided = self.decided.iter().map(Report::text);
        let refused = self.refused.iter();
        let refused = refused.map(|one| format!("{}  not decided: {}", one.order, one.error));
        decided.chain(refused).collect::<Vec<_>>().join("\n")
    }

    fn exit(&self) -> Exit {
        match self.refused.is_empty() {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

impl Report for Reviews {
    fn text(&self) -> String {
        if self.reviews.is_empty() {
            return "no review waits for a person".to_owned();
        }
        let mut rows = table([
            table::word("ORDER"),
            table::word("VARIANT").gives_way(2),
            table::word("STATUS").states().gives_way(1),
            table::number("SCORE").gives_way(3),
            table::prose("REASONS").gives_way(3),
            table::number("TOTAL"),
            table::number("LEFT"),
        ]);
        for review in &self.reviews {
            let left = review.seconds_left.map_or(String::new(), span);
            rows.add_row([
                review.order.clone(),
                review.variant.clone(),
                review.status.to_string(),
                review.score.to_string(),
                review.reasons.join(", "),
                review.total.clone().unwrap_or_default(),
                left,
            ]);
        }
        rows.text()
    }
}

impl Report for Row {
    fn text(&self) -> String {
        let mut lines = vec![
            format!("{}  {} under {}", self.order, self.status, self.variant),
            format!("score {}: {}", self.score, self.reasons.join(", ")),
        ];
        if let (Some(customer), Some(total)) = (&self.customer, &self.total) {
            lines.push(format!("customer {customer}, total {total}"));
        }
        if let (Some(due), Some(left)) = (self.due, self.seconds_left) {
            lines.push(format!("closes by itself at {due}, in {}", span(left)));
        }
        if let Some(at) = self.closed_at {
            let by = self.by.as_deref().map(|by| format!(", by {}", inline(by)));
            lines.push(format!("ended at {at}{}", by.unwrap_or_default()));
        }
        if let Some(note) = &self.note {
            lines.push(format!("note: {}", inline(note)));
        }
        lines.join("\n")
    }
}

impl Report for Decided {
    fn text(&self) -> String {
        format!(
            "{}  {}; `duet watch {0}` follows the order",
            self.review.order, self.review.status
        )
    }

    fn exit(&self) -> Exit {
        Exit::Done
    }
}
