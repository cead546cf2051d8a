//! The commands.

pub(crate) mod completions;
mod dispatch;
mod finish;
pub(crate) mod info;
pub(crate) mod plan;
pub(crate) mod route;
pub(crate) mod select;
mod slabs;
pub(crate) mod verify;

pub(crate) use dispatch::Dispatch;

use crate::error::{Failure, label};
use crate::output::SealedFile;
use crate::router::Labels;

/// What a command that has run has to say.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    /// Lines for standard error: the device that was chosen, warnings.
    pub(crate) notes: Vec<String>,
    /// Takes its place once standard output has been written.
    pub(crate) out: Option<SealedFile>,
    /// Where what it found is a failure, after all that.
    pub(crate) verdict: Option<Failure>,
}

/// `len` zeros, or an error where there is no memory for them. It names `extent`, the library's name
/// of what makes them so many.
fn zeros<T: Clone + Default>(len: usize, extent: &str, labels: &Labels) -> Result<Vec<T>, Failure> {
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(len).is_err() {
        let expected = format!("memory for {} bytes", len as u128 * size_of::<T>() as u128);
        return Err(Failure::input(label(labels, extent), expected, "not enough"));
    }
    buffer.resize(len, T::default());
    Ok(buffer)
}
