//! Sparse Mixture-of-Experts routing.

pub mod chain;

mod backend;
mod config;
mod cpu;
mod element;
mod error;
mod view;

pub use backend::*;
pub use config::*;
pub use cpu::*;
pub use element::{DType, Element, Scalar};
pub use error::{Error, Result};
#[cfg(feature = "cuda")]
pub use view::Cuda;
pub use view::{FloatMatrixRef, Host, MatrixMut, MatrixRef, RowChunksMut, Space, VectorMut, VectorRef};
