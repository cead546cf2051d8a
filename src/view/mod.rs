//! Borrowed memory: one family of views for host and device.
//!
//! A view is a pointer, a shape and, for matrices, a row stride in elements. Rows are contiguous,
//! the base is aligned to the element and to nothing more, and every extent may be 0. What a view
//! says is checked when it is made; the calls that take it only compare views with each other.

mod float;
mod matrix;
mod space;
mod vector;

pub use float::FloatMatrixRef;
pub(crate) use float::{byte_range, each};
pub use matrix::{MatrixMut, MatrixRef, RowChunksMut};
#[cfg(feature = "cuda")]
pub use space::CudaSpace;
pub use space::{Host, Space};
pub use vector::{VectorMut, VectorRef};
