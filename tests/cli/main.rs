//! The program as its users run it: files in, exit code, standard output, standard error and files
//! out.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod errors;
mod files;
mod output;
mod sample;
mod support;
