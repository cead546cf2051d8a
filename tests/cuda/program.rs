//! What the program says of the machine that it runs on: devices, none, no driver, one that is too old.
//! Each is a process of its own, as a driver is loaded once.

use std::process::Command;

use cosmoe::cuda::{compiler_version, devices};

crate::tests!("program":
    info_lists_devices,
    no_driver_is_one_line,
    no_device_is_one_line,
    a_driver_too_old_is_one_line,
    an_emulated_device_says_so,
    a_broken_driver_is_one_line,
);

/// Standard output of `cosmoe info` in this environment.
fn info(environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cosmoe"));
    let output = command.arg("info").envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    // The emulated driver may say why on standard error; nothing may panic.
    let errors = text(&output.stderr);
    assert!(output.status.success() && !errors.contains("panicked"), "{errors}");
    text(&output.stdout)
}

/// The lines of the entry `devices`.
fn entry(text: &str) -> Vec<&str> {
    let from = text.lines().skip_while(|line| !line.starts_with("devices "));
    let of_entry = |(i, line): &(usize, &str)| *i == 0 || line.starts_with(' ');
    from.enumerate().take_while(of_entry).map(|(_, line)| line[11..].trim()).collect()
}

fn emulated() -> bool {
    let skipped = std::env::var_os("CUDA_EMULATOR").is_none();
    if skipped {
        eprintln!("SKIPPED: the driver is a real one, which cannot be told to be another");
    }
    !skipped
}

fn info_lists_devices() {
    let text = info(&[]);
    let lines = entry(&text);
    let devices = devices().unwrap();
    assert_eq!(lines[0], "cpu");
    for (line, device) in lines[1..].iter().zip(&devices) {
        let (major, minor) = device.capability;
        let start = format!(
            "cuda:{} {}, compute capability {major}.{minor}, ",
            device.ordinal, device.name
        );
        assert!(line.starts_with(&start), "{line}: {start}");
        assert_eq!(line.contains("emulated"), device.is_emulated(), "{line}");
    }
    assert!(lines[devices.len() + 1].starts_with("cuda driver 1"), "{lines:?}");
    assert_eq!(lines.len(), devices.len() + 2, "{lines:?}");
    // These tests run with kernels only.
    let compiler = format!(" by nvcc {} for sm_", compiler_version().unwrap());
    assert!(text.contains(&compiler), "{text}");
}

fn an_emulated_device_says_so() {
    if !emulated() {
        return;
    }
    let text = info(&[("CUDA_EMULATOR_DEVICES", "2"), ("CUDA_EMULATOR_CAPABILITY", "12.0")]);
    let line = |i: usize| {
        format!(
            "cuda:{i} CUDA emulator (sm_120), compute capability 12.0, 108 multiprocessors, 16.0 GiB, \
             emulated: there is no GPU behind it"
        )
    };
    assert_eq!(entry(&text), ["cpu", &line(0), &line(1), "cuda driver 13.0"]);
}

fn no_driver_is_one_line() {
    if !emulated() {
        return;
    }
    // A machine may have a real driver beside the emulated one.
    let text = info(&[("LD_LIBRARY_PATH", "")]);
    let lines = entry(&text);
    if lines.last().is_some_and(|line| line.starts_with("cuda driver")) {
        eprintln!("SKIPPED: this machine has a driver of its own");
        return;
    }
    assert_eq!(lines, ["cpu", "no cuda: no CUDA driver library was found on this machine"]);
}

fn no_device_is_one_line() {
    if !emulated() {
        return;
    }
    let text = info(&[("CUDA_EMULATOR_DEVICES", "0")]);
    assert_eq!(entry(&text), ["cpu", "no cuda: the CUDA driver reports no device"]);
}

fn a_driver_too_old_is_one_line() {
    if !emulated() {
        return;
    }
    let text = info(&[("CUDA_EMULATOR_DRIVER_VERSION", "11.8")]);
    let lines = entry(&text);
    let start = "no cuda: the CUDA driver is too old: expected at least ";
    assert!(lines[1].starts_with(start) && lines[1].ends_with(", found 11.8"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

fn a_broken_driver_is_one_line() {
    if !emulated() {
        return;
    }
    // Settings that the emulated driver refuses: every call of it fails with CUDA's code 999.
    let text = info(&[("CUDA_EMULATOR_SEED", "five")]);
    let lines = entry(&text);
    assert!(lines[1].starts_with("no cuda: ") && lines[1].contains("999"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}
