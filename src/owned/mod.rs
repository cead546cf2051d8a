//! A convenience layer over backends of host memory that owns what the operations read and write.

mod plan;
mod router;

pub use plan::Plan;
pub use router::{Router, Routing};

use crate::error::{Error, Result};

/// Elements of a matrix, refused where it cannot be allocated.
fn matrix_len(argument: &'static str, rows: usize, cols: usize) -> Result<usize> {
    let limit = isize::MAX as usize / size_of::<f32>();
    match rows.checked_mul(cols) {
        Some(len) if len <= limit => Ok(len),
        _ => {
            let expected = format!("at most {limit} elements");
            Err(Error::size(argument, expected, format!("[{rows}, {cols}]")))
        }
    }
}
