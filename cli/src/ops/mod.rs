//! What is done to a world, and what it comes to: one file for each, which a
//! command, a drill or the simulation calls. Nothing here reads the command line.

pub mod actions;
pub mod against;
pub mod catalog;
pub mod check;
pub mod customer;
pub mod demo;
pub mod dlq;
pub mod drill;
pub mod events;
pub mod faulty;
pub mod forget;
pub mod invariants;
pub mod logs;
pub mod machines;
pub mod objects;
pub mod orders;
pub mod place;
pub mod redrive;
pub mod repair;
pub mod replay;
pub mod review;
pub mod rollout;
pub mod rules;
pub mod schemas;
pub mod show;
pub mod single_state;
pub mod suites;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod top;
pub mod trace;
pub mod trouble;
pub mod view;
mod wait;
