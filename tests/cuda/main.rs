//! The CUDA backend on the device that the driver shows first: a GPU, or the emulated one under
//! `cargo xtask emulate -- cargo test --test cuda`.
//!
//! Without a device the tests are listed as ignored and a line at the end says how many and why.
//! With COSMOE_REQUIRE_DEVICE or CUDA_EMULATOR set, that is a failure.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod device;
mod dispatch;
mod errors;
mod far;
mod graphs;
mod interop;
mod plan;
mod prepare;
mod program;
mod route;
mod rows;
mod run;
mod select;
mod staged;
mod streams;
mod unfused;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A name and what it runs.
type Test = (&'static str, fn());

/// A list of a module's tests, by name.
macro_rules! tests {
    ($module:literal: $($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] =
            &[$((concat!($module, "::", stringify!($name)), $name)),*];
    };
}
pub(crate) use tests;

const TESTS: [&[Test]; 15] = [
    bench::TESTS,
    dispatch::TESTS,
    errors::TESTS,
    far::TESTS,
    graphs::TESTS,
    interop::TESTS,
    plan::TESTS,
    prepare::TESTS,
    program::TESTS,
    route::TESTS,
    rows::TESTS,
    select::TESTS,
    staged::TESTS,
    streams::TESTS,
    unfused::TESTS,
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // The tests share one device, whose context a capture keeps to itself.
    args.test_threads.get_or_insert(1);
    let missing = device::missing();
    let trials: Vec<Trial> = TESTS
        .concat()
        .into_iter()
        .map(|(name, run)| {
            let run = move || {
                run();
                Ok(())
            };
            Trial::test(name, run).with_ignored_flag(missing.is_some())
        })
        .collect();
    let count = trials.len();
    let conclusion = libtest_mimic::run(&args, trials);
    if args.list || conclusion.has_failed() {
        return conclusion.exit_code();
    }
    if let Some(why) = missing {
        eprintln!("cuda: SKIPPED all {count} tests that need a device: {why}");
        let required = ["COSMOE_REQUIRE_DEVICE", "CUDA_EMULATOR"];
        if let Some(name) = required.iter().find(|name| std::env::var_os(name).is_some()) {
            eprintln!("cuda: {name} is set, so this is a failure");
            return ExitCode::FAILURE;
        }
    }
    conclusion.exit_code()
}
