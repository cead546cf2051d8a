//! `cargo xtask package`: what `cargo package` puts into the library's archive builds by itself, with and
//! without nvcc, and what it puts into those of its dependents compiles.

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::run::{Failure, Result, Steps, cannot_start, cargo, execute, target_dir, version};
use crate::toolkit::toolkit;

/// What is published, in that order: the library, then what depends on it.
const LIBRARY: &str = "cosmoe";
const DEPENDENTS: [&str; 2] = ["cosmoe-capi", "cosmoe-candle"];

pub(crate) fn package() -> Result<()> {
    let mut steps = Steps::new("package");
    let mut nvcc = None;
    steps.run("toolkit", || {
        nvcc = toolkit()?;
        Ok(())
    })?;
    let mut command = cargo(["package", "--no-verify", "--allow-dirty", "--offline", "--quiet"]);
    for name in [LIBRARY].into_iter().chain(DEPENDENTS) {
        command.args(["--package", name]);
    }
    steps.command("archives", &mut command)?;
    let (mut source, mut dependents) = (PathBuf::new(), Vec::new());
    steps.run("unpack", || {
        source = unpack(LIBRARY)?;
        dependents = DEPENDENTS.into_iter().map(unpack).collect::<Result<_>>()?;
        Ok(())
    })?;
    let before = files(&source)?;
    let mut without = of("build", &source);
    without.env("NVCC", "").env_remove("COSMOE_REQUIRE_CUDA");
    steps.command("build without nvcc", &mut without)?;
    steps.run("run without kernels", run_without_kernels)?;
    if let Some(nvcc) = nvcc {
        let mut with = of("check", &source);
        with.env("NVCC", nvcc.path).env("COSMOE_REQUIRE_CUDA", "1");
        steps.command("check with nvcc", &mut with)?;
    }
    let mut bare = of("check", &source);
    bare.arg("--no-default-features").env("NVCC", "").env_remove("COSMOE_REQUIRE_CUDA");
    steps.command("check without default features", &mut bare)?;
    for (name, folder) in DEPENDENTS.into_iter().zip(&dependents) {
        // Where candle has been checked before.
        let mut dependent = of_in("check", folder, &target_dir());
        // Where it will be published is nothing yet, or an older version.
        let patch = format!("patch.crates-io.{LIBRARY}.path={:?}", source.display().to_string());
        dependent.args(["--config", &patch]);
        dependent.env("NVCC", "").env_remove("COSMOE_REQUIRE_CUDA");
        steps.command(&format!("check {name}"), &mut dependent)?;
    }
    steps.run("the sources are as they were", || {
        // The lock file is cargo's to write.
        if files(&source)? == before {
            return Ok(());
        }
        Err(Failure::new(format!("the build wrote to {}", source.display())))
    })?;
    steps.finish();
    Ok(())
}

fn folder() -> PathBuf {
    target_dir().join("package-check")
}

/// A fresh copy of an archive's content.
fn unpack(package: &str) -> Result<PathBuf> {
    let name = format!("{package}-{}", version()?);
    let archive = target_dir().join("package").join(format!("{name}.crate"));
    let source = folder().join(name);
    if source.exists() {
        std::fs::remove_dir_all(&source).map_err(|error| problem(&source, &error))?;
    }
    let parent = folder();
    std::fs::create_dir_all(&parent).map_err(|error| problem(&parent, &error))?;
    execute(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(parent))?;
    Ok(source)
}

fn of(task: &str, source: &Path) -> Command {
    of_in(task, source, &folder().join("target"))
}

fn of_in(task: &str, source: &Path, target: &Path) -> Command {
    let mut command = cargo([task, "--offline", "--quiet", "--target-dir"]);
    command.arg(target).current_dir(source);
    command
}

/// The program that was built without nvcc: it routes on the CPU, and says what it lacks where a CUDA
/// device is asked for.
fn run_without_kernels() -> Result<()> {
    let lacks = "this build holds no CUDA kernels";
    let program = folder().join("target/debug").join(format!("cosmoe{EXE_SUFFIX}"));
    for (arguments, code, expected) in [
        (&["info"][..], 0, format!("kernels    none: {lacks}\n")),
        (&["route", "--top-k", "2"], 0, format!("device: cpu ({lacks})\n")),
        (
            &["route", "--top-k", "2", "--device", "cuda"],
            1,
            format!(
                "error: --device: expected a CUDA device that answers, auto or cpu, found \"cuda\" \
                 ({lacks})\n"
            ),
        ),
    ] {
        let mut command = Command::new(&program);
        let output = command.args(arguments).output();
        let output = output.map_err(|error| cannot_start(&command, &error))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(code) || !text.contains(&expected) {
            let what = arguments.join(" ");
            return Err(Failure::new(format!(
                "cosmoe {what}: expected status {code} and '{}', found {} and:\n{text}",
                expected.trim_end(),
                output.status
            )));
        }
    }
    Ok(())
}

/// Every file with its size and time, but for the lock file.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, (u64, Option<SystemTime>)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| problem(&folder, &error))? {
            let path = entry.map_err(|error| problem(&folder, &error))?.path();
            let meta = path.metadata().map_err(|error| problem(&path, &error))?;
            if meta.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "Cargo.lock") {
                found.insert(path, (meta.len(), meta.modified().ok()));
            }
        }
    }
    Ok(found)
}

fn problem(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
