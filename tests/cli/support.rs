//! Running the program, and files for it to read.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cosmoe"));
    command.current_dir(dir).args(args).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn finished(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `cosmoe` in `dir`; arguments are separated by spaces.
pub(crate) fn cosmoe(dir: &Path, args: &str) -> Run {
    finished(command(dir, &args.split_whitespace().collect::<Vec<_>>()))
}

/// The names of the CUDA devices that compute, or why there are none.
fn devices() -> Result<Vec<String>, String> {
    #[cfg(feature = "cuda")]
    if cosmoe::cuda::kernels().next().is_some() {
        return match cosmoe::cuda::devices() {
            Ok(devices) => Ok(devices.into_iter().map(|device| device.name).collect()),
            Err(error) => Err(error.to_string()),
        };
    }
    Err("this build holds no CUDA kernels".to_owned())
}

/// Why no CUDA device computes; nothing where one does.
pub(crate) fn no_cuda() -> String {
    devices().err().unwrap_or_default()
}

/// What the program says of a CUDA device whose number is too high.
pub(crate) fn no_device(asked: &str) -> String {
    let expected = match devices() {
        Ok(devices) => match devices.len() {
            1 => "cuda:0 (1 device)".to_owned(),
            2 => "cuda:0 or cuda:1 (2 devices)".to_owned(),
            n => format!("cuda:0 to cuda:{} ({n} devices)", n - 1),
        },
        Err(why) => {
            let expected = "a CUDA device that answers, auto or cpu";
            return format!("expected {expected}, found \"{asked}\" ({why})");
        }
    };
    format!("expected {expected}, auto or cpu, found \"{asked}\"")
}

/// What the program says of the device that it takes by itself.
pub(crate) fn device_note() -> String {
    match devices() {
        Ok(devices) => format!("device: cuda:0 ({})\n", devices[0]),
        Err(why) => format!("device: cpu ({why})\n"),
    }
}

/// Runs a command that must succeed with `--json` on the CPU, and parses what it says.
pub(crate) fn json(dir: &Path, args: &str) -> serde_json::Value {
    let run = cosmoe(dir, &format!("{args} --device cpu --json"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args}");
    assert_eq!(run.stdout.lines().count(), 1);
    serde_json::from_str(&run.stdout).unwrap()
}

/// A tensor on its way into or out of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    pub(crate) fn new<T: bytemuck::NoUninit>(dtype: Dtype, shape: &[usize], data: &[T]) -> Self {
        Self { dtype, shape: shape.to_vec(), bytes: bytemuck::cast_slice(data).to_vec() }
    }

    pub(crate) fn f32(shape: &[usize], data: &[f32]) -> Self {
        Self::new(Dtype::F32, shape, data)
    }

    pub(crate) fn i32(shape: &[usize], data: &[i32]) -> Self {
        Self::new(Dtype::I32, shape, data)
    }

    pub(crate) fn values<T: bytemuck::Pod>(&self) -> Vec<T> {
        self.bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
    }
}

pub(crate) fn save(path: &Path, tensors: &[(&str, Tensor)]) {
    save_with(path, tensors, &[]);
}

pub(crate) fn save_with(path: &Path, tensors: &[(&str, Tensor)], metadata: &[(&str, &str)]) {
    let views = tensors.iter().map(|(name, tensor)| {
        let Tensor { dtype, shape, bytes } = tensor;
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let metadata = (!metadata.is_empty()).then_some(metadata);
    std::fs::write(path, serialize(views, metadata).unwrap()).unwrap();
}

pub(crate) fn load(path: &Path) -> HashMap<String, Tensor> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let tensor = Tensor {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            bytes: view.data().to_vec(),
        };
        (name.to_owned(), tensor)
    });
    tensors.collect()
}

/// A `.npy` file as numpy writes it.
pub(crate) fn save_npy(path: &Path, descr: &str, fortran: bool, tensor: &Tensor) {
    let order = if fortran { "True" } else { "False" };
    let shape: Vec<String> = tensor.shape.iter().map(|extent| format!("{extent},")).collect();
    let shape = shape.join(" ");
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(&tensor.bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Numbers between -1 and 1 that are the same in every run.
pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
