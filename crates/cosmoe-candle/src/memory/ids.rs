//! Expert ids of either signedness: candle's sorts make unsigned ones.

use candle_core::{DType, Storage};
use cosmoe::MatrixRef;

use super::{Memory, Read};
use crate::error::Result;
use crate::raw;
use crate::tensor::Rows;

/// A storage of ids, lent for reading.
pub(crate) enum Ids<'a, M: Memory + 'a> {
    I32(M::Read<'a, i32>),
    U32(M::Read<'a, u32>),
}

impl<'a, M: Memory> Ids<'a, M> {
    pub(crate) fn read(memory: &'a M, storage: &'a Storage) -> Result<Self> {
        Ok(match storage.dtype() {
            DType::U32 => Self::U32(memory.read(storage)?),
            _ => Self::I32(memory.read(storage)?),
        })
    }

    pub(crate) fn view(&self, rows: &Rows) -> Result<MatrixRef<'_, i32, M::Space>> {
        match self {
            Self::I32(read) => rows.view(read.vector()),
            Self::U32(read) => rows.view(raw::signed(read.vector())),
        }
    }
}
