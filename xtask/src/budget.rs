//! `cargo xtask kernels`: builds every kernel for every architecture and prints what each takes.

use crate::kernels::{Settings, Usage, archs, compile};
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
    let archs: String = settings.archs.iter().map(|arch| format!("{arch:>5}")).collect();
    println!("{:<40} shared stack spills  registers:{archs}", "kernel");
    for module in &built.modules {
        for kernel in &module.kernels {
            let most = |bytes: fn(&Usage) -> u32| kernel.usage.iter().map(bytes).max().unwrap_or(0);
            let (shared, stack) = (most(|usage| usage.shared), most(|usage| usage.stack));
            let spills = most(|usage| usage.spills);
            let registers = kernel.usage.iter().map(|usage| format!("{:>5}", usage.registers));
            let registers: String = registers.collect();
            let name = format!("{}: {}", module.name, kernel.name);
            println!("{name:<40} {shared:>6} {stack:>5} {spills:>6}  {:>10}{registers}", "");
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
