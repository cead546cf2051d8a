//! Deliberately wrong kernels: each must be reported as what it is, at its line of the source, in
//! every order of warps and blocks; its twin without the mistake must pass in all of them.

#![allow(clippy::result_large_err, reason = "a report is made once a test")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panics")]

#[path = "../common/mod.rs"]
mod common;

mod asynchronous;
mod cases;
mod control;
mod grid;
mod memory;
mod shared_races;
mod uninitialised;
