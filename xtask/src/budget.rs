//! `cargo xtask kernels`: builds every kernel for every architecture and prints what each takes.

use crate::kernels::{Settings, archs, compile};
use crate::run::{Failure, Result, root, target_dir};
use crate::toolkit::toolkit;

/// Warnings and spilled registers are errors.
pub(crate) fn kernels() -> Result<()> {
    let Some(nvcc) = toolkit()? else {
        return Ok(());
    };
    let archs = archs::chosen("COSMOE_CUDA_ARCHS", variable().as_deref(), &nvcc);
    let archs = archs.map_err(Failure::new)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let out = target_dir().join("kernels");
    let settings = Settings { root: root(), out, nvcc, archs, deny: false, jobs };
    let built = compile(&settings).map_err(Failure::new)?;
    println!("{:<44} arch registers shared stack spills", "kernel");
    for module in &built.modules {
        for kernel in &module.kernels {
            for usage in &kernel.usage {
                let (arch, registers, shared) = (usage.arch, usage.registers, usage.shared);
                let (stack, spills) = (usage.stack, usage.spills);
                let name = format!("{}: {}", module.name, kernel.name);
                println!("{name:<44} {arch:>4} {registers:>9} {shared:>6} {stack:>5} {spills:>6}");
            }
        }
        println!("{}.fatbin: {} bytes", module.name, module.fatbin_len);
    }
    if built.warnings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("warnings are denied:\n{}", built.warnings.join("\n"))))
}

fn variable() -> Option<String> {
    std::env::var("COSMOE_CUDA_ARCHS").ok()
}
