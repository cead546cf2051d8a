//! Tensors through the adapter, on the CPU and, with the feature `cuda`, on the first CUDA device.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod against_candle;
mod common;
#[cfg(feature = "cuda")]
mod cuda;
mod dispatch;
mod errors;
mod layouts;
mod same_bits;
mod shared;
