//! The wrong kernels of the emulated device's tests, crates/cuda-emulator/tests/wrong, and their right
//! twins: what SentryWard must find of them, and what it cannot.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::input::{Input, Numbers, Scalar};
use super::{Expected, Job, layout};
use crate::kernels::compiler::Nvcc;
use crate::run::{Failure, Result, execute, root, target_dir};

/// What SentryWard makes of a pair of kernels.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// The wrong one is found at its line, the right one proved.
    Both,
    /// The wrong one is found, the right one is beyond it.
    WrongOnly,
    /// The wrong one is beyond it, the right one proved.
    RightOnly,
    /// The right one is proved, and so is the wrong one.
    Missed,
    /// Both are beyond it: atomics, flags, waiting loops.
    Neither,
}

/// A pair: its name, blocks, threads, what is known, numbers for its scalars.
type Pair = (&'static str, u32, u32, Known, &'static [(&'static str, i64)]);

const SHARED_RACES: &[Pair] = &[
    ("before_use", 1, 128, Known::Both, &[]),
    ("before_reuse", 1, 128, Known::Both, &[]),
    ("write_after_reads", 1, 128, Known::Both, &[]),
    ("two_writers", 1, 128, Known::Both, &[("value", 9)]),
    ("within_warp", 1, 32, Known::Both, &[]),
    ("shuffle_is_no_fence", 1, 32, Known::Both, &[]),
    ("half_warp", 1, 32, Known::Both, &[]),
    ("named_barrier", 1, 128, Known::Both, &[]),
    ("arrives_early", 1, 64, Known::Both, &[]),
    ("neighbours", 1, 128, Known::Both, &[]),
    ("atomic_beside_store", 1, 128, Known::Neither, &[]),
];

const ASYNC: &[Pair] = &[
    ("own_copy", 1, 32, Known::Both, &[]),
    ("barrier_is_no_wait", 1, 32, Known::Both, &[]),
    ("wait_is_no_barrier", 1, 128, Known::Both, &[]),
    ("one_group_too_few", 1, 32, Known::Both, &[]),
    ("not_committed", 1, 32, Known::Both, &[]),
    ("overwritten", 1, 32, Known::Both, &[]),
    ("target_reused", 1, 128, Known::Both, &[("steps", 5)]),
    ("phase_not_awaited", 1, 128, Known::WrongOnly, &[]),
    ("copies_not_counted", 1, 32, Known::Neither, &[]),
];

const GRID: &[Pair] = &[
    ("last_block_release", 6, 64, Known::Neither, &[]),
    ("last_block_acquire", 6, 64, Known::Neither, &[]),
    ("fences_of_all", 6, 64, Known::Neither, &[]),
    ("block_fence", 6, 32, Known::Neither, &[]),
    ("block_atomic", 4, 32, Known::Neither, &[]),
    ("flag", 2, 32, Known::Neither, &[]),
    ("plain_flag", 2, 32, Known::Neither, &[]),
    ("atomic_and_plain", 4, 32, Known::Neither, &[]),
    ("plain_counter", 4, 32, Known::WrongOnly, &[]),
    ("overlapping_tiles", 4, 32, Known::Both, &[("tile", 100)]),
    ("byte_neighbours", 4, 32, Known::Both, &[]),
    // Two pointers to one buffer cannot be said to it.
    ("read_only", 1, 32, Known::Missed, &[]),
    ("look_back", 12, 32, Known::Neither, &[]),
    ("counter_kept", 6, 32, Known::Neither, &[]),
    ("two_streams", 1, 32, Known::Neither, &[]),
];

const CONTROL: &[Pair] = &[
    ("divergent_barrier", 1, 64, Known::Both, &[]),
    // It takes two barriers of one number for the same.
    ("two_barriers", 1, 64, Known::Missed, &[("odd", 1)]),
    ("crossed_barriers", 1, 64, Known::Both, &[]),
    ("shuffle_of_some", 1, 32, Known::RightOnly, &[("n", 20)]),
    ("syncwarp_of_half", 1, 32, Known::RightOnly, &[]),
    ("ballot_in_loop", 1, 32, Known::RightOnly, &[]),
    ("not_in_own_mask", 1, 32, Known::RightOnly, &[]),
    ("redux_outside", 1, 32, Known::RightOnly, &[]),
];

/// Every pair, wrong and right.
pub(super) fn jobs(nvcc: &Nvcc) -> Result<Vec<Job>> {
    let families =
        [("shared_races", SHARED_RACES), ("async", ASYNC), ("grid", GRID), ("control", CONTROL)];
    let mut jobs = Vec::new();
    for (family, pairs) in families {
        let file = root().join(format!("crates/cuda-emulator/tests/wrong/{family}.cu"));
        let source = std::fs::read_to_string(&file);
        let source =
            source.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let ptx = compile(nvcc, &file, family)?;
        for pair in pairs {
            let both = [true, false].map(|wrong| job(&source, &ptx, pair, wrong));
            for job in both {
                let because = |why| Failure::new(format!("{family}.cu: {}: {why}", pair.0));
                jobs.push(job.map_err(because)?);
            }
        }
    }
    Ok(jobs)
}

fn compile(nvcc: &Nvcc, source: &Path, family: &str) -> Result<PathBuf> {
    let folder = target_dir().join("prove");
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let ptx = folder.join(format!("wrong-{family}.ptx"));
    let mut command = Command::new(&nvcc.path);
    command.args(["--ptx", "-arch=compute_80", "-lineinfo", "-fmad=false", "-std=c++17"]);
    execute(command.arg(source).arg("-o").arg(&ptx))?;
    Ok(ptx)
}

fn job(source: &str, ptx: &Path, pair: &Pair, wrong: bool) -> Result<Job, String> {
    let &(name, blocks, threads, known, numbers) = pair;
    let entry = format!("{name}_{}", if wrong { "wrong" } else { "right" });
    let scalars = numbers.iter().map(|&(name, value)| (name, Scalar::Whole(value))).collect();
    let numbers = Numbers { scalars, arrays: Vec::new() };
    let mut input = Input::new(&entry, [blocks, 1, 1], threads, 0);
    for (index, field) in parameters(source, name)?.iter().enumerate() {
        input.add(index, field, &numbers)?;
    }
    let expected = match (known, wrong) {
        (Known::Both | Known::WrongOnly, true) => Expected::Finding(marked(source, name)),
        (Known::Missed, true) => Expected::Missed,
        (Known::Both | Known::RightOnly | Known::Missed, false) => Expected::RaceFree,
        (Known::RightOnly, true) | (Known::WrongOnly, false) | (Known::Neither, _) => {
            Expected::Unsupported
        }
    };
    Ok(Job { name: entry, ptx: ptx.to_path_buf(), input, ways: false, expected })
}

/// From `PAIR(name, (parameters), ...)`.
fn parameters(source: &str, name: &str) -> Result<Vec<layout::Field>, String> {
    let start = format!("PAIR({name}, (");
    let (_, after) = source.split_once(&start).ok_or("no PAIR")?;
    let (list, _) = after.split_once(')').ok_or("a PAIR without parameters")?;
    layout::of_parameters(list)
}

/// Lines with a mark `(name)`: `caught: race (name)`, or `the other access of (name)`.
fn marked(source: &str, name: &str) -> Vec<u32> {
    let mark = format!("({name})");
    let has = |line: &str| line.split_once("// ").is_some_and(|(_, note)| note.contains(&mark));
    (1..).zip(source.lines()).filter(|(_, line)| has(line)).map(|(number, _)| number).collect()
}
