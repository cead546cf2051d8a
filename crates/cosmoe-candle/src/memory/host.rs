//! Tensors on the CPU: candle's vectors, in place.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use candle_core::op::BackpropOp;
use candle_core::{DeviceLocation, Storage, Tensor};
use cosmoe::{Cpu, Host, HostWorkspace, VectorMut, VectorRef, Workspace, WorkspaceSize};

use super::{Memory, Read, Stored, Write};
use crate::error::Result;

/// Looking for instructions and counting threads takes longer than the plan of a few tokens.
static CPU: LazyLock<Cpu> = LazyLock::new(Cpu::new);

/// The CPU, and workspaces that no call is using.
#[derive(Debug)]
pub(crate) struct HostMemory {
    cpu: Cpu,
    idle: Mutex<Vec<HostWorkspace>>,
}

impl Default for HostMemory {
    fn default() -> Self {
        Self { cpu: *CPU, idle: Mutex::default() }
    }
}

impl HostMemory {
    fn idle(&self) -> MutexGuard<'_, Vec<HostWorkspace>> {
        // Nothing panics while the list is being changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for HostMemory {
    type Space = Host;
    type Backend = Cpu;
    type Read<'a, T: Stored> = &'a [T];
    type New<T: Stored> = Vec<T>;
    type Write<'a, T: Stored> = &'a mut [T];

    fn backend(&self) -> &Cpu {
        &self.cpu
    }

    fn read<'a, T: Stored>(&'a self, storage: &'a Storage) -> Result<&'a [T]> {
        match storage {
            Storage::Cpu(storage) => Ok(storage.as_slice()?),
            other => Err(super::foreign(DeviceLocation::Cpu, other)),
        }
    }

    fn allocate<T: Stored>(&self, len: usize) -> Result<Vec<T>> {
        super::check_len::<T>(len)?;
        Ok(vec![T::zero(); len])
    }

    fn write<'a, T: Stored>(&'a self, new: &'a mut Vec<T>) -> Result<&'a mut [T]> {
        Ok(new)
    }

    fn tensor<T: Stored>(&self, new: Vec<T>, shape: &[usize]) -> Tensor {
        let storage = Storage::Cpu(T::to_cpu_storage_owned(new));
        Tensor::from_storage(storage, shape, BackpropOp::none(), false)
    }

    fn with_workspace(
        &self,
        size: WorkspaceSize,
        call: impl FnOnce(Workspace<'_, Host>) -> cosmoe::Result<()>,
    ) -> Result<()> {
        let mut workspace = self.idle().pop().unwrap_or_default();
        let result = call(workspace.lend(size));
        self.idle().push(workspace);
        Ok(result?)
    }

    fn settle(&self) -> Result<()> {
        Ok(())
    }
}

impl<T: Stored> Read<T, Host> for &[T] {
    fn vector(&self) -> VectorRef<'_, T> {
        VectorRef::new(self)
    }
}

impl<T: Stored> Write<T, Host> for &mut [T] {
    fn vector(&mut self) -> VectorMut<'_, T> {
        VectorMut::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_kept_for_the_next_call() {
        let memory = HostMemory::default();
        let size = WorkspaceSize { scratch: 100, state: 0 };
        let failed = || cosmoe::Error::KernelsNotBuilt;
        memory.with_workspace(size, |_| Ok(())).unwrap();
        memory.with_workspace(size, |_| Err(failed())).unwrap_err();
        assert_eq!(memory.idle().len(), 1);
        // Two calls at once have one each.
        let inside = |_: Workspace<'_, Host>| {
            memory.with_workspace(size, |_| Ok(())).unwrap();
            Ok(())
        };
        memory.with_workspace(size, inside).unwrap();
        assert_eq!(memory.idle().len(), 2);
    }
}
