//! Torn reads.

use std::task::{Context, Poll, Waker};

use serde_json::json;

use super::*;
use crate::fault::Faults;

#[test]
fn a_read_of_several_documents_may_be_torn() {
    let (record, document) = (Key::new("o-1", "done#PlaceOrder"), Key::new("o-1", "order"));
    let read = |fault: &str| {
        let host = Host::default();
        let rules = [fault.parse().unwrap()];
        {
            let mut inner = host.lock();
            inner.faults = Faults::new(1, &rules, None);
            inner.frame.owner = inner.meters.owner("o-1", "");
        }
        let table = Table::default();
        let port = TablePort {
            host: host.clone(),
            table: table.clone(),
            ledger: false,
        };
        let keys = [record.clone(), document.clone()];
        let mut load = std::pin::pin!(port.load(&keys));
        let mut context = Context::from_waker(Waker::noop());
        // Somebody writes both together, after the first of the two was read.
        for step in 0.. {
            if let Poll::Ready(items) = load.as_mut().poll(&mut context) {
                let there = items.unwrap();
                return (there[0].is_some(), there[1].is_some());
            }
            if step == 1 {
                let write = |key: &Key| Write::put(key.clone(), &json!({}), Expect::Absent);
                let mut commit =
                    std::pin::pin!(table.commit(vec![write(&record), write(&document)]));
                assert!(commit.as_mut().poll(&mut context).is_ready());
            }
            let mut inner = host.lock();
            inner.now = inner.pause.take().unwrap_or(inner.now);
        }
        unreachable!()
    };
    assert_eq!(read("torn-read:1"), (false, true));
    assert_eq!(read("torn-read:0"), (false, false));
}
