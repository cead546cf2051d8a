//! The program as its users run it: files in, exit code, standard output, standard error and files
//! out.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod bench;
mod completions;
mod dispatch;
mod errors;
mod info;
mod library;
mod output;
mod presets;
mod route;
mod sample;
mod support;
mod verify;
