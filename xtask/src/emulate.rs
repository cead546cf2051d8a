//! `cargo xtask emulate -- COMMAND`: runs a program with the emulated CUDA device for a driver.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failure, Result, cannot_start, cargo, execute, target_dir};

/// The name that programs load, and the one that linkers and some loaders look for.
const DRIVER: &str = "libcuda.so.1";
const LINK: &str = "libcuda.so";

/// Set for the program, so that it can tell.
const MARKER: &str = "CUDA_EMULATOR";

const SEARCH_PATH: &str = "LD_LIBRARY_PATH";

/// Runs a command under the emulated device and ends as it does.
pub(crate) fn emulate(command: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::usage("emulate: expected `-- COMMAND`; see `cargo xtask help`"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    prepare(&mut command)?;
    become_it(command)
}

/// Makes a command find the emulated device.
pub(crate) fn prepare(command: &mut Command) -> Result<()> {
    enter(command, &install()?)
}

/// The same with a driver that [`install`] put there.
pub(crate) fn enter(command: &mut Command, folder: &Path) -> Result<()> {
    command.env(SEARCH_PATH, search_path(folder)?).env(MARKER, "1");
    Ok(())
}

/// Builds the driver and puts it into a folder of its own, under the names of the real one.
pub(crate) fn install() -> Result<PathBuf> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("emulate: the emulated device is built on Linux only"));
    }
    const BUILD: [&str; 6] =
        ["build", "--quiet", "--release", "--lib", "--package", "cuda-emulator"];
    execute(&mut cargo(BUILD))?;
    let target = target_dir();
    let folder = target.join("emulator");
    let failed = |what: &Path, error| Failure::new(format!("{}: {error}", what.display()));
    std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    // By renaming: a program that runs keeps the file that it has mapped.
    let new = folder.join(format!("{DRIVER}.{}", std::process::id()));
    let built = target.join("release/libcuda_emulator.so");
    std::fs::copy(&built, &new).map_err(|error| failed(&built, error))?;
    std::fs::rename(&new, folder.join(DRIVER)).map_err(|error| failed(&new, error))?;
    let link = folder.join(LINK);
    if !link.exists() {
        make_link(&link).map_err(|error| failed(&link, error))?;
    }
    Ok(folder)
}

#[cfg(unix)]
fn make_link(link: &Path) -> std::io::Result<()> {
    match std::os::unix::fs::symlink(DRIVER, link) {
        // Another task was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
fn make_link(_link: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The folder before what is searched already.
fn search_path(folder: &Path) -> Result<std::ffi::OsString> {
    let old = std::env::var_os(SEARCH_PATH).unwrap_or_default();
    let rest = std::env::split_paths(&old).filter(|path| !path.as_os_str().is_empty());
    let all = std::iter::once(folder.to_path_buf()).chain(rest);
    std::env::join_paths(all).map_err(|error| Failure::new(format!("{SEARCH_PATH}: {error}")))
}

/// Replaces this process, so that signals and the exit status are the program's own.
#[cfg(unix)]
fn become_it(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(cannot_start(&command, &error))
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> Result<()> {
    execute(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_comes_first_on_the_search_path() {
        let path = search_path(Path::new("/a/b")).expect("a path without a colon");
        let first = std::env::split_paths(&path).next();
        assert_eq!(first.as_deref(), Some(Path::new("/a/b")));
        assert!(!path.to_string_lossy().contains("::"));
    }

    #[test]
    fn a_command_is_needed() {
        assert_eq!(emulate(&[]).expect_err("no command").code(), 2);
    }
}
