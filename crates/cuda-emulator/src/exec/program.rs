//! The compact form that the executor runs: one kernel with every function it may call, its code in
//! one list, its basic blocks in an order in which the lowest program counter reconverges.

use crate::alu::Alu;
use crate::check::{Fence, Scope};
use crate::counts::Class;
use crate::ptx::ast::{Source, Type};
use crate::registers::{Bank, FrameSize, P, R32, R64, Slot};

/// A kernel, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) code: Vec<Inst>,
    /// Where each instruction stands, parallel to `code`.
    pub(crate) places: Vec<Place>,
    /// Functions of the module by their index there; None if the kernel cannot reach it.
    pub(crate) functions: Vec<Option<FunctionCode>>,
    /// Index of the entry in `functions`.
    pub(crate) entry: usize,
    pub(crate) bank: Bank,
    /// Where the module's constants lie: first address, and the one after the last.
    pub(crate) constants: Vec<(u64, u64)>,
    /// Offset and size of every entry parameter.
    pub(crate) params: Vec<(u32, u32)>,
    pub(crate) param_bytes: u32,
    /// Bytes of static shared memory; dynamic shared memory starts at its end, aligned to 16.
    pub(crate) static_shared: u32,
    pub(crate) max_threads: u32,
    pub(crate) required_threads: Option<[u32; 3]>,
    /// Values pass between warps or blocks other than through barriers: fences, volatile or
    /// acquiring accesses, atomics.
    pub(crate) communicates: bool,
    /// Shapes of mma.sync, by index in [`Op::Mma`].
    pub(crate) mma_names: Vec<String>,
}

/// Where an instruction stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) source: Option<Source>,
}

/// One function's code.
#[derive(Debug, Clone)]
pub(crate) struct FunctionCode {
    pub(crate) start: u32,
    pub(crate) frame: FrameSize,
    /// Bytes of local memory of a frame: depot, parameters, variables of calls.
    pub(crate) local: u32,
    /// Offset and size in the frame's local memory of each parameter and return value.
    pub(crate) params: Vec<(u32, u32)>,
    pub(crate) returns: Vec<(u32, u32)>,
}

/// An instruction: lanes whose guard is false do nothing.
#[derive(Debug, Clone)]
pub(crate) struct Inst {
    pub(crate) guard: Option<(P, bool)>,
    pub(crate) class: Class,
    pub(crate) op: Op,
}

/// State space of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Generic,
    Global,
    Shared,
    Local,
    /// Parameters of the entry.
    Param,
    Const,
}

/// The base of an address.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AddressBase {
    None,
    R32(R32),
    R64(R64),
    /// The current frame's local memory.
    Frame,
}

/// Base plus offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) base: AddressBase,
    pub(crate) offset: i64,
}

/// How strongly an access is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// None: weak.
    pub(crate) strong: Option<Scope>,
    pub(crate) acquire: bool,
    pub(crate) release: bool,
}

impl Order {
    pub(crate) const WEAK: Order = Order { strong: None, acquire: false, release: false };
}

/// A load or store, of a scalar or a vector.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) order: Order,
    pub(crate) address: Address,
    /// Bytes of one element.
    pub(crate) bytes: u32,
    /// Sign-extend loaded elements to `width` bits.
    pub(crate) signed: bool,
    /// The elements' registers: 1, 2 or 4.
    pub(crate) slots: Vec<Slot>,
    /// Declared width of the destination registers in bits, for extension.
    pub(crate) width: u32,
    /// Elements of 32 bits in 32-bit registers.
    pub(crate) words: bool,
    /// `ld.global.nc`: of memory that the launch does not write.
    pub(crate) read_only: bool,
}

/// What an atomic does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtomicOp {
    Add,
    Inc,
    Dec,
    Exchange,
    CompareSwap,
    And,
    Or,
    Xor,
    Min,
    Max,
}

/// An atomic operation.
#[derive(Debug, Clone)]
pub(crate) struct Atomic {
    pub(crate) space: Space,
    pub(crate) order: Order,
    pub(crate) address: Address,
    pub(crate) op: AtomicOp,
    pub(crate) ty: Type,
    /// None for `red`.
    pub(crate) dest: Option<Slot>,
    pub(crate) value: Slot,
    /// The value of a compare-and-swap that is stored; `value` is what is compared.
    pub(crate) swap: Option<Slot>,
}

/// Reduction of a barrier or of `redux`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    Add,
    Min { signed: bool },
    Max { signed: bool },
    And,
    Or,
    Xor,
}

/// What `bar.red` computes of the threads' predicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BarrierReduction {
    Popc(R32),
    And(P),
    Or(P),
}

/// A block barrier.
#[derive(Debug, Clone)]
pub(crate) struct Barrier {
    pub(crate) id: R32,
    /// Threads; None for all of the block.
    pub(crate) count: Option<R32>,
    /// `bar.arrive`: does not wait.
    pub(crate) arrive: bool,
    /// All lanes of the warp must execute it together.
    pub(crate) aligned: bool,
    pub(crate) reduction: Option<(BarrierReduction, P, bool)>,
}

/// `shfl.sync`
#[derive(Debug, Clone)]
pub(crate) struct Shuffle {
    pub(crate) mode: ShuffleMode,
    pub(crate) dest: R32,
    pub(crate) valid: Option<P>,
    pub(crate) value: R32,
    pub(crate) lane: R32,
    pub(crate) clamp: R32,
    pub(crate) members: R32,
}

/// Which lane a shuffle reads.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShuffleMode {
    Up,
    Down,
    Butterfly,
    Index,
}

/// What a vote gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Vote {
    All(P),
    Any(P),
    Uniform(P),
    Ballot(R32),
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) target: CallTarget,
    /// Offset and size in the caller's local frame of each argument.
    pub(crate) arguments: Vec<(u32, u32)>,
    /// Offset and size in the caller's local frame of each return value.
    pub(crate) returns: Vec<(u32, u32)>,
}

/// What is called.
#[derive(Debug, Clone)]
pub(crate) enum CallTarget {
    /// A function of the module by index.
    Function(u32),
    /// Through a register.
    Pointer(R64),
    /// `vprintf`
    Print,
    /// `__assertfail`
    AssertFail,
}

/// An mbarrier operation on a 64-bit object in shared memory.
#[derive(Debug, Clone)]
pub(crate) enum MBarrier {
    Init {
        count: R32,
    },
    Invalidate,
    /// Arrives with a count; gives the state before.
    Arrive {
        state: Option<R64>,
        count: Option<R32>,
        drop: bool,
    },
    /// True if the phase of `state` is complete.
    TestWait {
        done: P,
        state: R64,
    },
    /// True if the phase with this parity is complete.
    TestWaitParity {
        done: P,
        parity: R32,
    },
    /// An arrive that the thread's prior `cp.async` trigger.
    CopyArrive {
        increment: bool,
    },
}

/// `cp.async`
#[derive(Debug, Clone)]
pub(crate) struct AsyncCopy {
    pub(crate) shared: Address,
    pub(crate) shared_generic: bool,
    pub(crate) global: Address,
    pub(crate) bytes: u32,
    /// Bytes really read; the rest is zero.
    pub(crate) source_bytes: Option<R32>,
    /// Lanes where it holds read nothing.
    pub(crate) ignore: Option<(P, bool)>,
}

/// Operand types of a matrix product.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MmaKind {
    F16K16,
    F16K8,
    Bf16K16,
    Bf16K8,
}

/// A 64-bit or 32-bit special register that changes while a warp runs.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Low32(R32),
    High32(R32),
    Full(R64),
    GlobalTimer(R64),
    GlobalTimerLow(R32),
    GlobalTimerHigh(R32),
}

/// What an instruction does.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// A lane's own arithmetic.
    Alu(Box<Alu>),
    /// Go on elsewhere; stands for a fall-through, and is not counted.
    Jump(u32),
    Branch(u32),
    BranchTable {
        index: R32,
        targets: Vec<u32>,
    },
    Call(Box<Call>),
    Return,
    Exit,
    Trap,
    /// No effect that a program can see: prefetch, nanosleep, pragma.
    Nothing,
    /// Address of the frame's local memory plus an offset, generic or in local space.
    FrameAddress {
        dest: Slot,
        offset: i64,
        generic: bool,
    },
    /// Adds a constant to an address: `cvta`.
    Convert {
        dest: Slot,
        value: Slot,
        add: i64,
    },
    IsSpace {
        dest: P,
        address: R64,
        space: Space,
    },
    Load(Box<Access>),
    Store(Box<Access>),
    Atomic(Box<Atomic>),
    AsyncCopy(Box<AsyncCopy>),
    AsyncCommit,
    /// Waits until at most `n` groups are pending; None: nothing at all is.
    AsyncWait(Option<u32>),
    LoadMatrix {
        dests: Vec<R32>,
        address: Address,
        generic: bool,
        transposed: bool,
    },
    Mma {
        kind: MmaKind,
        name: u32,
        d: [R32; 4],
        a: [R32; 4],
        b: [R32; 2],
        c: [R32; 4],
    },
    Barrier(Box<Barrier>),
    WarpBarrier {
        members: R32,
    },
    Fence(Fence),
    Shuffle(Box<Shuffle>),
    Vote {
        vote: Vote,
        value: P,
        negated: bool,
        members: R32,
    },
    /// Lanes with the same value; `all` gives a predicate too and zero if they differ.
    Match {
        dest: R32,
        all: Option<Option<P>>,
        value: Slot,
        members: R32,
    },
    Redux {
        op: Reduction,
        dest: R32,
        value: R32,
        members: R32,
    },
    ActiveMask(R32),
    MBarrier {
        op: Box<MBarrier>,
        address: Address,
        generic: bool,
    },
    Clock(Clock),
    /// Stack allocation of as many bytes, aligned.
    Alloca {
        dest: Slot,
        bytes: Slot,
        align: u32,
    },
    StackSave(Slot),
    StackRestore(Slot),
}
