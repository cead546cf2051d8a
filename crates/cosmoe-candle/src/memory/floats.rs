//! Rows of an element type that is known at run time.

use candle_core::{DType, Storage};
use cosmoe::FloatMatrixRef;
use half::{bf16, f16};

use super::{Memory, Read};
use crate::error::Result;
use crate::tensor::Rows;

/// A storage of floats, lent for reading.
pub(crate) enum Floats<'a, M: Memory + 'a> {
    BF16(M::Read<'a, bf16>),
    F16(M::Read<'a, f16>),
    F32(M::Read<'a, f32>),
}

impl<'a, M: Memory> Floats<'a, M> {
    pub(crate) fn read(memory: &'a M, storage: &'a Storage) -> Result<Self> {
        Ok(match storage.dtype() {
            DType::BF16 => Self::BF16(memory.read(storage)?),
            DType::F16 => Self::F16(memory.read(storage)?),
            _ => Self::F32(memory.read(storage)?),
        })
    }

    pub(crate) fn view(&self, rows: &Rows) -> Result<FloatMatrixRef<'_, M::Space>> {
        Ok(match self {
            Self::BF16(read) => rows.view(read.vector())?.into(),
            Self::F16(read) => rows.view(read.vector())?.into(),
            Self::F32(read) => rows.view(read.vector())?.into(),
        })
    }
}
