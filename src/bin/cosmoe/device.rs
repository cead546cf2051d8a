//! Which device computes, and why.

use std::fmt;
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

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(index)) => write!(f, "cuda:{index}"),
        }
    }
}

/// The device that computes.
#[derive(Debug)]
pub(crate) struct Device {
    /// As `--device` takes it.
    pub(crate) id: String,
    /// What its driver calls it.
    pub(crate) name: Option<String>,
    choice: DeviceChoice,
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

const ASKED_FOR: &str = "asked for";
const ANSWERS: &str = "a CUDA device answers";

pub(crate) fn choose(choice: Option<DeviceChoice>) -> Result<Device, Failure> {
    let choice = choice.unwrap_or(DeviceChoice::Auto);
    match choice {
        DeviceChoice::Auto => Ok(match cuda(0) {
            Ok(cuda) => {
                let why = cuda.name.as_deref().unwrap_or(ANSWERS);
                let note = Some(format!("device: cuda:0 ({why})"));
                Device { note, ..cuda.device(0, choice, ANSWERS) }
            }
            Err(Refusal { why, .. }) => {
                let note = Some(format!("device: cpu ({why})"));
                Device { note, ..cpu(choice, why) }
            }
        }),
        DeviceChoice::Cpu => Ok(cpu(choice, ASKED_FOR.to_owned())),
        DeviceChoice::Cuda(index) => {
            let index = index.unwrap_or(0);
            let cuda = cuda(index).map_err(|refusal| refusal.of(choice))?;
            Ok(cuda.device(index, choice, ASKED_FOR))
        }
    }
}

fn cpu(choice: DeviceChoice, reason: String) -> Device {
    let engine = Engine::Cpu(Cpu::new());
    Device { id: "cpu".to_owned(), name: None, choice, reason, note: None, engine }
}

impl Device {
    /// As messages show it.
    pub(crate) fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => self.id.clone(),
        }
    }

    /// The failure of a command that computed here. What only the device can have refused names it:
    /// a user who left the choice to the program has not been told which one it took.
    pub(crate) fn named(&self, failure: Failure) -> Failure {
        let Failure::Device(error) = failure else {
            return failure;
        };
        let hint = match self.choice {
            DeviceChoice::Auto if self.id != "cpu" => "; --device cpu computes without it",
            _ => "",
        };
        let subject = format!("--device {}", self.choice);
        Failure::input(subject, format!("{} to compute", self.label()), format!("{error}{hint}"))
    }
}

/// A CUDA device that answers.
struct CudaDevice {
    name: Option<String>,
    engine: Engine,
}

impl CudaDevice {
    fn device(self, index: u32, choice: DeviceChoice, reason: &str) -> Device {
        let Self { name, engine } = self;
        let (id, reason) = (format!("cuda:{index}"), reason.to_owned());
        Device { id, name, choice, reason, note: None, engine }
    }
}

/// Why there is no CUDA device of a number.
struct Refusal {
    /// How many there are, where that is why.
    devices: Option<usize>,
    why: String,
}

impl Refusal {
    fn of(self, choice: DeviceChoice) -> Failure {
        match self.devices {
            Some(devices) => {
                let expected = format!("{}, auto or cpu", numbers(devices));
                Failure::input("--device", expected, format!("\"{choice}\""))
            }
            None => {
                let expected = "a CUDA device that answers, auto or cpu";
                Failure::input("--device", expected, format!("\"{choice}\" ({})", self.why))
            }
        }
    }
}

/// The numbers of so many devices.
fn numbers(devices: usize) -> String {
    match devices {
        ..=1 => "cuda:0 (1 device)".to_owned(),
        2 => "cuda:0 or cuda:1 (2 devices)".to_owned(),
        n => format!("cuda:0 to cuda:{} ({n} devices)", n - 1),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: u32) -> Result<CudaDevice, Refusal> {
    use cosmoe::cuda::{Cuda, Staged, compiler_version, devices};

    if compiler_version().is_none() {
        return Err(Refusal { devices: None, why: NO_KERNELS.to_owned() });
    }
    let ordinal = index as usize;
    let cuda = Cuda::new(ordinal).map_err(|error| {
        // The library's only argument here is the number.
        let is_number = matches!(error, cosmoe::Error::InvalidArgument { .. });
        let devices = devices().ok().filter(|_| is_number).map(|all| all.len());
        Refusal { devices, why: error.to_string() }
    })?;
    let name = devices().ok().and_then(|all| all.into_iter().nth(ordinal)).map(|d| d.name);
    Ok(CudaDevice { name, engine: Engine::Cuda(Box::new(Staged::new(cuda))) })
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: u32) -> Result<CudaDevice, Refusal> {
    Err(Refusal { devices: None, why: NO_KERNELS.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(failure: Failure) -> String {
        match failure {
            Failure::Input(message) => message,
            other => format!("{other:?}"),
        }
    }

    /// No device is needed to see what is said of one.
    fn device(choice: DeviceChoice) -> Device {
        let engine = Engine::Cpu(Cpu::new());
        CudaDevice { name: Some("A GPU".to_owned()), engine }.device(0, choice, ASKED_FOR)
    }

    #[test]
    fn a_device_that_fails_is_named() {
        let error = cosmoe::Error::Cuda {
            code: 2,
            name: "CUDA_ERROR_OUT_OF_MEMORY",
            hint: "the device has too little free memory",
        };
        let said = |device: Device| message(device.named(Failure::library(error.clone(), &[])));
        assert_eq!(
            said(device(DeviceChoice::Auto)),
            "--device auto: expected cuda:0 (A GPU) to compute, found CUDA error 2 \
             (CUDA_ERROR_OUT_OF_MEMORY): the device has too little free memory; \
             --device cpu computes without it"
        );
        assert_eq!(
            said(device(DeviceChoice::Cuda(None))),
            "--device cuda: expected cuda:0 (A GPU) to compute, found CUDA error 2 \
             (CUDA_ERROR_OUT_OF_MEMORY): the device has too little free memory"
        );
        assert!(!said(cpu(DeviceChoice::Auto, String::new())).contains("--device cpu"));
        let other = Failure::input("--top-k", "at most 1", 2);
        assert_eq!(
            message(device(DeviceChoice::Auto).named(other)),
            "--top-k: expected at most 1, found 2"
        );
    }

    #[test]
    fn a_number_beyond_the_devices_lists_them() {
        let said = |devices, index| {
            let refusal = Refusal { devices: Some(devices), why: String::new() };
            message(refusal.of(DeviceChoice::Cuda(Some(index))))
        };
        assert_eq!(
            said(1, 7),
            "--device: expected cuda:0 (1 device), auto or cpu, found \"cuda:7\""
        );
        let two = "--device: expected cuda:0 or cuda:1 (2 devices), auto or cpu, found \"cuda:2\"";
        assert_eq!(said(2, 2), two);
        let many = "--device: expected cuda:0 to cuda:7 (8 devices), auto or cpu, found \"cuda:8\"";
        assert_eq!(said(8, 8), many);
        let refusal = Refusal { devices: None, why: NO_KERNELS.to_owned() };
        let expected = "--device: expected a CUDA device that answers, auto or cpu, found \"cuda\" \
                        (this build holds no CUDA kernels)";
        assert_eq!(message(refusal.of(DeviceChoice::Cuda(None))), expected);
    }
}
