//! The lab from outside: orders under both styles, and AWS's facts one by one.

mod orders;
mod shop;
