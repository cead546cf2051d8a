//! The text of the generated file: the tables of `src/cuda/registry.rs` as Rust source.

use std::fmt::Write;

use crate::kernels::Module;

/// The whole file.
pub(crate) fn text(modules: &[Module], nvcc_version: Option<&str>) -> String {
    let mut text = String::from("// Written by the build script.\n\n");
    let version = "/// The version of the nvcc that built the kernels; none: they were not built.";
    line(&mut text, version);
    line(&mut text, &format!("pub(crate) const NVCC_VERSION: Option<&str> = {nvcc_version:?};\n"));
    line(&mut text, "/// One per file of `kernels/`, by name; empty when they were not built.");
    line(&mut text, "pub(crate) static MODULES: &[Module] = &[");
    for module in modules {
        self::module(&mut text, module);
    }
    line(&mut text, "];");
    text
}

fn module(text: &mut String, module: &Module) {
    let path = module.fatbin.display().to_string();
    line(text, "    Module {");
    line(text, &format!("        name: {:?},", module.name));
    line(text, &format!("        fatbin: fatbin!({path:?}, {}),", module.fatbin_len));
    line(text, &format!("        ptx: ({}, {}),", module.ptx.start, module.ptx.end));
    line(text, &format!("        archs: &{:?},", module.archs));
    line(text, "        kernels: &[");
    for kernel in &module.kernels {
        line(text, "            Kernel {");
        line(text, &format!("                name: {:?},", kernel.name));
        line(text, &format!("                max_threads: {:?},", kernel.max_threads));
        line(text, &format!("                parameters: &{:?},", kernel.parameters));
        line(text, "                builds: &[");
        for usage in &kernel.usage {
            let (arch, registers, shared) = (usage.arch, usage.registers, usage.shared);
            let first = format!("arch: {arch}, registers: {registers}, shared: {shared}");
            let last = format!("spills: {}, stack: {}", usage.spills, usage.stack);
            line(text, &format!("                    Build {{ {first}, {last} }},"));
        }
        line(text, "                ],\n            },");
    }
    line(text, "        ],\n    },");
}

fn line(text: &mut String, line: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
