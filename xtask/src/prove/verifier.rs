//! Brings SentryWard and runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Failure, Result, root, target_dir};

/// Also in tools/sentryward.txt.
const VERSION: &str = "0.1.1";

/// Seconds for one run.
const TIMEOUT: u32 = 60;

/// An installed SentryWard.
pub(super) struct Verifier {
    folder: PathBuf,
}

impl Verifier {
    /// The one under target/tools, else a fresh one there.
    pub(super) fn bring() -> Result<Self> {
        let tools = target_dir().join("tools");
        let folder = tools.join(format!("sentryward-{VERSION}"));
        if !folder.exists() {
            println!("bringing SentryWard {VERSION} from PyPI to {}", folder.display());
            let fresh = tools.join("sentryward.partial");
            let renamed = remove(&fresh)
                .and_then(|()| install(&fresh))
                .and_then(|()| std::fs::rename(&fresh, &folder).map_err(|error| error.to_string()));
            renamed.map_err(|why| Failure::new(format!("SentryWard cannot be brought: {why}")))?;
        }
        Ok(Self { folder })
    }

    /// SentryWard's report on one launch. `input` is left where the messages of a failure can name it.
    pub(super) fn run(&self, ptx: &Path, input: &Path, text: &Value) -> Result<Value, String> {
        std::fs::write(input, format!("{text:#}")).map_err(|error| error.to_string())?;
        let mut command = Command::new("python3");
        command.args(["-m", "sentryward"]).arg(ptx).arg("--input").arg(input);
        command.args(["--timeout", &TIMEOUT.to_string()]).env("PYTHONPATH", &self.folder);
        let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let says = String::from_utf8_lossy(&output.stderr);
            format!("no report ({error}): {}", says.lines().last().unwrap_or(""))
        })
    }
}

fn install(to: &Path) -> Result<(), String> {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--no-deps", "--only-binary", ":all:", "--require-hashes"]);
    command.arg("--requirement").arg(root().join("xtask/tools/sentryward.txt"));
    command.arg("--target").arg(to);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&output.stderr);
    let last = says.lines().rev().find(|line| !line.trim().is_empty());
    Err(last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned()))
}

fn remove(folder: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}
