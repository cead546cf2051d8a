//! The interface as C calls it: on the CPU, and on a CUDA device where there is one.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
#[path = "../common/device.rs"]
mod device;
mod edges;
mod laid;
mod layer;
mod misuse;
#[path = "../common/numbers.rs"]
mod numbers;
mod pointers;
mod rows;
mod threads;
mod types;
mod values;
