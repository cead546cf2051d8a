//! `cargo xtask lint`: format, clippy, docs, dependencies.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failure, Result, Steps, cargo, execute, root};
use crate::toolkit::toolkit;
use crate::{candle, fuzz, tools};

pub(crate) fn lint(advisories: bool) -> Result<()> {
    let mut steps = Steps::new("lint");
    steps.command("format", &mut cargo(["fmt", "--all", "--check"]))?;
    steps.command("format of the fuzz targets", &mut fuzz::format())?;
    steps.run("kernels' lines", kernel_lines)?;
    steps.run("toolkit", || toolkit().map(drop))?;
    steps.command("clippy", &mut clippy(&[]))?;
    steps.command("clippy without default features", &mut clippy(&["--no-default-features"]))?;
    steps.run("clippy of the candle adapter's CUDA path", candle::clippy)?;
    steps.command("clippy of the fuzz targets", &mut fuzz::clippy())?;
    let mut docs = cargo(["doc", "--workspace", "--no-deps"]);
    steps.command("docs", docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.run("dependencies", || dependencies(advisories))?;
    steps.finish();
    Ok(())
}

/// Columns of a line of a kernel's source, which no formatter keeps.
const COLUMNS: usize = 120;

/// No line of a kernel's source is too long, or ends with a blank.
fn kernel_lines() -> Result<()> {
    let mut wrong = Vec::new();
    for path in sources(&root().join("kernels"))? {
        for (number, line) in read(&path)?.lines().enumerate() {
            if line.chars().count() > COLUMNS || line.ends_with(' ') || line.contains('\t') {
                let path = path.strip_prefix(root()).unwrap_or(&path);
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let what = format!("longer than {COLUMNS}, or with a tab or a blank at the end");
    Err(Failure::new(format!("{what}: {}", wrong.join(", "))))
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    let failed = |error| Failure::new(format!("{}: {error}", path.display()));
    std::fs::read_to_string(path).map_err(failed)
}

fn clippy(features: &[&'static str]) -> Command {
    let mut command = cargo(["clippy", "--workspace", "--all-targets"]);
    command.args(features).args(["--", "-D", "warnings"]);
    command
}

fn dependencies(advisories: bool) -> Result<()> {
    let deny = tools::cargo_deny()?;
    let advisories: &[&str] = if advisories { &["advisories"] } else { &[] };
    let mut command = Command::new(&deny);
    command.current_dir(root()).args(["--workspace", "--all-features", "--locked", "check"]);
    // The exception is for the fuzz targets alone.
    command.args(["--allow", "license-exception-not-encountered"]);
    execute(command.args(["bans", "licenses", "sources"]).args(advisories))?;
    let mut command = Command::new(&deny);
    command.current_dir(root()).arg("--manifest-path").arg(fuzz::manifest());
    command.args(["--config", "deny.toml", "--locked", "check"]);
    // They need but few of the licences that all the rest does.
    command.args(["--allow", "license-not-encountered"]);
    execute(command.args(["licenses", "sources"]).args(advisories))
}
