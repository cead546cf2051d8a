//! What a router has prepared, and where.

use std::sync::Arc;

use cosmoe::{Backend, PrepareArgs, Prepared, RouterConfig};

use crate::error::Result;
#[cfg(feature = "cuda")]
use crate::memory::CudaMemory;
use crate::memory::{Floats, HostMemory, Memory, Place};
use crate::tensor::Rows;

/// Prepared experts in one of the memories.
#[derive(Debug, Clone)]
pub(super) enum Side {
    Host(Placed<HostMemory>),
    #[cfg(feature = "cuda")]
    Cuda(Placed<CudaMemory>),
}

/// Prepared experts.
#[derive(Debug)]
pub(super) struct Placed<M: Memory> {
    /// Before the memory, whose workspaces are freed after it: on CUDA freeing these waits for all streams where
    /// threads have one each.
    pub(super) prepared: Arc<Prepared<M::Backend>>,
    pub(super) memory: Arc<M>,
}

impl<M: Memory> Clone for Placed<M> {
    fn clone(&self) -> Self {
        Self { prepared: Arc::clone(&self.prepared), memory: Arc::clone(&self.memory) }
    }
}

impl Side {
    pub(super) fn new(place: &Place, config: &RouterConfig, experts: &Rows) -> Result<Self> {
        Ok(match place {
            Place::Host(memory) => Self::Host(Placed::new(memory, config, experts)?),
            #[cfg(feature = "cuda")]
            Place::Cuda(memory) => Self::Cuda(Placed::new(memory, config, experts)?),
        })
    }
}

impl<M: Memory> Placed<M> {
    fn new(memory: &Arc<M>, config: &RouterConfig, experts: &Rows) -> Result<Self> {
        let prepared = {
            let storage = experts.storage();
            let read = Floats::read(&**memory, &storage)?;
            memory.backend().prepare(config, PrepareArgs { experts: read.view(experts)? })?
        };
        memory.settle()?;
        Ok(Self { prepared: Arc::new(prepared), memory: Arc::clone(memory) })
    }
}
