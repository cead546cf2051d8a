//! Clippy of the candle adapter's CUDA path, on machines without CUDA's libraries: nothing is linked.
//!
//! candle compiles its kernels for minutes whenever it is built for CUDA. Checking types needs none of them, so
//! a stand-in for nvcc makes empty ones.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::run::{Failure, Result, cargo, execute, target_dir};

const STAND_IN: &str = include_str!("../tools/stand-in-nvcc.sh");

pub(crate) fn clippy() -> Result<()> {
    if !cfg!(unix) {
        println!("not checked: the stand-in for nvcc is a shell script");
        return Ok(());
    }
    let folder = target_dir().join("candle");
    let compilers = folder.join("stand-in");
    install(&compilers)?;
    let mut command =
        cargo(["clippy", "--package", "cosmoe-candle", "--features", "cuda", "--all-targets"]);
    // Apart from other builds, which must not take its empty kernels for theirs.
    command.arg("--target-dir").arg(&folder);
    // cosmoe is built without kernels where NVCC is set to nothing; candle then looks on PATH.
    command.env("NVCC", "").env_remove("COSMOE_REQUIRE_CUDA").env("PATH", first(&compilers)?);
    command.env("CUDA_COMPUTE_CAP", "80"); // else candle asks nvidia-smi
    execute(command.args(["--", "-D", "warnings"]))
}

/// Puts the stand-in into a folder of its own, as `nvcc`.
fn install(folder: &Path) -> Result<PathBuf> {
    let nvcc = folder.join("nvcc");
    let failed = |error| Failure::new(format!("{}: {error}", nvcc.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_to_string(&nvcc).ok().as_deref() != Some(STAND_IN) {
        std::fs::write(&nvcc, STAND_IN).map_err(failed)?;
    }
    make_executable(&nvcc).map_err(failed)?;
    Ok(nvcc)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

/// PATH with a folder before the others.
fn first(folder: &Path) -> Result<OsString> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&old));
    std::env::join_paths(all).map_err(|error| Failure::new(format!("PATH: {error}")))
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_stand_in_makes_what_it_is_asked_for() {
        let folder = std::env::temp_dir().join(format!("stand-in-{}", std::process::id()));
        let nvcc = install(&folder.join("bin")).expect("a folder that can be written");
        let run = |arguments: &[&str]| {
            let output = Command::new(&nvcc).args(arguments).current_dir(&folder).output();
            let output = output.expect("a shell");
            assert!(output.status.success());
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(run(&["--version"]).contains("release 13.0"));
        let to = folder.to_string_lossy().into_owned();
        run(&["-arch=sm_80", "--ptx", "--output-directory", &to, "-O3", "src/cast.cu"]);
        run(&["-c", "-o", "a b.o", "src/moe.cu"]);
        run(&["--lib", "-o", "libmoe.a", "a b.o"]);
        for made in ["cast.ptx", "a b.o", "libmoe.a"] {
            let length = std::fs::metadata(folder.join(made)).map(|file| file.len()).ok();
            assert_eq!(length, Some(0), "{made}");
        }
        std::fs::remove_dir_all(&folder).expect("a folder that can be removed");
    }
}
