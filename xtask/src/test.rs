//! `cargo xtask test`: everything that must pass.

use crate::run::{Result, Steps, cargo, target_dir};
use crate::{budget, readme};

/// Release builds: routing without optimisation takes minutes.
const TESTS: &[&str] = &["test", "--workspace", "--release", "--tests"];
const DOC_TESTS: &[&str] = &["test", "--package", "cosmoe", "--release", "--doc"];
const NO_DEFAULTS: &[&str] = &["check", "--package", "cosmoe", "--no-default-features", "--lib"];

pub(crate) fn test(all: bool) -> Result<()> {
    let mut steps = Steps::new("test");
    steps.run("kernels for every architecture", budget::kernels)?;
    steps.command("build without default features", &mut command(NO_DEFAULTS, all))?;
    steps.command("unit, integration and command-line tests", &mut command(TESTS, all))?;
    steps.command("doc tests", &mut command(DOC_TESTS, all))?;
    steps.run("the README's commands", readme::check)?;
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

fn command(args: &[&'static str], all: bool) -> std::process::Command {
    let mut command = cargo(args.iter().copied());
    if all {
        command.env("COSMOE_TEST_ALL", "1");
    }
    command
}
