//! Whole builds of small kernels with the nvcc of this machine. Where there is none they say so and
//! pass, unless COSMOE_REQUIRE_CUDA is set, as `cargo xtask test` does.

use std::io::Result;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::compiler::Nvcc;
use super::search::{Environment, Found, search};
use super::{Built, Settings, compile};

/// A folder that is removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let name = format!("cosmoe-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path.canonicalize()?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: the folder is a temporary one.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const HEADER: &str = "#pragma once\nconstexpr unsigned kTile = 64;\n";
const SOURCE: &str = r#"#include "common/tile.cuh"

struct Params { const float* in; float* out; unsigned long long count; };

extern "C" __global__ __launch_bounds__(2 * kTile) void scale(
    const __grid_constant__ Params params) {
    __shared__ float tile[2 * kTile];
    tile[threadIdx.x] = params.in[threadIdx.x];
    __syncthreads();
    params.out[threadIdx.x] = tile[threadIdx.x ^ 1] * 2.0f + 1.0f;
}
"#;

/// A package with one kernel, and how to build it; none where there is no nvcc.
fn package(name: &str, source: &str) -> Result<Option<(Scratch, Settings)>> {
    let Some(nvcc) = nvcc() else {
        assert!(std::env::var_os("COSMOE_REQUIRE_CUDA").is_none(), "there is no nvcc");
        println!("not run: there is no nvcc");
        return Ok(None);
    };
    let scratch = Scratch::new(name)?;
    let root = scratch.path().join("package");
    std::fs::create_dir_all(root.join("kernels/common"))?;
    std::fs::write(root.join("kernels/common/tile.cuh"), HEADER)?;
    std::fs::write(root.join("kernels/sample.cu"), source)?;
    let out = scratch.path().join("out");
    let settings = Settings { root, out, nvcc, archs: vec![80], deny: false, jobs: 2 };
    Ok(Some((scratch, settings)))
}

fn nvcc() -> Option<Nvcc> {
    match search(&Environment::current(vec![crate::run::target_dir()])) {
        Ok(Found::Nvcc(nvcc)) => Some(nvcc),
        Ok(Found::None { .. }) => None,
        Err(why) => panic!("{why}"),
    }
}

fn built(settings: &Settings) -> Built {
    compile(settings).unwrap_or_else(|why| panic!("{why}"))
}

fn refused(settings: &Settings) -> String {
    compile(settings).expect_err("the build is refused")
}

#[test]
fn a_module_says_what_the_host_needs() -> Result<()> {
    let Some((_scratch, mut settings)) = package("module", SOURCE)? else { return Ok(()) };
    settings.archs = vec![80, 90];
    settings.deny = true;
    let built = built(&settings);
    let [module] = built.modules.as_slice() else { panic!("expected one module") };
    assert_eq!((module.name.as_str(), module.archs.as_slice()), ("sample", [80, 90].as_slice()));
    let [kernel] = module.kernels.as_slice() else { panic!("expected one kernel") };
    assert_eq!((kernel.name.as_str(), kernel.max_threads), ("scale", Some(128)));
    assert_eq!(kernel.parameters, [24]);
    let shared: Vec<_> = kernel.usage.iter().map(|usage| (usage.arch, usage.shared)).collect();
    assert_eq!(shared, [(80, 512), (90, 512)]);
    let fatbin = std::fs::read(&module.fatbin)?;
    assert_eq!(fatbin.len(), module.fatbin_len);
    let ptx = String::from_utf8_lossy(&fatbin[module.ptx.clone()]).into_owned();
    assert!(ptx.contains(".visible .entry scale(") && ptx.contains("add.rn.f32"), "{ptx}");
    assert!(ptx.contains(".file\t1 \"kernels/sample.cu\""), "{ptx}");
    Ok(())
}

#[test]
fn only_what_changed_is_built_again() -> Result<()> {
    let Some((_scratch, mut settings)) = package("again", SOURCE)? else { return Ok(()) };
    let times = |settings: &Settings| -> Result<(SystemTime, SystemTime)> {
        let inputs = built(settings).inputs;
        assert!(inputs.contains(&settings.root.join("kernels/common/tile.cuh")), "{inputs:?}");
        let time = |name| settings.out.join("sample").join(name).metadata()?.modified();
        Ok((time("compiled.ptx")?, time("sample.fatbin")?))
    };
    // Files written right before the compiler starts may count as changed while it runs.
    times(&settings)?;
    let first = times(&settings)?;
    assert_eq!(times(&settings)?, first);
    settings.archs = vec![80, 86];
    let other_archs = times(&settings)?;
    assert_eq!(other_archs.0, first.0);
    assert!(other_archs.1 > first.1);
    std::fs::write(settings.root.join("kernels/common/tile.cuh"), HEADER.replace("64", "32"))?;
    let other_header = times(&settings)?;
    assert!(other_header.0 > first.0 && other_header.1 > other_archs.1);
    assert_eq!(built(&settings).modules[0].kernels[0].max_threads, Some(64));
    Ok(())
}

#[test]
fn the_bytes_do_not_depend_on_the_place() -> Result<()> {
    let bytes = |name| -> Result<Option<Vec<u8>>> {
        let Some((_scratch, settings)) = package(name, SOURCE)? else { return Ok(None) };
        std::fs::read(&built(&settings).modules[0].fatbin).map(Some)
    };
    let (here, there) = (bytes("here")?, bytes("at-another-place")?);
    assert!(here == there, "the fatbins differ");
    Ok(())
}

#[test]
fn a_mistake_in_a_kernel_is_shown_as_nvcc_tells_it() -> Result<()> {
    let source = SOURCE.replace("tile[threadIdx.x ^ 1]", "tile[missing]");
    let Some((_scratch, settings)) = package("mistake", &source)? else { return Ok(()) };
    let says = refused(&settings);
    assert!(says.contains("kernels/sample.cu(10): error: identifier \"missing\""), "{says}");
    Ok(())
}

#[test]
fn what_ptxas_might_fuse_is_refused_with_its_line() -> Result<()> {
    let product = r#"asm("mul.f32 %0, %0, %0;" : "+f"(tile[threadIdx.x]));"#;
    let source =
        SOURCE.replace("    __syncthreads();", &format!("    {product}\n    __syncthreads();"));
    let Some((_scratch, settings)) = package("fused", &source)? else { return Ok(()) };
    let says = refused(&settings);
    assert!(says.contains("kernels/sample.cu:9: mul.f32: no rounding is named"), "{says}");
    Ok(())
}

#[test]
fn a_warning_is_kept_and_can_be_denied() -> Result<()> {
    let source =
        SOURCE.replace("    __syncthreads();", "    int unused = 1;\n    __syncthreads();");
    let Some((_scratch, mut settings)) = package("warning", &source)? else { return Ok(()) };
    for _ in 0..2 {
        // The second time nothing is compiled.
        let warnings = built(&settings).warnings.join("\n");
        assert!(warnings.contains("kernels/sample.cu(9): warning #177-D"), "{warnings}");
    }
    settings.deny = true;
    assert!(refused(&settings).starts_with("warnings are denied:\nkernels/sample.cu(9)"));
    Ok(())
}

#[test]
fn spilled_registers_are_a_warning() -> Result<()> {
    let source = r#"
extern "C" __global__ __launch_bounds__(1024, 2) void spill(float* data) {
    float value[64];
#pragma unroll
    for (int i = 0; i < 64; i++) value[i] = data[i * threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; i++) { data[i] = value[63 - i]; __syncthreads(); }
}
"#;
    let Some((_scratch, settings)) = package("spill", source)? else { return Ok(()) };
    let built = built(&settings);
    let warnings = built.warnings.join("\n");
    assert!(
        warnings.contains("kernels/sample.cu: spill for sm_80 spills registers: "),
        "{warnings}"
    );
    assert!(built.modules[0].kernels[0].usage[0].spills > 0);
    Ok(())
}
