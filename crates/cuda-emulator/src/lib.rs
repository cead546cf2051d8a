//! A CUDA device where there is none: executes PTX as nvcc wrote it, strictly, and counts.
//!
//! Layers, lowest first: [`ptx`] reads text into a plain tree; [`number`] is arithmetic as PTX
//! defines it; [`alu`] is the instructions of one lane; [`check`] knows what memory accesses are
//! ordered; `exec` lowers a tree once and runs it warp by warp; `driver` is the C interface of
//! `libcuda.so.1` over it.

pub mod alu;
pub mod check;
pub mod config;
pub mod counts;
mod driver;
mod exec;
pub mod fatbin;
pub mod machine;
pub mod memory;
mod module;
pub mod number;
mod placed;
pub mod ptx;
pub mod registers;
pub mod report;
