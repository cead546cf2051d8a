//! The interface as C calls it: on the CPU, and on a CUDA device where there is one.
#![allow(missing_docs, unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod edges;
mod laid;
mod layer;
mod misuse;
mod pointers;
mod rows;
mod threads;
mod types;
mod values;
