//! `cargo xtask test`: everything that must pass.

use crate::run::{Result, Steps, cargo, execute, execute_all, target_dir};
use crate::{budget, emulate, examples, manifests, readme};

/// Release builds: routing without optimisation takes minutes.
const TESTS: &[&str] = &["test", "--workspace", "--release", "--tests"];
const DOC_TESTS: &[&str] =
    &["test", "--package", "cosmoe", "--package", "cosmoe-candle", "--release", "--doc"];
const CUDA_TESTS: &[&str] = &["test", "--package", "cosmoe", "--release", "--test", "cuda"];
const C_TESTS: &[&str] = &["test", "--package", "cosmoe-capi", "--release", "--tests"];
/// With the checks of handles that builds with debug assertions have.
const C_CHECKED: &[&str] = &[
    "test",
    "--package",
    "cosmoe-capi",
    "--release",
    "--test",
    "abi",
    "--config",
    "profile.release.package.cosmoe-capi.debug-assertions=true",
];
const NO_DEFAULTS: &[&str] = &["check", "--package", "cosmoe", "--no-default-features", "--lib"];

pub(crate) fn test(all: bool) -> Result<()> {
    let mut steps = Steps::new("test");
    steps.run("kernels for every architecture", budget::kernels)?;
    steps.command("build without default features", &mut command(NO_DEFAULTS, all))?;
    steps.command("unit, integration and command-line tests", &mut command(TESTS, all))?;
    steps.run("CUDA tests on the emulated device", || on_the_emulated_device(all))?;
    steps.run("the C interface on the emulated device", || {
        let mut tests = command(C_TESTS, all);
        emulate::prepare(&mut tests)?;
        // The second is for workspaces and tensors of another one.
        tests.env("CUDA_EMULATOR_DEVICES", "2");
        execute(&mut tests)
    })?;
    steps.command("the C interface, handles checked", &mut command(C_CHECKED, all))?;
    steps.command("doc tests", &mut command(DOC_TESTS, all))?;
    steps.run("the examples", examples::check)?;
    steps.run("the README's commands", readme::check)?;
    steps.run("the documentation's manifests", manifests::check)?;
    if all {
        let mut checked = command(TESTS, all);
        checked
            .arg("--target-dir")
            .arg(target_dir().join("checked"))
            .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
            .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
        steps.command("tests with overflow checks and debug assertions", &mut checked)?;
    }
    steps.finish();
    Ok(())
}

/// The capabilities whose limits and tensor cores differ: first those of every run, by shared memory
/// a block may have (163, 99 and 227 KiB) and rounding (Ampere's, Ampere's, Hopper's).
const CAPABILITIES: [&str; 6] = ["8.0", "8.6", "9.0", "8.9", "10.0", "12.0"];

/// The CUDA backend's tests under several orders of blocks and warps, and on the devices that the
/// kernels are built for: neither may change a result.
fn on_the_emulated_device(all: bool) -> Result<()> {
    let runs = if all { 18 } else { 3 };
    let mut tests = command(CUDA_TESTS, all);
    // Built before: two of them at a time would wait for each other.
    execute(tests.arg("--no-run"))?;
    let run = |(seed, capability): (usize, &&str)| {
        let mut tests = command(CUDA_TESTS, all);
        emulate::prepare(&mut tests)?;
        tests.env("CUDA_EMULATOR_SEED", seed.to_string());
        tests.env("CUDA_EMULATOR_CAPABILITY", capability);
        // The second is for the test of memory that another device owns.
        tests.env("CUDA_EMULATOR_DEVICES", "2");
        Ok((format!("seed {seed}, compute capability {capability}"), tests))
    };
    let runs = CAPABILITIES.iter().cycle().take(runs).enumerate().map(run);
    execute_all(runs.collect::<Result<_>>()?)
}

fn command(args: &[&'static str], all: bool) -> std::process::Command {
    let mut command = cargo(args.iter().copied());
    if all {
        command.env("COSMOE_TEST_ALL", "1");
    }
    command
}
