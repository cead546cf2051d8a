//! The memories that tensors are in, as cosmoe's backends see them.

#[cfg(feature = "cuda")]
mod cuda;
mod floats;
mod host;
mod ids;
mod option;
mod place;

use std::fmt::Debug;

use candle_core::{Storage, Tensor, WithDType};
use cosmoe::{Backend, Scalar, Space, VectorMut, VectorRef, Workspace, WorkspaceSize};
use half::{bf16, f16};

#[cfg(feature = "cuda")]
pub(crate) use cuda::{CudaMemory, unsigned};
pub(crate) use floats::Floats;
pub(crate) use host::HostMemory;
pub(crate) use ids::Ids;
pub(crate) use option::{lend, view};
pub(crate) use place::{Place, on};

use crate::error::{self, Error, Result};

/// A number that candle keeps in tensors and cosmoe in views.
#[cfg(not(feature = "cuda"))]
pub(crate) trait Stored: Scalar + WithDType {}

/// A number that candle keeps in tensors and cosmoe in views.
#[cfg(feature = "cuda")]
pub(crate) trait Stored:
    Scalar + WithDType + candle_core::cuda::CudaDType + candle_core::cuda::cudarc::driver::DeviceRepr
{
}

macro_rules! stored {
    ($($t:ty),*) => { $(impl Stored for $t {})* };
}
stored!(bf16, f16, f32, i32, u32);

/// A backend, and what it takes to run it on candle's storages and make new ones.
pub(crate) trait Memory: Debug + Sized {
    type Space: Space;
    type Backend: Backend<Space = Self::Space>;

    /// A storage that calls read: kept until they are made.
    type Read<'a, T: Stored>: Read<T, Self::Space>
    where
        Self: 'a;

    /// Elements that become a tensor.
    type New<T: Stored>;

    /// Elements that calls write: kept until they are made.
    type Write<'a, T: Stored>: Write<T, Self::Space>
    where
        Self: 'a;

    fn backend(&self) -> &Self::Backend;

    /// All of a storage of `T`.
    fn read<'a, T: Stored>(&'a self, storage: &'a Storage) -> Result<Self::Read<'a, T>>;

    /// At least `len` elements of any content.
    fn allocate<T: Stored>(&self, len: usize) -> Result<Self::New<T>>;

    fn write<'a, T: Stored>(&'a self, new: &'a mut Self::New<T>) -> Result<Self::Write<'a, T>>;

    /// A tensor of no graph whose elements are the first ones.
    fn tensor<T: Stored>(&self, new: Self::New<T>, shape: &[usize]) -> Tensor;

    /// Makes a call with a workspace that no other call has. What it grew to is kept.
    fn with_workspace(
        &self,
        size: WorkspaceSize,
        call: impl FnOnce(Workspace<'_, Self::Space>) -> cosmoe::Result<()>,
    ) -> Result<()>;

    /// Waits until what was submitted so far is done, where that matters to calls of other threads.
    fn settle(&self) -> Result<()>;
}

/// Elements lent for reading.
pub(crate) trait Read<T, S: Space> {
    fn vector(&self) -> VectorRef<'_, T, S>;
}

/// Elements lent for writing.
pub(crate) trait Write<T, S: Space> {
    fn vector(&mut self) -> VectorMut<'_, T, S>;
}

/// A storage elsewhere: devices are compared when arguments are looked at, so that none comes so far.
fn foreign(ours: candle_core::DeviceLocation, storage: &Storage) -> Error {
    let its = storage.device().location();
    candle_core::Error::DeviceMismatchBinaryOp { lhs: ours, rhs: its, op: "cosmoe" }.into()
}

/// The bytes of an output, which are not more than memory has addresses for.
fn check_len<T>(len: usize) -> Result<()> {
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(error::size("output", format!("{len} elements"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_fit_the_address_space() {
        assert!(check_len::<f32>(1 << 40).is_ok());
        let expected = "output: size not supported: expected a tensor that fits the address space, \
                        found 4611686018427387904 elements";
        assert_eq!(check_len::<f32>(1 << 62).unwrap_err().to_string(), expected);
        assert!(check_len::<f32>((1 << 61) - 1).is_ok());
        assert!(check_len::<f32>(1 << 61).is_err());
    }
}
