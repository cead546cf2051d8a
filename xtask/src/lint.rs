//! `cargo xtask lint`: format, clippy, docs, dependencies.

use std::process::Command;

use crate::run::{Result, Steps, cargo, execute, root};
use crate::toolkit::toolkit;
use crate::tools;

pub(crate) fn lint(advisories: bool) -> Result<()> {
    let mut steps = Steps::new("lint");
    steps.command("format", &mut cargo(["fmt", "--all", "--check"]))?;
    steps.run("toolkit", || toolkit().map(drop))?;
    steps.command("clippy", &mut clippy(&[]))?;
    steps.command("clippy without default features", &mut clippy(&["--no-default-features"]))?;
    let mut docs = cargo(["doc", "--workspace", "--no-deps"]);
    steps.command("docs", docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.run("dependencies", || dependencies(advisories))?;
    steps.finish();
    Ok(())
}

fn clippy(features: &[&'static str]) -> Command {
    let mut command = cargo(["clippy", "--workspace", "--all-targets"]);
    command.args(features).args(["--", "-D", "warnings"]);
    command
}

fn dependencies(advisories: bool) -> Result<()> {
    let mut command = Command::new(tools::cargo_deny()?);
    command.current_dir(root()).args(["--all-features", "--locked", "check"]);
    command.args(["bans", "licenses", "sources"]);
    if advisories {
        command.arg("advisories");
    }
    execute(&mut command)
}
