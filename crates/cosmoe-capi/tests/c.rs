//! C and C++ programs against an installed prefix.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;

use common::numbers::numbers;
use common::{Program, here, pkg_config, prefix, strict, succeed};
use cosmoe::{MatrixRef, Plan, PlanConfig, Router, RouterConfig, Routing};

const T: usize = 37;
const D: usize = 64;
const E: usize = 8;
const K: usize = 2;

fn engine() -> std::path::PathBuf {
    here().join("examples/engine.c")
}

/// What the engine computes, by the Rust API: ids, weights, offsets, outputs.
fn by_rust<B: cosmoe::Backend<Space = cosmoe::Host>>(backend: B) -> Vec<u8> {
    let (tokens, experts, matrices) = (numbers(T * D, 1), numbers(E * D, 2), numbers(E * D * D, 3));
    let tokens = MatrixRef::new(&tokens, T, D).unwrap();
    let config = RouterConfig::builder(E, K).build().unwrap();
    let experts = MatrixRef::new(&experts, E, D).unwrap();
    let mut router = Router::on(backend, config, experts).unwrap();
    let routing: Routing = router.route(tokens).unwrap();
    let plan: Plan = routing.plan(&PlanConfig::builder(E).build().unwrap()).unwrap();
    let grouped = plan.gather(tokens).unwrap();
    let mut outputs = vec![0.0_f32; grouped.len()];
    for expert in 0..E {
        for row in plan.rows_of_expert(expert) {
            for j in 0..D {
                let weights = &matrices[(expert * D + j) * D..][..D];
                let values = &grouped[row * D..][..D];
                let sum = weights.iter().zip(values).fold(0.0, |sum, (w, x)| sum + w * x);
                outputs[row * D + j] = if sum > 0.0 { sum } else { 0.0 };
            }
        }
    }
    let grouped = MatrixRef::new(&outputs, plan.rows(), D).unwrap();
    let out = plan.combine(grouped, &routing).unwrap();
    let mut bytes = Vec::new();
    routing.ids().iter().for_each(|id| bytes.extend(id.to_ne_bytes()));
    routing.weights().iter().for_each(|weight| bytes.extend(weight.to_ne_bytes()));
    plan.expert_offsets().iter().for_each(|row| bytes.extend(row.to_ne_bytes()));
    out.iter().for_each(|value| bytes.extend(value.to_ne_bytes()));
    bytes
}

/// The CPU, and CUDA if there is a device.
fn devices() -> &'static [&'static str] {
    if common::device::cuda().is_some() { &["cpu", "cuda"] } else { &["cpu"] }
}

/// On every device the program has the bits of the Rust API.
fn check_engine(compiler: Command) {
    let expected = by_rust(cosmoe::Cpu::new());
    let program = Program::new(compiler, &engine());
    for device in devices() {
        assert!(program.results(device) == expected, "{device}");
    }
}

#[test]
fn the_engine_has_the_bits_of_the_rust_api() {
    let lines = std::fs::read_to_string(engine()).unwrap().lines().count();
    assert!(lines < 150, "an example of {lines} lines");
    check_engine(strict("cc", "gnu11"));
    if let Some(cuda) = common::device::cuda() {
        // So do the CPU and the device in Rust.
        assert!(by_rust(cosmoe::cuda::Staged::new(cuda)) == by_rust(cosmoe::Cpu::new()));
    }
}

#[test]
fn the_engine_as_cplusplus() {
    let mut compiler = strict("c++", "c++17");
    compiler.args(["-x", "c++"]);
    check_engine(compiler);
}

/// Also what it leaks, on the CPU: a CUDA driver keeps its contexts.
#[test]
fn the_engine_under_address_sanitizer() {
    let mut compiler = strict("cc", "gnu11");
    compiler.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]);
    check_engine(compiler);
}

/// The C programs of the documentation, built by the command that stands beside them, run; where a comment
/// says what is printed, it is.
#[test]
fn the_documentations_programs() {
    let mut count = 0;
    for file in ["crates/cosmoe-capi/README.md", "docs/linking.md"] {
        let text = std::fs::read_to_string(common::root().join(file)).unwrap();
        let build = text.lines().find(|line| line.starts_with("cc program.c -o program ")).unwrap();
        for block in text.split("\n```c\n").skip(1) {
            let (program, _) = block.split_once("\n```").unwrap();
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("program.c"), program).unwrap();
            let mut shell = Command::new("sh");
            shell.args(["-c", build]).current_dir(folder.path());
            succeed(shell.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")));
            let mut run = Command::new(folder.path().join("program"));
            let paths = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
            let paths = std::iter::once(prefix().join("lib")).chain(std::env::split_paths(&paths));
            run.env("LD_LIBRARY_PATH", std::env::join_paths(paths).unwrap());
            let said = String::from_utf8(succeed(&mut run).stdout).unwrap();
            if let Some((_, expected)) = program.split_once("ids[3]); /* ") {
                assert_eq!(said.trim(), expected.split_once(" */").unwrap().0, "{file}");
            }
            if program.contains("device type %d: ready") {
                let ready = said.lines().filter(|line| line.ends_with(": ready")).count();
                assert_eq!(ready, devices().len(), "{said}");
            }
            count += 1;
        }
    }
    assert!(count >= 2, "{count} programs");
}

/// For packagers: files go elsewhere than they will be, and a blank in a path does no harm.
#[test]
fn destdir_and_blanks() {
    let folder = tempfile::tempdir().unwrap();
    let mut cargo = common::install(Path::new("/opt/my libs"));
    succeed(cargo.env("DESTDIR", folder.path()));
    let lib = folder.path().join("opt/my libs/lib");
    assert!(lib.join("libcosmoe.so").exists() && lib.join("libcosmoe.a").exists());
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", lib.join("pkgconfig")).args(["--libs", "cosmoe"]);
    let said = String::from_utf8(succeed(&mut command).stdout).unwrap();
    assert_eq!(said.trim(), "-L/opt/my\\ libs/lib -lcosmoe");
}

#[test]
fn the_static_library_needs_what_pkg_config_says() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("engine");
    let mut compiler = strict("cc", "gnu11");
    compiler.arg(engine()).arg("-o").arg(&program).args(pkg_config(&["--cflags"]));
    compiler.arg(prefix().join("lib/libcosmoe.a"));
    let libraries = pkg_config(&["--static", "--libs"]);
    compiler
        .args(libraries.iter().filter(|word| !word.contains("cosmoe") && !word.starts_with("-L")));
    succeed(&mut compiler);
    let needed = succeed(Command::new("readelf").arg("-d").arg(&program)).stdout;
    assert!(!String::from_utf8(needed).unwrap().contains("libcosmoe"));
    succeed(Command::new(&program).arg("cpu"));
}

#[test]
fn the_shared_library_exports_what_the_header_declares() {
    let library = prefix().join("lib/libcosmoe.so");
    let output = succeed(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut exported: Vec<&str> =
        text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    exported.sort_unstable();
    let header = std::fs::read_to_string(prefix().join("include/cosmoe.h")).unwrap();
    let mut declared: Vec<&str> = header
        .lines()
        .filter(|line| {
            !line.starts_with("//") && line.contains(" cosmoe_") || line.contains(" *cosmoe_")
        })
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("cosmoe_"))
        .collect();
    declared.sort_unstable();
    assert_eq!(exported, declared);

    let output = succeed(Command::new("readelf").arg("-d").arg(&library));
    let dynamic = String::from_utf8(output.stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let soname = format!("libcosmoe.so.{}", version.rsplit_once('.').unwrap().0);
    assert!(dynamic.contains(&format!("[{soname}]")), "{dynamic}");
    let full = format!("libcosmoe.so.{version}");
    let target = |name: &str| std::fs::read_link(prefix().join("lib").join(name)).unwrap();
    assert_eq!(target("libcosmoe.so"), Path::new(&soname));
    assert_eq!(target(&soname), Path::new(&full));
    assert_eq!(pkg_config(&["--modversion"]), [version]);
    assert!(pkg_config(&["--exists", "--print-errors"]).is_empty());
}

/// The header by itself, in every language that it is for; no struct has padding, where a later field could
/// hide from older callers.
#[test]
fn the_header_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (compiler, language, standards) in
        [("cc", "c", &["c99", "c11", "c17"][..]), ("c++", "c++", &["c++11", "c++17", "c++20"][..])]
    {
        for standard in standards {
            let source = folder.path().join(format!("alone-{standard}.{language}"));
            std::fs::write(&source, "#include <cosmoe.h>\n#include <cosmoe.h>\n").unwrap();
            let mut compiler = strict(compiler, standard);
            compiler.args(["-Wpadded", "-fsyntax-only", "-x", language]);
            // Without -isystem, which would keep warnings to itself.
            compiler.arg("-I").arg(prefix().join("include")).arg(&source);
            succeed(&mut compiler);
        }
    }
}

/// A stand-in for DLPack's own header: its guard and its names.
const DLPACK: &str = "#ifndef DLPACK_DLPACK_H_\n#define DLPACK_DLPACK_H_\n#include <stdint.h>\n\
    typedef enum { kDLCPU = 1, kDLCUDA = 2 } DLDeviceType;\n\
    typedef struct { DLDeviceType device_type; int32_t device_id; } DLDevice;\n\
    typedef struct { uint8_t code; uint8_t bits; uint16_t lanes; } DLDataType;\n\
    typedef struct { void *data; DLDevice device; int32_t ndim; DLDataType dtype; int64_t *shape; \
    int64_t *strides; uint64_t byte_offset; } DLTensor;\n#endif\n";

#[test]
fn dlpacks_own_header_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let dlpack = folder.path().join("dlpack");
    std::fs::create_dir(&dlpack).unwrap();
    std::fs::write(dlpack.join("dlpack.h"), DLPACK).unwrap();
    let layout = "#include <stddef.h>\n\
        _Static_assert(sizeof(DLTensor) == 48 && offsetof(DLTensor, byte_offset) == 40, \"layout\");\n\
        DLDeviceType type(DLDevice device) { return device.device_type; }\n";
    let (ours, theirs) = ("#include <cosmoe.h>\n", "#include <dlpack/dlpack.h>\n");
    for (name, includes) in [("before", [theirs, ours]), ("after", [ours, theirs])] {
        let source = folder.path().join(format!("{name}.c"));
        std::fs::write(&source, includes.concat() + layout).unwrap();
        let mut compiler = strict("cc", "c11");
        compiler.arg("-fsyntax-only").arg("-I").arg(prefix().join("include"));
        succeed(compiler.arg("-I").arg(folder.path()).arg(&source));
    }
}

/// C's layout of every struct is Rust's.
#[test]
fn layouts_agree() {
    use std::mem::offset_of;
    let mut source = String::from("#include <cosmoe.h>\n");
    macro_rules! check {
        ($($name:ident { $($field:ident),* })*) => {
            $(
                let size = size_of::<cosmoe_capi::$name>();
                let name = stringify!($name);
                source += &format!("_Static_assert(sizeof({name}) == {size}, \"{name}\");\n");
                $(
                    let offset = offset_of!(cosmoe_capi::$name, $field);
                    let field = stringify!($field);
                    source += &format!(
                        "_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");\n"
                    );
                )*
            )*
        };
    }
    check! {
        DLDevice { device_type, device_id }
        DLDataType { code, bits, lanes }
        DLTensor { data, device, ndim, dtype, shape, strides, byte_offset }
        cosmoe_backend_config { struct_size, device, stream, num_threads }
        cosmoe_router_config {
            struct_size, num_experts, top_k, score, tau_token, tau_expert, scale, gate, renormalize,
            bias_placement, group_score, num_groups, top_groups, route_scale, reserved
        }
        cosmoe_plan_config {
            struct_size, num_experts, align, capacity, drop_policy, capacity_per_expert,
            capacity_factor, window_begin, window_end
        }
        cosmoe_workspace_size { struct_size, scratch, state }
        cosmoe_router_weights { struct_size, experts, bias, projection, projection_bias }
        cosmoe_route_args { struct_size, tokens, num_tokens }
        cosmoe_route_out { struct_size, ids, weights, scores }
        cosmoe_select_args { struct_size, logits, num_tokens }
        cosmoe_plan_args { struct_size, ids, weights }
        cosmoe_plan_out {
            struct_size, expert_demand, expert_counts, expert_offsets, row_of_assignment,
            assignment_of_row, expert_of_block, stats
        }
        cosmoe_gather_args { struct_size, tokens, assignment_of_row, top_k }
        cosmoe_combine_args { struct_size, grouped, row_of_assignment, weights }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout.c");
    std::fs::write(&path, source).unwrap();
    let mut compiler = strict("cc", "c11");
    succeed(compiler.args(pkg_config(&["--cflags"])).arg("-fsyntax-only").arg(&path));
}
