//! Which modifiers and how many operands the instructions that are no arithmetic may have. Looked at
//! before they are lowered, so that no part of an instruction is ever ignored.

use std::ops::RangeInclusive;

use crate::ptx::ast::{Inst, Refusal, Type};
use crate::registers::refuse;

/// What an instruction may have beside its opcode.
struct Form {
    modifiers: &'static [&'static [&'static str]],
    /// Whether any type may be among the modifiers.
    typed: bool,
    operands: RangeInclusive<usize>,
}

const SPACES: &[&str] =
    &["global", "shared", "shared::cta", "local", "param", "param::entry", "param::func", "const"];
const SHARED: &[&str] = &["shared", "shared::cta"];
const SCOPES: &[&str] = &["cta", "gpu", "sys"];
/// Hints to the caches, which change no value.
const HINTS: &[&str] = &[
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L1::no_allocate",
    "L2::evict_normal",
    "L2::evict_first",
    "L2::evict_last",
    "L2::cache_hint",
    "L2::64B",
    "L2::128B",
    "L2::256B",
];
const COPY_HINTS: &[&str] = &["L2::cache_hint", "L2::64B", "L2::128B", "L2::256B"];
const LOADS: &[&str] =
    &["weak", "volatile", "relaxed", "acquire", "unified", "ca", "cg", "cs", "lu", "cv", "nc"];
const STORES: &[&str] = &["weak", "volatile", "relaxed", "release", "wb", "cg", "cs", "wt"];
const VECTORS: &[&str] = &["v2", "v4"];
const ATOMICS: &[&str] = &["relaxed", "acquire", "release", "acq_rel", "noftz", "L2::cache_hint"];
const OPERATIONS: &[&str] = &["add", "inc", "dec", "exch", "cas", "and", "or", "xor", "min", "max"];
const GLOBAL_OR_SHARED: &[&str] = &["global", "shared", "shared::cta"];
const POLICIES: &[&str] = &[
    "fractional",
    "range",
    "global",
    "cvt",
    "L2",
    "L2::evict_last",
    "L2::evict_normal",
    "L2::evict_first",
    "L2::evict_unchanged",
    "b64",
];

/// Refuses modifiers that the instruction does not have here, and operands too few or too many.
pub(super) fn check(inst: &Inst) -> Result<(), Refusal> {
    let Some(form) = form(inst) else { return Ok(()) };
    for modifier in &inst.modifiers {
        let known = form.modifiers.iter().any(|list| list.contains(&modifier.as_str()))
            || (form.typed && Type::from_name(modifier).is_some());
        if !known {
            return Err(refuse(inst, format!("the modifier .{modifier} is not implemented")));
        }
    }
    if !form.operands.contains(&inst.operands.len()) {
        let (least, most) = form.operands.into_inner();
        let why = format!("{} operands where {least} to {most} belong", inst.operands.len());
        return Err(refuse(inst, why));
    }
    Ok(())
}

/// None for arithmetic, which takes its modifiers one by one.
fn form(inst: &Inst) -> Option<Form> {
    let of = |modifiers, operands| Some(Form { modifiers, typed: false, operands });
    let typed = |modifiers, operands| Some(Form { modifiers, typed: true, operands });
    match inst.opcode.as_str() {
        "ld" | "ldu" => typed(&[LOADS, SPACES, SCOPES, HINTS, VECTORS], 2..=3),
        "st" => typed(&[STORES, SPACES, SCOPES, HINTS, VECTORS], 2..=3),
        "atom" => typed(&[ATOMICS, OPERATIONS, GLOBAL_OR_SHARED, SCOPES], 3..=5),
        "red" => typed(&[ATOMICS, OPERATIONS, GLOBAL_OR_SHARED, SCOPES], 2..=3),
        "cp" => copy(inst),
        "cvta" => of(&[&["to", "u32", "u64"], SPACES], 2..=2),
        "isspacep" => of(&[SPACES], 2..=2),
        "membar" => of(&[&["cta", "gl", "sys"]], 0..=0),
        "fence" => of(&[&["sc", "acq_rel"], SCOPES], 0..=0),
        "mbarrier" => of(
            &[
                &["init", "inval", "arrive", "arrive_drop", "test_wait", "parity", "noComplete"],
                &["release", "acquire", "cta", "b64"],
                SHARED,
            ],
            1..=3,
        ),
        "alloca" => of(&[&["u32", "u64"]], 2..=3),
        "stacksave" | "stackrestore" => of(&[&["u32", "u64"]], 1..=1),
        "ldmatrix" => {
            of(&[&["sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "b16"], SHARED], 2..=2)
        }
        "bar" | "barrier" => barrier(inst),
        "shfl" => of(&[&["sync", "up", "down", "bfly", "idx", "b32"]], 5..=5),
        "vote" => of(&[&["sync", "all", "any", "uni", "ballot", "pred", "b32"]], 3..=3),
        "match" => of(&[&["sync", "all", "any", "b32", "b64"]], 3..=3),
        "redux" => {
            of(&[&["sync", "add", "min", "max", "and", "or", "xor", "u32", "s32", "b32"]], 3..=3)
        }
        "activemask" => of(&[&["b32"]], 1..=1),
        "bra" => of(&[&["uni"]], 1..=1),
        "brx" => of(&[&["idx", "uni"]], 2..=2),
        "call" => of(&[&["uni"]], 1..=4),
        "ret" => of(&[&["uni"]], 0..=0),
        "exit" | "trap" | "brkpt" => of(&[], 0..=0),
        "prefetch" => {
            of(&[&["global", "local", "L1", "L2", "L2::evict_last", "L2::evict_normal"]], 1..=1)
        }
        "prefetchu" => of(&[&["L1"]], 1..=1),
        "applypriority" => of(&[&["global", "L2::evict_normal"]], 2..=2),
        "nanosleep" => of(&[&["u32"]], 1..=1),
        "pmevent" => of(&[&["mask"]], 1..=1),
        "createpolicy" => of(&[POLICIES], 2..=5),
        _ => None,
    }
}

fn copy(inst: &Inst) -> Option<Form> {
    let (modifiers, operands): (&[&[&str]], _) = if inst.has("commit_group") {
        (&[&["async", "commit_group"]], 0..=0)
    } else if inst.has("wait_all") {
        (&[&["async", "wait_all"]], 0..=0)
    } else if inst.has("wait_group") {
        (&[&["async", "wait_group"]], 1..=1)
    } else if inst.has("mbarrier") {
        (&[&["async", "mbarrier", "arrive", "noinc", "b64"], SHARED], 1..=1)
    } else {
        (&[&["async", "ca", "cg", "global"], SHARED, COPY_HINTS], 3..=5)
    };
    Some(Form { modifiers, typed: false, operands })
}

fn barrier(inst: &Inst) -> Option<Form> {
    let (modifiers, operands): (&[&[&str]], _) = if inst.has("warp") {
        (&[&["warp", "sync"]], 1..=1)
    } else if inst.has("red") {
        (&[&["cta", "red", "aligned", "popc", "and", "or", "u32", "pred"]], 3..=4)
    } else {
        (&[&["cta", "sync", "arrive", "aligned"]], 1..=2)
    };
    Some(Form { modifiers, typed: false, operands })
}
