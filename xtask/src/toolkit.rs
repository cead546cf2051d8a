//! `cargo xtask toolkit`: a CUDA compiler for machines that have none, from NVIDIA's wheels on
//! PyPI.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kernels::compiler::{Nvcc, Place};
use crate::kernels::search::{Environment, Found, TOOLKIT, in_target, search};
use crate::run::{Failure, Result, cargo, execute, root, target_dir};

/// What was installed is kept beside it in a file of this name.
const INSTALLED: &str = "installed.txt";

/// The compiler that the build script will find, brought if there is none. None if NVCC is set to
/// nothing.
pub(crate) fn toolkit() -> Result<Option<Nvcc>> {
    let target = target_dir();
    let environment = Environment::current(vec![target.clone()]);
    let wheels = wheels()?;
    match search(&environment).map_err(Failure::new)? {
        Found::Nvcc(nvcc) if nvcc.place != Place::Toolkit || is_installed(&target, &wheels) => {
            println!("{nvcc}");
            return Ok(Some(nvcc));
        }
        Found::None { why } if environment.nvcc.is_some() => {
            println!("no CUDA kernels: {why}");
            return Ok(None);
        }
        Found::Nvcc(_) | Found::None { .. } => {}
    }
    bring(&target, &wheels)?;
    match search(&environment).map_err(Failure::new)? {
        Found::Nvcc(nvcc) => {
            println!("{nvcc}");
            forget_builds(&target)?;
            Ok(Some(nvcc))
        }
        Found::None { why } => Err(Failure::new(why)),
    }
}

/// The list of wheels, with hashes.
fn wheels() -> Result<String> {
    read(&list())
}

fn list() -> PathBuf {
    root().join("xtask/tools/cuda.txt")
}

fn is_installed(target: &Path, wheels: &str) -> bool {
    let installed = target.join(TOOLKIT).join(INSTALLED);
    std::fs::read_to_string(installed).is_ok_and(|found| found == wheels)
}

/// Installs beside the final folder and renames at the end: a toolkit is whole or absent.
fn bring(target: &Path, wheels: &str) -> Result<()> {
    let platform = (std::env::consts::OS, std::env::consts::ARCH);
    if !matches!(platform, ("linux", "x86_64" | "aarch64")) {
        let (os, arch) = platform;
        return Err(cannot(&format!(
            "the wheels are for Linux on x86_64 or aarch64, not {os} {arch}"
        )));
    }
    let (folder, fresh) = (target.join(TOOLKIT), target.join(format!("{TOOLKIT}.partial")));
    println!("bringing nvcc 13.0 from PyPI to {}", folder.display());
    remove(&fresh)?;
    let installed = install(&fresh).and_then(|()| {
        let nvcc = fresh.join(in_target(target).strip_prefix(&folder).unwrap_or(Path::new("")));
        let output = Command::new(&nvcc).arg("--version").output();
        match output.map_err(|error| error.to_string())? {
            output if output.status.success() => Ok(()),
            output => Err(format!("{} --version ended with {}", nvcc.display(), output.status)),
        }
    });
    if let Err(why) = installed {
        remove(&fresh)?;
        return Err(cannot(&why));
    }
    let mark = fresh.join(INSTALLED);
    std::fs::write(&mark, wheels).map_err(|error| problem(&mark, &error))?;
    remove(&folder)?;
    std::fs::rename(&fresh, &folder).map_err(|error| problem(&folder, &error))
}

fn install(to: &Path) -> Result<(), String> {
    run(python().args(["--version"])).map_err(|why| format!("python3 does not run: {why}"))?;
    run(python().args(["-m", "pip", "--version"])).map_err(|why| format!("no pip: {why}"))?;
    let mut command = python();
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--no-deps", "--no-compile", "--only-binary", ":all:", "--require-hashes"]);
    command.arg("--requirement").arg(list()).arg("--target").arg(to);
    let list = "the wheels of xtask/tools/cuda.txt, which takes a connection to PyPI";
    run(&mut command).map_err(|why| format!("pip does not install {list}: {why}"))
}

fn python() -> Command {
    Command::new("python3")
}

/// Runs to the end; a failure is the last thing that it says as an error, or the last thing at all.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&output.stderr);
    let lines = || says.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.starts_with("ERROR")).or_else(|| lines().next());
    Err(line.map_or_else(|| output.status.to_string(), str::to_owned))
}

fn cannot(why: &str) -> Failure {
    let instead =
        "name an nvcc with NVCC or CUDA_HOME, or set NVCC to nothing to do without kernels";
    Failure::new(format!("there is no nvcc, and none can be brought: {why}; {instead}"))
}

/// A build that found no nvcc does not look again by itself.
fn forget_builds(target: &Path) -> Result<()> {
    for (folder, options) in [("debug", &[][..]), ("release", &["--release"][..])] {
        if target.join(folder).join("build").exists() {
            execute(cargo(["clean", "--quiet", "--package", "cosmoe"]).args(options))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(problem(folder, &error)),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| problem(path, &error))
}

fn problem(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
