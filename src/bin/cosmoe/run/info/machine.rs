//! What this build and this machine offer, as text.

use cosmoe::{BiasPlacement, Cpu};

use crate::names::{BIAS_PLACEMENTS, GATES, GROUP_SCORES, SCORES};
use crate::presets::{Groups, PRESETS, Preset};
use crate::sample;

/// Where the second column starts.
const INDENT: usize = 11;

pub(super) fn text() -> String {
    let cpu = Cpu::new();
    let mut text = String::new();
    let mut entry = |name: &str, lines: &[String]| {
        for (i, line) in lines.iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            text += &format!("{name:INDENT$}{line}\n");
        }
    };
    entry("version", &[env!("CARGO_PKG_VERSION").to_owned()]);
    entry("simd", &[cpu.simd().to_string()]);
    entry("threads", &[cpu.tasks().to_string()]);
    entry("devices", &devices());
    let bytes = sample::TOKENS.len() + sample::ROUTER.len();
    entry("sample", &[format!("{}, {bytes} bytes", sample::DESCRIPTION)]);
    entry("presets", &presets());
    entry("kernels", &kernels());
    text
}

fn presets() -> Vec<String> {
    let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    PRESETS.iter().map(|preset| format!("{:width$}  {}", preset.name, router(preset))).collect()
}

/// `256 experts, hidden 7168, top 8, linear, sigmoid-renorm, ...`: what is as by default is left out.
fn router(preset: &Preset) -> String {
    let Preset { experts, hidden, top_k, .. } = preset;
    let mut parts = vec![format!("{experts} experts, hidden {hidden}, top {top_k}")];
    parts.extend(SCORES.name(preset.score).map(str::to_owned));
    parts.extend(GATES.name(preset.gate).map(str::to_owned));
    if preset.bias_placement != BiasPlacement::default() {
        parts.extend(BIAS_PLACEMENTS.name(preset.bias_placement).map(str::to_owned));
    }
    if let Some(Groups { count, top, score }) = preset.groups {
        let score = GROUP_SCORES.name(score).unwrap_or_default();
        parts.push(format!("{top} of {count} groups by {score}"));
    }
    if preset.route_scale != 1.0 {
        parts.push(format!("scale {}", preset.route_scale));
    }
    parts.join(", ")
}

#[cfg(not(feature = "cuda"))]
fn devices() -> Vec<String> {
    vec!["cpu".to_owned(), format!("no cuda: {}", crate::device::NO_KERNELS)]
}

#[cfg(not(feature = "cuda"))]
fn kernels() -> Vec<String> {
    vec![format!("none: {}", crate::device::NO_KERNELS)]
}

#[cfg(feature = "cuda")]
fn devices() -> Vec<String> {
    let mut lines = vec!["cpu".to_owned()];
    match cosmoe::cuda::devices() {
        Ok(devices) => lines.extend(devices.iter().map(device)),
        Err(error) => lines.push(format!("no cuda: {error}")),
    }
    if let Ok(version) = cosmoe::cuda::driver_version() {
        lines.push(format!("cuda driver {version}"));
    }
    lines
}

#[cfg(feature = "cuda")]
fn device(device: &cosmoe::cuda::Device) -> String {
    let (major, minor) = device.capability;
    let emulated = if device.is_emulated() { ", emulated: there is no GPU behind it" } else { "" };
    format!(
        "cuda:{} {}, compute capability {major}.{minor}, {} multiprocessors, {:.1} GiB{emulated}",
        device.ordinal,
        device.name,
        device.multiprocessors,
        device.memory as f64 / f64::from(1 << 30),
    )
}

/// A line for all, then one for each kernel: registers a thread and static shared memory a block, for
/// every architecture.
#[cfg(feature = "cuda")]
fn kernels() -> Vec<String> {
    let Some(compiler) = cosmoe::cuda::compiler_version() else {
        return vec![format!("none: {}", crate::device::NO_KERNELS)];
    };
    let archs = cosmoe::cuda::architectures();
    let names: Vec<String> = archs.iter().map(|arch| format!("sm_{arch}")).collect();
    let count = cosmoe::cuda::kernels().count();
    let mut lines = vec![format!(
        "{count} by nvcc {compiler} for {} and, from PTX, later devices; registers, static shared \
         memory:",
        names.join(", ")
    )];
    let width = cosmoe::cuda::kernels().map(|kernel| kernel.name.len()).max().unwrap_or(0);
    lines.extend(cosmoe::cuda::kernels().map(|kernel| {
        let cells = kernel.builds.iter().map(|build| {
            let spills = match build.spills {
                0 => String::new(),
                bytes => format!(", {bytes} B spilled"),
            };
            format!("  sm_{} {:3}, {} B{spills}", build.arch, build.registers, build.shared)
        });
        format!("{:width$}{}", kernel.name, cells.collect::<String>())
    }));
    lines
}
