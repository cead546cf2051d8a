//! What a launch did, counted: exact, repeatable, additive.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts of one launch, or a sum of several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Kernel name; of a sum, empty.
    pub kernel: String,
    /// Blocks run.
    pub blocks: u64,
    /// Warps run.
    pub warps: u64,
    /// Warp instructions by class ([`Class::name`]).
    pub warp_instructions: BTreeMap<&'static str, u64>,
    /// Thread instructions by class: one for each active lane whose guard holds.
    pub thread_instructions: BTreeMap<&'static str, u64>,
    /// 32-byte sectors of global memory that warps asked for, reads.
    pub read_sectors: u64,
    /// The same for writes and atomics.
    pub write_sectors: u64,
    /// Distinct bytes of global memory read.
    pub read_bytes: u64,
    /// Distinct bytes of global memory written.
    pub written_bytes: u64,
    /// Shared-memory wavefronts.
    pub shared_wavefronts: u64,
    /// Wavefronts beyond what the same accesses need without bank conflicts.
    pub bank_conflicts: u64,
    /// Atomic operations on global memory (lanes).
    pub global_atomics: u64,
    /// Atomic operations on shared memory (lanes).
    pub shared_atomics: u64,
    /// Barriers of a block that a warp arrived at.
    pub barriers: u64,
    /// mma.sync by shape and types: `m16n8k16.f32.bf16`.
    pub mma: BTreeMap<String, u64>,
    /// Branches at which the lanes of a warp went different ways.
    pub divergent_branches: u64,
}

/// Class of an instruction, for counting.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    Integer,
    Float32,
    Float16,
    Float64,
    Special,
    Convert,
    Move,
    Predicate,
    Load,
    Store,
    Atomic,
    AsyncCopy,
    Matrix,
    LoadMatrix,
    Warp,
    Barrier,
    Fence,
    Control,
    Other,
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 19] = [
        Class::Integer,
        Class::Float32,
        Class::Float16,
        Class::Float64,
        Class::Special,
        Class::Convert,
        Class::Move,
        Class::Predicate,
        Class::Load,
        Class::Store,
        Class::Atomic,
        Class::AsyncCopy,
        Class::Matrix,
        Class::LoadMatrix,
        Class::Warp,
        Class::Barrier,
        Class::Fence,
        Class::Control,
        Class::Other,
    ];

    /// The name in counts and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Class::Integer => "integer",
            Class::Float32 => "f32",
            Class::Float16 => "f16",
            Class::Float64 => "f64",
            Class::Special => "special-function",
            Class::Convert => "convert",
            Class::Move => "move",
            Class::Predicate => "predicate",
            Class::Load => "load",
            Class::Store => "store",
            Class::Atomic => "atomic",
            Class::AsyncCopy => "async-copy",
            Class::Matrix => "mma",
            Class::LoadMatrix => "ldmatrix",
            Class::Warp => "warp",
            Class::Barrier => "barrier",
            Class::Fence => "fence",
            Class::Control => "control",
            Class::Other => "other",
        }
    }
}
