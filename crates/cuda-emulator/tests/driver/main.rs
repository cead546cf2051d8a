//! The driver interface as programs meet it: cudarc loads `libcuda.so` by name and finds the
//! emulated device.
//!
//! A process loads one driver, so the tests proper are ignored at first; [`under_the_emulator`]
//! runs this program again with the built library first on the search path, and has it run them.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "the C interface is called")]
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;
mod copies;
mod exports;
mod failures;
mod graphs;
mod handles;
mod launches;
mod modules;
mod settings;
mod streams;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A folder that has the built library under the driver's names.
fn driver() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(link)
}

fn link() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    let built = program.parent().expect("its folder").join("libcuda_emulator.so");
    assert!(built.is_file(), "{} is not built", built.display());
    let profile = program.ancestors().nth(2).and_then(|folder| folder.file_name());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join("driver").join(profile.expect("target/PROFILE/deps"));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["libcuda.so", "libcuda.so.1"] {
        let link = folder.join(name);
        // From an earlier run.
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&built, &link).expect("a link");
    }
    folder
}

/// Runs ignored tests under the emulator with some environment; what they printed.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["--ignored", "--test-threads=1"]).args(arguments);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("CUDA_") {
            command.env_remove(key);
        }
    }
    command.env("LD_LIBRARY_PATH", driver()).envs(environment.iter().copied());
    let output = command.output().expect("this program runs again");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}\n{}", text[0], text[1]);
    text.concat()
}

/// How many tests the text of a run says have passed.
fn passed(text: &str) -> usize {
    let number = text.split("test result: ok. ").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn under_the_emulator() {
    let text = run(&["--skip", "alone_"], &[]);
    assert!(passed(&text) >= 30, "too few tests ran:\n{text}");
}

#[test]
fn wrong_settings_stop_initialisation() {
    let text = run(&["alone_wrong_settings"], &[("CUDA_EMULATOR_SEED", "five")]);
    assert_eq!(passed(&text), 1, "{text}");
    assert!(text.contains("CUDA_EMULATOR_SEED: expected a number, found 'five'"), "{text}");
}

#[test]
fn the_environment_describes_the_devices() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (counts, report) = (folder.join("counts.jsonl"), folder.join("report.txt"));
    for file in [&counts, &report] {
        let _ = std::fs::remove_file(file);
    }
    let environment = [
        ("CUDA_EMULATOR_DEVICES", "2"),
        ("CUDA_EMULATOR_CAPABILITY", "9.0"),
        ("CUDA_EMULATOR_MEMORY", "1G"),
        ("CUDA_EMULATOR_SHARED_LIMIT", "99K"),
        ("CUDA_EMULATOR_COUNTS", counts.to_str().expect("UTF-8")),
        ("CUDA_EMULATOR_REPORT", report.to_str().expect("UTF-8")),
    ];
    let text = run(&["alone_environment"], &environment);
    assert_eq!(passed(&text), 1, "{text}");
    let lines = std::fs::read_to_string(&counts).expect("counts were written");
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["kernel"], &lines[0]["device"]), (&"add".into(), &1.into()));
    assert_eq!(lines[0]["grid"], serde_json::json!([2, 1, 1]));
    assert_eq!(lines[0]["counts"]["blocks"], 2);
    assert_eq!(lines[1]["error"]["code"], 700);
    let report = std::fs::read_to_string(&report).expect("a report was written");
    assert!(report.contains("out of bounds") && report.contains("kernel add"), "{report}");
}
