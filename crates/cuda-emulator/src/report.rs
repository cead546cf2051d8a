//! What the emulated device finds wrong with a launch, and where.

/// CUDA's own codes for what a finding ends in.
#[allow(missing_docs)]
pub mod code {
    pub const INVALID_VALUE: i32 = 1;
    pub const OUT_OF_MEMORY: i32 = 2;
    pub const INVALID_IMAGE: i32 = 200;
    pub const INVALID_PTX: i32 = 218;
    pub const NOT_FOUND: i32 = 500;
    pub const ILLEGAL_ADDRESS: i32 = 700;
    pub const LAUNCH_OUT_OF_RESOURCES: i32 = 701;
    pub const LAUNCH_TIMEOUT: i32 = 702;
    pub const ASSERT: i32 = 710;
    pub const ILLEGAL_INSTRUCTION: i32 = 715;
    pub const MISALIGNED_ADDRESS: i32 = 716;
    pub const LAUNCH_FAILED: i32 = 719;
    pub const COOPERATIVE_LAUNCH_TOO_LARGE: i32 = 720;
    pub const NOT_SUPPORTED: i32 = 801;
}

/// What kind of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Outside every allocation, the block's shared memory or the thread's local memory.
    OutOfBounds,
    /// In an allocation that was freed.
    UseAfterFree,
    /// Not a multiple of the access's size.
    Misaligned,
    /// Read of bytes that nothing has written.
    Uninitialised,
    /// Two accesses of which one writes, ordered by nothing.
    Race,
    /// Two accesses from two streams that nothing orders.
    StreamRace,
    /// Data of a `cp.async` read, or its target overwritten, before a wait.
    AsyncCopyNotWaited,
    /// A barrier or warp-synchronous operation that some named lanes never reach.
    Barrier,
    /// A warp-synchronous operation with operands the PTX manual forbids (lane not in its own mask).
    WarpSync,
    /// More instructions than the budget, or nothing left that can run.
    Hang,
    /// A failed device assertion.
    Assertion,
    /// `trap`, a corrupt call.
    Trap,
    /// A use that the emulated device does not model.
    Unsupported,
}

impl Kind {
    /// The code that the launch fails with.
    pub fn code(self) -> i32 {
        match self {
            Kind::OutOfBounds | Kind::UseAfterFree => code::ILLEGAL_ADDRESS,
            Kind::Misaligned => code::MISALIGNED_ADDRESS,
            Kind::Hang => code::LAUNCH_TIMEOUT,
            Kind::Assertion => code::ASSERT,
            _ => code::LAUNCH_FAILED,
        }
    }

    /// A short name: `out of bounds`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OutOfBounds => "out of bounds",
            Kind::UseAfterFree => "use after free",
            Kind::Misaligned => "misaligned",
            Kind::Uninitialised => "uninitialised read",
            Kind::Race => "race",
            Kind::StreamRace => "race between streams",
            Kind::AsyncCopyNotWaited => "cp.async not waited for",
            Kind::Barrier => "barrier not reached by all",
            Kind::WarpSync => "warp operation misused",
            Kind::Hang => "hang",
            Kind::Assertion => "assertion",
            Kind::Trap => "trap",
            Kind::Unsupported => "unsupported",
        }
    }
}

/// A mistake as those who check see it: which lane, what. Where in the PTX is added above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of mistake.
    pub kind: Kind,
    /// Lane of the warp whose access it is.
    pub lane: u32,
    /// One sentence with addresses, sizes, the allocation, the other access and its thread.
    pub detail: String,
    /// Program counter of the earlier access or its stretch, if known; becomes a PTX line above.
    pub other_pc: Option<u32>,
}

/// A finding with its place. `Display` is the readable report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What kind of mistake.
    pub kind: Kind,
    /// The code that the call fails with.
    pub code: i32,
    /// Kernel; empty for a copy or memset.
    pub kernel: String,
    /// Line of the PTX text, from 1; 0 if none.
    pub ptx_line: u32,
    /// The instruction's text there.
    pub instruction: String,
    /// `file.cu:12`, where there is -lineinfo.
    pub source: Option<String>,
    /// Where that was inlined: the same of the outermost call, in the kernel itself.
    pub inlined_at: Option<String>,
    /// Block index.
    pub block: [u32; 3],
    /// Thread index in the block.
    pub thread: [u32; 3],
    /// The finding's sentence.
    pub detail: String,
    /// PTX line (and source) of the other access, if known.
    pub other: Option<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)?;
        if !self.kernel.is_empty() {
            let ([bx, by, bz], [tx, ty, tz]) = (self.block, self.thread);
            write!(
                f,
                "\n  kernel {}, block ({bx},{by},{bz}), thread ({tx},{ty},{tz})",
                self.kernel
            )?;
        }
        if self.ptx_line > 0 {
            write!(f, "\n  PTX line {}: {}", self.ptx_line, self.instruction)?;
        }
        if let Some(source) = &self.source {
            write!(f, "\n  source {source}")?;
            if let Some(call) = &self.inlined_at {
                write!(f, ", inlined at {call}")?;
            }
        }
        if let Some(other) = &self.other {
            write!(
                f,
                "\n  the other access, there or before its thread next synchronises: {other}"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
