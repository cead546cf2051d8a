//! A tensor as a vector.

use candle_core::{DType, StorageRef, Tensor};
use cosmoe::{Scalar, Space, VectorRef};

use super::{FLOATS, check};
use crate::error::{self, Result};
use crate::memory::Place;
use crate::raw;

/// Elements that follow each other in a storage.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    tensor: Tensor,
    start: usize,
    len: usize,
}

impl Entries {
    /// A tensor of one dimension, in f32 or widened to it.
    pub(crate) fn floats(argument: &'static str, tensor: &Tensor, place: &Place) -> Result<Self> {
        check(argument, tensor, place, &FLOATS)?;
        let &[len] = tensor.dims() else {
            return Err(error::shape(argument, "[n]", format!("{:?}", tensor.dims())));
        };
        let tensor = tensor.detach().to_dtype(DType::F32)?.contiguous()?;
        Ok(Self::of(tensor, len))
    }

    /// The one number of a tensor of any rank.
    pub(crate) fn number(argument: &'static str, tensor: &Tensor, place: &Place) -> Result<Self> {
        check(argument, tensor, place, &[DType::U32])?;
        if tensor.elem_count() != 1 {
            return Err(error::shape(argument, "[1]", format!("{:?}", tensor.dims())));
        }
        Ok(Self::of(tensor.detach(), 1))
    }

    /// A tensor of one dimension whose elements follow each other.
    pub(crate) fn contiguous(tensor: &Tensor) -> Self {
        Self::of(tensor.clone(), tensor.elem_count())
    }

    fn of(tensor: Tensor, len: usize) -> Self {
        // A tensor without elements may start beyond its storage's end.
        let start = if len == 0 { 0 } else { tensor.layout().start_offset() };
        Self { tensor, start, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keeps writers away until it is dropped.
    pub(crate) fn storage(&self) -> StorageRef<'_> {
        self.tensor.storage_and_layout().0
    }

    pub(crate) fn view<'a, T: Scalar, S: Space>(
        &self,
        storage: VectorRef<'a, T, S>,
    ) -> Result<VectorRef<'a, T, S>> {
        Ok(raw::part(storage, self.start..self.start + self.len)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn values(entries: &Entries) -> Vec<f32> {
        let storage = entries.storage();
        let candle_core::Storage::Cpu(storage) = &*storage else { panic!("a CPU tensor") };
        let whole = VectorRef::new(storage.as_slice::<f32>().unwrap());
        entries.view(whole).unwrap().as_slice().to_vec()
    }

    #[test]
    fn any_layout_is_taken_in_order() {
        let place = Place::Host(std::sync::Arc::default());
        let matrix = Tensor::arange(0_f32, 12.0, &Device::Cpu).unwrap().reshape((3, 4)).unwrap();
        let taken = |tensor: &Tensor| values(&Entries::floats("bias", tensor, &place).unwrap());
        assert_eq!(taken(&matrix.get(1).unwrap()), [4.0, 5.0, 6.0, 7.0]);
        assert_eq!(taken(&matrix.get_on_dim(1, 2).unwrap()), [2.0, 6.0, 10.0]);
        assert_eq!(taken(&matrix.get(2).unwrap().narrow(0, 3, 1).unwrap()), [11.0]);
        assert_eq!(taken(&matrix.get(2).unwrap().narrow(0, 4, 0).unwrap()), [0_f32; 0]);
        let one = matrix.get(2).unwrap().get(0).unwrap().broadcast_as(3).unwrap();
        assert_eq!(taken(&one), [8.0; 3]);
        let halves = matrix.get(1).unwrap().to_dtype(DType::BF16).unwrap();
        assert_eq!(taken(&halves), [4.0, 5.0, 6.0, 7.0]);
    }
}
