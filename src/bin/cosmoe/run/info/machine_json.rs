//! What this build and this machine offer, as one JSON object.

use cosmoe::Cpu;

use crate::names::{BIAS_PLACEMENTS, GATES, GROUP_SCORES, SCORES};
use crate::presets::{PRESETS, Preset};
use crate::report::{SCHEMA, array, object, shortest, value};
use crate::sample;

pub(super) fn json() -> String {
    let cpu = Cpu::new();
    let sample = [
        ("description", value(sample::DESCRIPTION)),
        ("bytes", value(sample::TOKENS.len() + sample::ROUTER.len())),
    ];
    let fields = [
        ("schema", value(SCHEMA)),
        ("command", value("info")),
        ("version", value(env!("CARGO_PKG_VERSION"))),
        ("simd", value(cpu.simd().to_string())),
        ("threads", value(cpu.tasks())),
        ("sample", object(sample)),
        ("presets", array(PRESETS.iter().map(preset))),
    ];
    object(fields.into_iter().chain(cuda())) + "\n"
}

fn preset(preset: &Preset) -> String {
    let groups = preset.groups;
    object([
        ("name", value(preset.name)),
        ("experts", value(preset.experts)),
        ("hidden", value(preset.hidden)),
        ("top_k", value(preset.top_k)),
        ("score", value(SCORES.name(preset.score))),
        ("gate", value(GATES.name(preset.gate))),
        ("bias_placement", value(BIAS_PLACEMENTS.name(preset.bias_placement))),
        ("route_scale", value(shortest(preset.route_scale))),
        ("groups", value(groups.map(|groups| groups.count))),
        ("top_groups", value(groups.map(|groups| groups.top))),
        ("group_score", value(groups.and_then(|groups| GROUP_SCORES.name(groups.score)))),
    ])
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> [(&'static str, String); 6] {
    use serde_json::Value;
    [
        ("cuda_devices", array([])),
        ("cuda_error", value(crate::device::NO_KERNELS)),
        ("cuda_driver", value(Value::Null)),
        ("nvcc", value(Value::Null)),
        ("architectures", array([])),
        ("kernels", array([])),
    ]
}

#[cfg(feature = "cuda")]
fn cuda() -> [(&'static str, String); 6] {
    use cosmoe::cuda;

    let (devices, error) = match cuda::devices() {
        Ok(devices) => (devices, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let driver = cuda::driver_version().ok();
    let nvcc = cuda::compiler_version();
    [
        ("cuda_devices", array(devices.iter().map(device))),
        ("cuda_error", value(error)),
        ("cuda_driver", value(driver)),
        ("nvcc", value(nvcc)),
        ("architectures", array(cuda::architectures().iter().map(|&arch| value(arch)))),
        ("kernels", array(cuda::kernels().map(kernel))),
    ]
}

#[cfg(feature = "cuda")]
fn device(device: &cosmoe::cuda::Device) -> String {
    let (major, minor) = device.capability;
    object([
        ("device", value(format!("cuda:{}", device.ordinal))),
        ("name", value(device.name.as_str())),
        ("compute_capability", value(format!("{major}.{minor}"))),
        ("multiprocessors", value(device.multiprocessors)),
        ("memory", value(device.memory)),
        ("emulated", value(device.is_emulated())),
    ])
}

#[cfg(feature = "cuda")]
fn kernel(kernel: &cosmoe::cuda::Kernel) -> String {
    let builds = kernel.builds.iter().map(|build| {
        object([
            ("architecture", value(build.arch)),
            ("registers", value(build.registers)),
            ("shared", value(build.shared)),
            ("spills", value(build.spills)),
        ])
    });
    object([("name", value(kernel.name)), ("builds", array(builds))])
}
