//! What the fuzz targets of the C interface share.
//!
//! `cargo xtask fuzz` runs them. By hand, beside this package's folder:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --release TARGET`, for the sanitizer on a stable compiler and the debug
//! assertions that Cargo.toml asks for.

mod block;
mod bytes;
mod calls;
mod layer;
mod structs;
mod tensor;

pub use block::Block;
pub use bytes::Bytes;
pub use calls::{Router, Workspace, backend, message, ok, ok_if, refused};
pub use layer::{CALLS, Call, Layer, Made, Part};
pub use structs::{Growing, Struct};
pub use tensor::{Facts, Tensor, dtype};
