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
        let ident = {
            let inner = self.host.lock();
            mix(inner.frame.ident, inner.frame.calls)
        };
        match plant {
            Plant::NoDeduplication | Plant::LostUpdate => {
                for write in &mut writes {
                    if let Write::Put { key, expect, .. } = write
                        && is_record(key) == (plant == Plant::NoDeduplication)
                        && *expect != Expect::Anything
                    {
                        *expect = Expect::Anything;
                    }
                }
            }
            Plant::BlindStock => {
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
                writes = blind;
            }
            Plant::DoubleCount => {
                for write in &mut writes {
                    if let Write::Add { deltas, .. } = write {
                        deltas.values_mut().for_each(|delta| *delta *= 2);
                    }
                }
            }
            Plant::RecordLater => {
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
                return match records.is_empty() {
                    true => Ok(()),
                    false => self.table.commit(records).await,
                };
            }
            Plant::ConflictIsDone => {
                return match self.table.commit(writes).await {
                    Err(CommitError::Conflict) => Ok(()),
                    other => other,
                };
            }
            Plant::CommitLies if ident % 40 == 0 => return Ok(()),
            Plant::NoTombstone => {
                const UNDONE: [&str; 3] = ["Refunded", "Released", "Cancelled"];
                writes.retain(|write| match write {
                    Write::Put {
                        body,
                        expect: Expect::Absent,
                        key,
                    } if !is_record(key) => {
                        let status = &body.value()["status"];
                        !UNDONE.iter().any(|word| status == *word)
                    }
                    _ => true,
                });
                if writes.is_empty() {
                    return Ok(());
                }
            }
            Plant::JoinForgets => {
                for write in &mut writes {
                    let Write::Put { body, .. } = write else {
                        continue;
                    };
                    let mut fields = body.value();
                    if fields["reserved"] == true && fields["due"].is_null() {
                        fields["reserved"] = false.into();
                        *body = Body::of(&fields);
                    }
                }
            }
            Plant::KeyPerDelivery => {
                for write in &mut writes {
                    if let Write::Put { key, .. } = write {
                        *key = per_delivery(key.clone(), self.host.lock().frame.ident);
                    }
                }
            }
            Plant::StepWithoutIdempotency => {
                let frame = self.host.lock().frame.clone();
                for write in &mut writes {
                    let Write::Put { key, expect, .. } = write else {
                        continue;
                    };
                    if frame.step.starts_with("Notify") {
                        *key = per_delivery(key.clone(), frame.ident);
                        if key.sk.starts_with("notice#") {
                            key.sk = format!("{}#{:x}", key.sk, frame.ident);
                            *expect = Expect::Anything;
                        }
                    }
                }
            }
            Plant::LockEndsWithRun => {
                let own = format!("{:016x}", self.host.lock().frame.ident);
                for write in &mut writes {
                    let Write::Put { body, .. } = write else {
                        continue;
                    };
                    let mut fields = body.value();
                    if fields["lock"].is_object() {
                        fields["lock"]["of"] = own.as_str().into();
                        *body = Body::of(&fields);
                    }
                }
            }
            Plant::NoticePerDelivery => {
                for write in &mut writes {
                    if let Write::Put { key, expect, .. } = write {
                        if key.sk.starts_with("notice#") {
                            key.sk = format!("{}#{ident:x}", key.sk);
                            *expect = Expect::Anything;
                        } else if key.sk.starts_with("done#NotifyCustomer") {
                            key.sk = format!("{}#{ident:x}", key.sk);
                        }
                    }
                }
            }
            _ => {}
        }
        self.table.commit(writes).await
    }
}
