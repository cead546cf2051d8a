//! Vectors that a call may do without.

use candle_core::Storage;
use cosmoe::VectorRef;

use super::{Memory, Read, Stored};
use crate::error::Result;
use crate::tensor::Entries;

pub(crate) fn lend<'a, T: Stored, M: Memory>(
    memory: &'a M,
    storage: Option<&'a Storage>,
) -> Result<Option<M::Read<'a, T>>> {
    storage.map(|storage| memory.read(storage)).transpose()
}

pub(crate) fn view<'a, M: Memory, T: Stored>(
    entries: Option<&Entries>,
    read: Option<&'a M::Read<'_, T>>,
) -> Result<Option<VectorRef<'a, T, M::Space>>> {
    match (entries, read) {
        (Some(entries), Some(read)) => Ok(Some(entries.view(read.vector())?)),
        _ => Ok(None),
    }
}
