//! What the CUDA programs of these tests need: nvcc, a device to run on, random inputs.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

pub mod compile;
pub mod device;
pub mod random;
pub mod source;

use cuda_emulator::config::Config;

/// Is a program of this crate's tests run with few seeds or with many?
pub fn seeds() -> u64 {
    if std::env::var_os("COSMOE_TEST_ALL").is_some() { 24 } else { 3 }
}

/// Warp instructions that no program here comes near: a hang is found soon.
const BUDGET: u64 = 20_000_000;

/// What a program is run as: several orders of warps and blocks with all checks, once without
/// checks, once with as few blocks at a time as it can stand.
pub fn configurations(least_resident: u32) -> Vec<Config> {
    let mut all: Vec<Config> =
        (0..seeds()).map(|seed| Config { seed, ..Config::default() }).collect();
    all.push(Config { seed: 100, checks: false, counts: false, ..Config::default() });
    all.push(Config { seed: 101, resident_blocks: least_resident, ..Config::default() });
    all.iter_mut().for_each(|config| config.budget = BUDGET);
    all
}
