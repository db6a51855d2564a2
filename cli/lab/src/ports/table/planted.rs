//! What a planted mistake makes of a table.

use duet_core::desk::is_record;
use duet_core::store::{Body, CommitError, Expect, Item, Key, Store, Write};
use serde_json::Value;

use super::{TablePort, per_delivery};
use crate::fault::Fault;
use crate::plant::Plant;
use crate::profile::Hop;
use crate::random::mix;

impl TablePort {
    /// `keys` as somebody would look for them whose records are found by what
    /// changes with each delivery; `None` where all is well.
    pub(super) fn altered(&self, keys: &[Key]) -> Option<Vec<Key>> {
        let inner = self.host.lock();
        let told = || inner.frame.step.starts_with("Notify");
        let altered = match inner.plant {
            Some(Plant::KeyPerDelivery) => !self.ledger,
            Some(Plant::StepWithoutIdempotency) => told(),
            _ => false,
        };
        altered.then(|| {
            let keys = keys.iter().cloned();
            keys.map(|key| per_delivery(key, inner.frame.ident))
                .collect()
        })
    }

    /// Takes away the locks of other runs than this one, and that they asked.
    pub(super) fn forget_locks(&self, items: &mut [Option<Item>]) {
        let own = format!("{:016x}", self.host.lock().frame.ident);
        for item in items.iter_mut().flatten() {
            let mut fields = item.body.value();
            if fields["lock"].is_object() && fields["lock"]["of"] != own.as_str() {
                fields["lock"] = Value::Null;
                fields["asked"] = false.into();
                item.body = Body::of(&fields);
            }
        }
    }

    /// Commits as somebody would who makes the mistake `plant`.
    pub(super) async fn commit_badly(
        &self,
        plant: Plant,
        mut writes: Vec<Write>,
    ) -> Result<(), CommitError> {
        let (run, call, notifies) = {
            let frame = &self.host.lock().frame;
            let call = mix(frame.ident, frame.calls);
            (frame.ident, call, frame.step.starts_with("Notify"))
        };
        match plant {
            Plant::NoDeduplication => expect_nothing(&mut writes, is_record),
            Plant::LostUpdate => expect_nothing(&mut writes, |key| !is_record(key)),
            Plant::BlindStock => writes = self.added_up(writes).await,
            Plant::DoubleCount => count_twice(&mut writes),
            Plant::RecordLater => return self.commit_in_two(writes).await,
            Plant::ConflictIsDone => {
                return match self.table.commit(writes).await {
                    Err(CommitError::Conflict) => Ok(()),
                    other => other,
                };
            }
            Plant::CommitLies if call % 40 == 0 => return Ok(()),
            Plant::NoTombstone => {
                writes.retain(|write| !is_tombstone(write));
                if writes.is_empty() {
                    return Ok(());
                }
            }
            Plant::JoinForgets => forget_reserved(&mut writes),
            Plant::KeyPerDelivery => {
                for (key, _) in puts(&mut writes) {
                    *key = per_delivery(key.clone(), run);
                }
            }
            Plant::StepWithoutIdempotency if notifies => {
                for (key, expect) in puts(&mut writes) {
                    *key = per_delivery(key.clone(), run);
                    if key.sk.starts_with("notice#") {
                        key.sk = format!("{}#{run:x}", key.sk);
                        *expect = Expect::Anything;
                    }
                }
            }
            Plant::LockEndsWithRun => lock_for(&mut writes, run),
            Plant::NoticePerDelivery => {
                for (key, expect) in puts(&mut writes) {
                    if key.sk.starts_with("notice#") {
                        key.sk = format!("{}#{call:x}", key.sk);
                        *expect = Expect::Anything;
                    } else if key.sk.starts_with("done#NotifyCustomer") {
                        key.sk = format!("{}#{call:x}", key.sk);
                    }
                }
            }
            _ => {}
        }
        self.table.commit(writes).await
    }

    /// `writes`, whose sums are formed here of what was read and not in the table.
    async fn added_up(&self, writes: Vec<Write>) -> Vec<Write> {
        let mut blind = Vec::with_capacity(writes.len());
        for write in writes {
            blind.push(match write {
                Write::Add { key, deltas } => {
                    let mut item = self
                        .table
                        .load(std::slice::from_ref(&key))
                        .await
                        .unwrap_or_default();
                    let mut body = item
                        .pop()
                        .flatten()
                        .map(|item| item.body.value())
                        .unwrap_or_default();
                    for (field, delta) in deltas {
                        body[field] = (body[field].as_i64().unwrap_or(0) + delta).into();
                    }
                    Write::put(key, &body, Expect::Anything)
                }
                put => put,
            });
        }
        blind
    }

    /// Commits the state first and the records later, if it lives to do so.
    async fn commit_in_two(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        let (records, states): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|write| is_record(write.key()));
        if !states.is_empty() {
            self.table.commit(states).await?;
        }
        self.takes(Hop::StoreWrite, 1).await;
        let dies = self.host.lock().strikes(Fault::CrashBeforeCommit);
        if dies {
            self.host.die().await;
        }
        match records.is_empty() {
            true => Ok(()),
            false => self.table.commit(records).await,
        }
    }
}

/// The items that are put: where to, and what has to stand there.
fn puts(writes: &mut [Write]) -> impl Iterator<Item = (&mut Key, &mut Expect)> {
    writes.iter_mut().filter_map(|write| match write {
        Write::Put { key, expect, .. } => Some((key, expect)),
        _ => None,
    })
}

/// The bodies of the items that are put.
fn bodies(writes: &mut [Write]) -> impl Iterator<Item = &mut Body> {
    writes.iter_mut().filter_map(|write| match write {
        Write::Put { body, .. } => Some(body),
        _ => None,
    })
}

/// Overwrites whatever stands under the keys that are `meant`.
fn expect_nothing(writes: &mut [Write], meant: impl Fn(&Key) -> bool) {
    for (key, expect) in puts(writes) {
        if meant(key) {
            *expect = Expect::Anything;
        }
    }
}

/// Adds everything twice.
fn count_twice(writes: &mut [Write]) {
    for write in writes {
        if let Write::Add { deltas, .. } = write {
            deltas.values_mut().for_each(|delta| *delta *= 2);
        }
    }
}

/// Whether `write` keeps that something was undone before it was done.
fn is_tombstone(write: &Write) -> bool {
    const UNDONE: [&str; 3] = ["Refunded", "Released", "Cancelled"];
    match write {
        Write::Put {
            body,
            expect: Expect::Absent,
            key,
        } if !is_record(key) => {
            let status = &body.value()["status"];
            UNDONE.iter().any(|word| status == *word)
        }
        _ => false,
    }
}

/// Forgets that goods are reserved where the other fact has not come yet.
fn forget_reserved(writes: &mut [Write]) {
    for body in bodies(writes) {
        let mut fields = body.value();
        if fields["reserved"] == true && fields["due"].is_null() {
            fields["reserved"] = false.into();
            *body = Body::of(&fields);
        }
    }
}

/// Has locks belong to the run `run`.
fn lock_for(writes: &mut [Write], run: u64) {
    let own = format!("{run:016x}");
    for body in bodies(writes) {
        let mut fields = body.value();
        if fields["lock"].is_object() {
            fields["lock"]["of"] = own.as_str().into();
            *body = Body::of(&fields);
        }
    }
}
