//! The program on the device, and what it says of the machine that it runs on: devices, none, no driver, one
//! that is too old. Each is a process of its own, as a driver is loaded once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use cosmoe::cuda::{compiler_version, devices};
use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};
use tempfile::tempdir;

use crate::common::Rng;

crate::tests!("program":
    select_and_plan_are_the_cpus,
    an_f32_route_is_the_cpus,
    a_route_of_the_sample,
    the_program_takes_the_device_that_answers,
    info_lists_devices,
    no_driver_is_one_line,
    no_device_is_one_line,
    a_driver_too_old_is_one_line,
    an_emulated_device_says_so,
    a_broken_driver_is_one_line,
);

/// Runs the program in a directory.
fn cosmoe(dir: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cosmoe"));
    command.current_dir(dir).args(args.split_whitespace()).output().unwrap()
}

fn save(dir: &Path, name: &str, tensors: &[(&str, Dtype, &[usize], &[u8])]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(dir.join(name), serialize(views, None).unwrap()).unwrap();
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn load(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter();
    tensors.map(|(name, t)| (name.to_owned(), (t.shape().to_vec(), t.data().to_vec()))).collect()
}

/// What a command writes on a device.
fn written(dir: &Path, args: &str, device: &str) -> Tensors {
    let output = cosmoe(dir, &format!("{args} --device {device} --out out-{device}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{args} --device {device}: {errors}");
    load(&dir.join(format!("out-{device}")))
}

#[track_caller]
fn assert_same_files(dir: &Path, args: &str) {
    let (found, expected) = (written(dir, args, "cuda"), written(dir, args, "cpu"));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, tensor) in &expected {
        assert!(found[name] == *tensor, "{args}: {name} differs");
    }
}

fn floats(rng: &mut Rng, count: usize) -> Vec<u8> {
    (0..count).flat_map(|_| rng.normal().to_le_bytes()).collect()
}

/// To the last bit of every file.
fn select_and_plan_are_the_cpus() {
    let (dir, mut rng) = (tempdir().unwrap(), Rng::new(98));
    let (t, e, k) = (700, 24, 3);
    let logits = floats(&mut rng, t * e);
    let bias = floats(&mut rng, e);
    let tensors: [(&str, _, &[usize], &[u8]); 2] =
        [("logits", Dtype::F32, &[t, e], &logits), ("bias", Dtype::F32, &[e], &bias)];
    save(dir.path(), "logits", &tensors);
    let ids: Vec<u8> =
        (0..t * k).flat_map(|_| (rng.below(e + 2) as i32 - 1).to_le_bytes()).collect();
    let weights = floats(&mut rng, t * k);
    let tensors: [(&str, _, &[usize], &[u8]); 2] = [
        ("expert_ids", Dtype::I32, &[t, k], &ids),
        ("expert_weights", Dtype::F32, &[t, k], &weights),
    ];
    save(dir.path(), "ids", &tensors);
    for options in [
        "--top-k 3",
        "--top-k 2 --gate sigmoid-renorm --bias-placement selection-only --groups 4 --top-groups 2",
        "--top-k 24 --gate softmax-all --num-tokens 555 --align 16 --capacity 40",
    ] {
        assert_same_files(dir.path(), &format!("select --logits logits {options}"));
    }
    for options in ["", "--align 8 --capacity-factor 0.9 --drop weight --expert-window 3:20"] {
        assert_same_files(dir.path(), &format!("plan --ids ids --experts {e} {options}"));
    }
}

/// Products of f32 have one order everywhere.
fn an_f32_route_is_the_cpus() {
    let (dir, mut rng) = (tempdir().unwrap(), Rng::new(99));
    let (t, d, e) = (90, 300, 20);
    let (tokens, experts) = (floats(&mut rng, t * d), floats(&mut rng, e * d));
    save(dir.path(), "t", &[("tokens", Dtype::F32, &[t, d], &tokens)]);
    save(dir.path(), "r", &[("experts", Dtype::F32, &[e, d], &experts)]);
    for options in ["--top-k 2", "--top-k 4 --score laplace --gate identity --num-tokens 50"] {
        let args = format!("route --tokens t --router r --scores {options}");
        assert_same_files(dir.path(), &args);
    }
}

/// Tensor cores round in their own way: the CPU's ids but for near ties, and the plan of the ids that it
/// wrote.
fn a_route_of_the_sample() {
    let dir = tempdir().unwrap();
    let args = "route --top-k 2 --align 4 --capacity-factor 1.2 --drop weight";
    let (found, expected) = (written(dir.path(), args, "cuda"), written(dir.path(), args, "cpu"));
    let ids = |tensors: &Tensors| tensors["expert_ids"].1.clone();
    let (ids, expected_ids) = (ids(&found), ids(&expected));
    let differ = ids.chunks(4).zip(expected_ids.chunks(4)).filter(|(a, b)| a != b).count();
    assert!(differ <= ids.len() / 4 / 100, "{differ} ids differ");
    let args = "plan --ids out-cuda --experts 16 --align 4 --capacity-factor 1.2 --drop weight";
    let planned = written(dir.path(), args, "cpu");
    for (name, tensor) in &planned {
        assert!(found[name] == *tensor, "{name} is not the plan's");
    }
}

fn the_program_takes_the_device_that_answers() {
    let dir = tempdir().unwrap();
    let output = cosmoe(dir.path(), "route --top-k 1");
    let name = &devices().unwrap()[0].name;
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("device: cuda:0 ({name})\n"));
    let count = devices().unwrap().len();
    let output = cosmoe(dir.path(), &format!("route --top-k 1 --device cuda:{count}"));
    let there = match count {
        1 => "cuda:0 (1 device)".to_owned(),
        2 => "cuda:0 or cuda:1 (2 devices)".to_owned(),
        _ => format!("cuda:0 to cuda:{} ({count} devices)", count - 1),
    };
    let message =
        format!("error: --device: expected {there}, auto or cpu, found \"cuda:{count}\"\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), message);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

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

pub(crate) fn emulated() -> bool {
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
