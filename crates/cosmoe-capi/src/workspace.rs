//! cosmoe_workspace: memory for intermediate results, the library's or the caller's.

use std::ptr;
use std::sync::{Mutex, TryLockError};

use cosmoe::{Space, VectorMut, Workspace, WorkspaceSize};

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

/// Memory for intermediate results: of one call at a time, which is seen to, and on CUDA of one stream.
#[derive(Debug)]
pub struct cosmoe_workspace {
    memory: Mutex<Memory>,
}

impl Handle for cosmoe_workspace {
    const NAME: &'static str = "cosmoe_workspace";
    const TAG: u64 = u64::from_le_bytes(*b"cosmoe-w");
}

/// A workspace, and where it may be used.
pub(crate) struct Memories<H: Home> {
    device: DLDevice,
    stream: usize,
    whose: Whose<H>,
}

/// Whose memory it is.
enum Whose<H: Home> {
    Ours(H::Memory),
    /// The caller's, for as long as the workspace lives.
    Theirs(Workspace<'static, SpaceOf<H>>),
}

impl<H: Home> Memories<H> {
    fn new(home: &H, whose: Whose<H>) -> Self {
        Self { device: home.device(), stream: home.stream(), whose }
    }

    fn lend(&mut self, home: &H) -> Result<Workspace<'_, SpaceOf<H>>> {
        if self.stream != home.stream() {
            let expected = "what belongs to this backend's stream";
            return Err(Failure::invalid("workspace", expected, "another stream's"));
        }
        match &mut self.whose {
            Whose::Ours(memory) => home.lend(memory),
            Whose::Theirs(workspace) => Ok(workspace.reborrow()),
        }
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
        // SAFETY: there are no bytes.
        let none = || unsafe { VectorMut::from_raw_parts(ptr::dangling_mut(), 0) };
        return call(Workspace { scratch: none(), state: none() });
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
        Some(memories) if device == home.device() => call(memories.lend(home)?),
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
/// queries answered no more than size. On CUDA it is allocated and freed in the order of the stream; not while that
/// is being captured.
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
        let size = WorkspaceSize { scratch: size.scratch, state: size.state };
        let memory = on!(home, home => {
            Memories::new(&**home, Whose::Ours(home.allocate(size)?)).into()
        });
        // SAFETY: as above.
        unsafe { handle::give(out, cosmoe_workspace { memory: Mutex::new(memory) }) }
    })
}

/// Makes a workspace of the caller's memory on the backend's device, which outlives it: two `[bytes]` uint8
/// tensors, NULL for no bytes, that share nothing with each other or with any argument of a call. Zeroes state, in
/// the order of the stream.
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
                let scratch = bytes("scratch", scratch, &**home)?;
                let mut state = bytes("state", state, &**home)?;
                apart(&scratch, &state)?;
                home.zero(state.reborrow())?;
                Memories::new(&**home, Whose::Theirs(Workspace { scratch, state })).into()
            })
        };
        // SAFETY: as above.
        unsafe { handle::give(out, cosmoe_workspace { memory: Mutex::new(memory) }) }
    })
}

/// # Safety
/// The tensor is NULL, or what it says as long as the workspace lives, and nothing else uses it.
unsafe fn bytes<H: Home>(
    argument: &'static str,
    raw: *const DLTensor,
    home: &H,
) -> Result<VectorMut<'static, u8, SpaceOf<H>>> {
    // SAFETY: as the caller vouches, or there are no bytes.
    unsafe {
        if raw.is_null() {
            return Ok(VectorMut::from_raw_parts(ptr::dangling_mut(), 0));
        }
        Tensor::vector(argument, raw, Takes::U8, home)?.vector_mut()
    }
}

fn apart<S: Space>(scratch: &VectorMut<'_, u8, S>, state: &VectorMut<'_, u8, S>) -> Result<()> {
    let range =
        |bytes: &VectorMut<'_, u8, S>| bytes.as_ptr().addr()..bytes.as_ptr().addr() + bytes.len();
    let (scratch, state) = (range(scratch), range(state));
    if scratch.start.max(state.start) < scratch.end.min(state.end) {
        let expected = "memory apart from scratch";
        return Err(Failure::invalid("state", expected, "memory that overlaps it"));
    }
    Ok(())
}

/// Frees a workspace; NULL is none. Memory that was borrowed stays the caller's. Graphs that were captured with a
/// workspace need it as long as they are launched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_workspace_free(workspace: *mut cosmoe_workspace) -> cosmoe_status {
    // SAFETY: as the interface asks of its callers.
    guard(|| unsafe { handle::free("workspace", workspace) })
}
