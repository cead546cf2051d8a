//! `cargo xtask toolkit` where it cannot bring a compiler: one line that says why and what to do
//! instead, and nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panics")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the task with a target folder of its own and nothing of this machine's environment but what
/// `environment` says. None where a CUDA compiler is installed in a usual folder: it would be found.
fn toolkit(name: &str, environment: &[(&str, &str)]) -> Option<(PathBuf, Output)> {
    if Path::new("/usr/local/cuda").exists() || Path::new("/opt/cuda").exists() {
        eprintln!("SKIPPED: this machine has a CUDA compiler in a usual folder");
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if target.exists() {
        std::fs::remove_dir_all(&target).unwrap();
    }
    std::fs::create_dir_all(&target).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("toolkit").env_clear().env("CARGO_TARGET_DIR", &target);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    Some((target, output))
}

#[track_caller]
fn one_line(output: &Output, expected: &str) {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let start = format!("xtask: there is no nvcc, and none can be brought: {expected}");
    assert!(errors.starts_with(&start), "{errors}: expected {start}");
    let instead =
        "; name an nvcc with NVCC or CUDA_HOME, or set NVCC to nothing to do without kernels\n";
    assert!(errors.ends_with(instead), "{errors}");
}

#[track_caller]
fn nothing_left(target: &Path) {
    let left: Vec<_> =
        std::fs::read_dir(target).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn without_python() {
    let Some((target, output)) = toolkit("toolkit-python", &[("PATH", "/nonexistent")]) else {
        return;
    };
    one_line(&output, "python3 does not run: ");
    nothing_left(&target);
}

#[test]
fn without_a_connection() {
    let path = std::env::var("PATH").unwrap();
    if std::env::split_paths(&path).any(|folder| folder.join("nvcc").exists()) {
        eprintln!("SKIPPED: this machine has nvcc on its PATH");
        return;
    }
    // A port of this machine that nobody listens on.
    let environment = [
        ("PATH", path.as_str()),
        ("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),
        ("PIP_CONFIG_FILE", "/dev/null"),
        ("PIP_NO_CACHE_DIR", "1"),
        ("PIP_RETRIES", "0"),
        ("PIP_DEFAULT_TIMEOUT", "2"),
    ];
    let Some((target, output)) = toolkit("toolkit-connection", &environment) else { return };
    one_line(&output, "pip does not install the wheels of xtask/tools/cuda.txt");
    nothing_left(&target);
}

#[test]
fn nvcc_set_to_nothing_is_taken_at_its_word() {
    let environment = [("PATH", "/nonexistent"), ("NVCC", "")];
    let Some((target, output)) = toolkit("toolkit-none", &environment) else { return };
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"no CUDA kernels: NVCC is set to nothing\n");
    nothing_left(&target);
}
