//! Which device computes, and why.

use std::time::{Duration, Instant};

use cosmoe::{Backend, Cpu, Host};

use crate::error::Failure;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(Option<u32>),
}

/// The device that computes.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) reason: String,
    /// For standard error, where the user left the choice to the program.
    pub(crate) note: Option<String>,
    pub(crate) engine: Engine,
}

/// What the commands call.
#[derive(Debug)]
pub(crate) enum Engine {
    Cpu(Cpu),
    #[cfg(feature = "cuda")]
    Cuda(Box<cosmoe::cuda::Staged>),
}

/// Runs `$body` with `$backend` as whatever backend the device has.
macro_rules! on {
    ($device:expr, $backend:ident => $body:expr) => {
        match &$device.engine {
            $crate::device::Engine::Cpu($backend) => $body,
            #[cfg(feature = "cuda")]
            $crate::device::Engine::Cuda(staged) => {
                let $backend = &**staged;
                $body
            }
        }
    };
}
pub(crate) use on;

/// A backend over host memory that tells how long its calls take, without copies.
pub(crate) trait Timed: Backend<Space = Host> {
    fn timed<T>(&self, call: impl FnOnce() -> T) -> (T, Duration);
}

impl Timed for Cpu {
    fn timed<T>(&self, call: impl FnOnce() -> T) -> (T, Duration) {
        let start = Instant::now();
        let result = call();
        (result, start.elapsed())
    }
}

#[cfg(feature = "cuda")]
impl Timed for cosmoe::cuda::Staged {
    fn timed<T>(&self, call: impl FnOnce() -> T) -> (T, Duration) {
        let before = self.device_time();
        let result = call();
        (result, self.device_time().saturating_sub(before))
    }
}

/// What a build without kernels says.
pub(crate) const NO_KERNELS: &str = "this build holds no CUDA kernels";

pub(crate) fn choose(choice: Option<DeviceChoice>) -> Result<Device, Failure> {
    match choice.unwrap_or(DeviceChoice::Auto) {
        DeviceChoice::Auto => Ok(match cuda(0) {
            Ok(device) => {
                let note = Some(format!("device: {} ({})", device.name, device.reason));
                Device { note, ..device }
            }
            Err(why) => {
                let note = Some(format!("device: cpu ({why})"));
                Device { note, ..cpu(why) }
            }
        }),
        DeviceChoice::Cpu => Ok(cpu("asked for".to_owned())),
        DeviceChoice::Cuda(index) => {
            let device = cuda(index.unwrap_or(0)).map_err(|why| {
                let index = index.map_or_else(String::new, |index| format!(":{index}"));
                let expected = "auto, cpu or a CUDA device that answers";
                Failure::input("--device", expected, format!("cuda{index}: {why}"))
            })?;
            Ok(Device { reason: "asked for".to_owned(), ..device })
        }
    }
}

fn cpu(reason: String) -> Device {
    Device { name: "cpu".to_owned(), reason, note: None, engine: Engine::Cpu(Cpu::new()) }
}

/// The CUDA device of a number, or why there is none.
#[cfg(feature = "cuda")]
fn cuda(index: u32) -> Result<Device, String> {
    use cosmoe::cuda::{Cuda, Staged, compiler_version, devices};

    if compiler_version().is_none() {
        return Err(NO_KERNELS.to_owned());
    }
    let ordinal = index as usize;
    let cuda = Cuda::new(ordinal).map_err(|error| match error {
        // The user has not said "ordinal".
        cosmoe::Error::InvalidArgument { expected, found, .. } => {
            format!("expected {expected}, found {found}")
        }
        other => other.to_string(),
    })?;
    let name = devices().ok().and_then(|all| all.into_iter().nth(ordinal)).map(|d| d.name);
    Ok(Device {
        name: format!("cuda:{index}"),
        reason: name.unwrap_or_else(|| "a CUDA device answers".to_owned()),
        note: None,
        engine: Engine::Cuda(Box::new(Staged::new(cuda))),
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: u32) -> Result<Device, String> {
    Err(NO_KERNELS.to_owned())
}
