//! cosmoe_workspace: memory for intermediate results, the library's or the caller's.

use std::sync::{Mutex, TryLockError};

use cosmoe::{VectorMut, Workspace, WorkspaceSize};

use crate::backend::cosmoe_backend;
use crate::growing::{self, Growing};
use crate::handle::{self, Handle};
#[cfg(feature = "cuda")]
use crate::home::OnCuda;
use crate::home::{Home, OnCpu, SpaceOf, on};
use crate::status::{Failure, Result, cosmoe_status, guard};
use crate::tensor::{DLDevice, DLTensor, Takes, Tensor};

/// Bytes that a call needs: what the queries answer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_workspace_size {
    /// sizeof(cosmoe_workspace_size).
    pub struct_size: usize,
    /// Bytes of any content, at any alignment.
    pub scratch: usize,
    /// Bytes that are zeroed once and left as found by every call, at most 4096.
    pub state: usize,
}

// SAFETY: repr(C), struct_size first, numbers only.
unsafe impl Growing for cosmoe_workspace_size {
    const NAME: &'static str = "cosmoe_workspace_size";
    const FIRST_SIZE: usize = 24;
}

impl cosmoe_workspace_size {
    /// # Safety
    /// `out` is NULL, or readable and writable for the bytes that it says it has.
    pub(crate) unsafe fn put(out: *mut Self, size: WorkspaceSize) -> Result<()> {
        let WorkspaceSize { scratch, state } = size;
        // SAFETY: as the caller vouches.
        unsafe { growing::write("out", out, Self { struct_size: 0, scratch, state }) }
    }
}

/// Memory for intermediate results of one call at a time; on CUDA of one stream's calls.
#[derive(Debug)]
pub struct cosmoe_workspace {
    memory: Mutex<Memory>,
}

impl Handle for cosmoe_workspace {
    const NAME: &'static str = "cosmoe_workspace";
    const TAG: u64 = u64::from_le_bytes(*b"cosmoe-w");
}

/// Scratch and state.
pub(crate) struct Memories<H: Home> {
    device: DLDevice,
    scratch: Part<H>,
    state: Part<H>,
}

/// Whose memory it is.
enum Part<H: Home> {
    Ours(H::Memory),
    /// The caller's vector, for as long as the workspace lives.
    Theirs(VectorMut<'static, u8, SpaceOf<H>>),
}

impl<H: Home> Memories<H> {
    fn new(home: &H, scratch: Part<H>, state: Part<H>) -> Self {
        Self { device: home.device(), scratch, state }
    }
}

impl<H: Home> std::fmt::Debug for Memories<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memories on {}", self.device)
    }
}

/// A workspace of one of the homes.
#[derive(Debug)]
pub(crate) enum Memory {
    Cpu(Memories<OnCpu>),
    #[cfg(feature = "cuda")]
    Cuda(Memories<OnCuda>),
}

impl From<Memories<OnCpu>> for Memory {
    fn from(memories: Memories<OnCpu>) -> Self {
        Self::Cpu(memories)
    }
}

#[cfg(feature = "cuda")]
impl From<Memories<OnCuda>> for Memory {
    fn from(memories: Memories<OnCuda>) -> Self {
        Self::Cuda(memories)
    }
}

impl<H: Home> Part<H> {
    fn lend(&mut self) -> Result<VectorMut<'_, u8, SpaceOf<H>>> {
        match self {
            Self::Ours(memory) => H::lend(memory),
            Self::Theirs(vector) => Ok(vector.reborrow()),
        }
    }
}

/// Lends a workspace to a call; NULL is one without any bytes.
///
/// # Safety
/// The handle is NULL or alive.
pub(crate) unsafe fn lend<H: Home, R>(
    workspace: *mut cosmoe_workspace,
    home: &H,
    call: impl FnOnce(Workspace<'_, SpaceOf<H>>) -> Result<R>,
) -> Result<R> {
    if workspace.is_null() {
        let mut nothing = Part::<H>::Ours(home.allocate("workspace", 0)?);
        let mut neither = Part::<H>::Ours(home.allocate("workspace", 0)?);
        return call(Workspace { scratch: nothing.lend()?, state: neither.lend()? });
    }
    // SAFETY: as the caller vouches.
    let workspace = unsafe { handle::value("workspace", workspace) }?;
    let mut memory = match workspace.memory.try_lock() {
        Ok(memory) => memory,
        // A panic left scratch of any content, which is all that is asked of it; only kernels write state.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            let expected = "one that no other call is using";
            return Err(Failure::invalid("workspace", expected, "one in use on another thread"));
        }
    };
    let wrong = |found: DLDevice| {
        let (expected, found) = (home.device().to_string(), found.to_string());
        Failure::from(cosmoe::Error::WrongDevice { argument: "workspace", expected, found })
    };
    let device = memory.device();
    match H::memories(&mut memory) {
        Some(memories) if device == home.device() => {
            call(Workspace { scratch: memories.scratch.lend()?, state: memories.state.lend()? })
        }
        _ => Err(wrong(device)),
    }
}

impl Memory {
    fn device(&self) -> DLDevice {
        match self {
            Self::Cpu(memories) => memories.device,
            #[cfg(feature = "cuda")]
            Self::Cuda(memories) => memories.device,
        }
    }
}

/// Makes a workspace in memory that the library allocates on the backend's device. It serves all calls whose
/// queries answered no more than size. On CUDA this waits for the device, as does freeing it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_workspace_new(
    backend: *const cosmoe_backend,
    size: *const cosmoe_workspace_size,
    out: *mut *mut cosmoe_workspace,
) -> cosmoe_status {
    guard(|| {
        handle::check_out(out)?;
        // SAFETY: as the interface asks of its callers.
        let (home, size) =
            unsafe { (cosmoe_backend::home(backend)?, growing::read("size", size)?) };
        let memory = on!(home, home => {
            let scratch = Part::Ours(home.allocate("size.scratch", size.scratch)?);
            let state = Part::Ours(home.allocate("size.state", size.state)?);
            Memories::new(&**home, scratch, state).into()
        });
        // SAFETY: as above.
        unsafe { handle::give(out, cosmoe_workspace { memory: Mutex::new(memory) }) }
    })
}

/// Makes a workspace of the caller's memory on the backend's device, which outlives it: two `[bytes]` uint8
/// tensors that share nothing with each other or with any argument of a call. The caller has zeroed state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_workspace_borrow(
    backend: *const cosmoe_backend,
    scratch: *const DLTensor,
    state: *const DLTensor,
    out: *mut *mut cosmoe_workspace,
) -> cosmoe_status {
    guard(|| {
        handle::check_out(out)?;
        // SAFETY: as the interface asks of its callers, tensors are what they say, and nothing else uses them.
        let memory = unsafe {
            on!(cosmoe_backend::home(backend)?, home => {
                let scratch = Tensor::vector("scratch", scratch, Takes::U8, &**home)?;
                let state = Tensor::vector("state", state, Takes::U8, &**home)?;
                let scratch = Part::Theirs(scratch.vector_mut()?);
                let state = Part::Theirs(state.vector_mut()?);
                Memories::new(&**home, scratch, state).into()
            })
        };
        // SAFETY: as above.
        unsafe { handle::give(out, cosmoe_workspace { memory: Mutex::new(memory) }) }
    })
}

/// Frees a workspace; NULL is none. Memory that was borrowed stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_workspace_free(workspace: *mut cosmoe_workspace) -> cosmoe_status {
    // SAFETY: as the interface asks of its callers.
    guard(|| unsafe { handle::free("workspace", workspace) })
}
