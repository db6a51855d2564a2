//! The lab from outside: orders under both styles, updates, and AWS's facts one by one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod facts;
mod hashes;
mod orders;
mod patience;
mod scheduler;
mod shop;
mod sweep;
mod update;
mod workflows;
