//! CUDA programs, compiled by nvcc and run on the emulated device: each gives what plain Rust gives,
//! in every order of warps and blocks, and none is reported.

#![allow(clippy::result_large_err, reason = "a report is made once a test")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panics")]

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod atomics;
mod bits;
mod block;
mod control;
mod convert;
mod counts;
mod coverage;
mod cub;
mod cub_device;
mod exact;
mod float;
mod gemm;
mod grid;
mod half;
mod integer;
mod locks;
mod matrix;
mod memory;
mod pipeline;
mod table;
mod warp;
