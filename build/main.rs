//! The build script: compiles `kernels/*.cu` with the nvcc of this machine and writes the registry
//! that `src/cuda/registry.rs` includes. Without an nvcc the registry is empty and the crate builds
//! all the same. It uses no network, asks for no GPU and writes nothing outside OUT_DIR;
//! docs/building.md tells the rest.

mod kernels;
mod registry;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kernels::search::{Environment, Found};
use kernels::{Built, Settings};

/// What nvcc itself reads, beside what this script reads.
const NVCC_READS: [&str; 3] = ["NVCC_CCBIN", "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"];
const ARCHS: &str = "COSMOE_CUDA_ARCHS";
const REQUIRE: &str = "COSMOE_REQUIRE_CUDA";
const WARNINGS: &str = "COSMOE_KERNEL_WARNINGS";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\n{message}\n");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut watch = Watch::default();
    watch.file(Path::new("build/main.rs"));
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        watch.print();
        return Ok(());
    }
    let out = folder("OUT_DIR")?;
    let (built, version) = match nvcc(&out, &mut watch)? {
        Some(nvcc) => {
            let version = nvcc.version.clone();
            // For the tests, which compile kernels of their own.
            println!("cargo::rustc-env=COSMOE_NVCC={}", nvcc.path.display());
            (compile(nvcc, &out, &mut watch)?, Some(version))
        }
        None => (Built::default(), None),
    };
    let text = registry::text(&built.modules, version.as_deref());
    let path = out.join("kernels.rs");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    for warning in &built.warnings {
        warning.lines().for_each(|line| println!("cargo::warning={line}"));
    }
    watch.print();
    Ok(())
}

/// The compiler to use; without one, whether that is an error.
fn nvcc(out: &Path, watch: &mut Watch) -> Result<Option<kernels::compiler::Nvcc>, String> {
    let required = watch.variable(REQUIRE).is_some_and(|value| value != "0" && !value.is_empty());
    if watch.variable("DOCS_RS").is_some() {
        return Ok(None);
    }
    let targets = out.ancestors().take(8).map(Path::to_path_buf);
    let targets = targets.chain([folder("CARGO_MANIFEST_DIR")?.join("target")]).collect();
    let environment = Environment::current(targets);
    let found = kernels::search::search(&environment)?;
    environment.variables_read(&found).iter().for_each(|name| watch.name(name));
    match found {
        Found::Nvcc(nvcc) => {
            watch.file(&nvcc.path);
            Ok(Some(nvcc))
        }
        Found::None { why } if required => {
            Err(format!("{REQUIRE} is set, and the CUDA kernels cannot be built: {why}"))
        }
        Found::None { .. } => Ok(None),
    }
}

fn compile(nvcc: kernels::compiler::Nvcc, out: &Path, watch: &mut Watch) -> Result<Built, String> {
    NVCC_READS.iter().for_each(|name| watch.name(name));
    let archs = watch.variable(ARCHS).map(|value| value.to_string_lossy().into_owned());
    let deny = watch.variable(WARNINGS).is_some_and(|value| value == "deny");
    let jobs = std::env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    let archs = kernels::archs::chosen(ARCHS, archs.as_deref(), &nvcc)?;
    let root = folder("CARGO_MANIFEST_DIR")?;
    let settings = Settings { root, out: out.join("kernels"), nvcc, archs, deny, jobs };
    let built = kernels::compile(&settings)?;
    built.inputs.iter().for_each(|path| watch.file(path));
    Ok(built)
}

fn folder(variable: &str) -> Result<PathBuf, String> {
    let value = std::env::var_os(variable);
    value.map(PathBuf::from).ok_or_else(|| format!("{variable} is not set: cargo sets it"))
}

/// What makes cargo run this script again. Printed at the end: a script that fails runs again
/// anyway, and its message is easier to read without it.
#[derive(Default)]
struct Watch {
    files: BTreeSet<PathBuf>,
    variables: BTreeSet<String>,
}

impl Watch {
    fn file(&mut self, path: &Path) {
        self.files.insert(path.to_path_buf());
    }

    fn name(&mut self, variable: &str) {
        self.variables.insert(variable.to_owned());
    }

    fn variable(&mut self, name: &str) -> Option<OsString> {
        self.name(name);
        std::env::var_os(name)
    }

    fn print(&self) {
        // cargo takes a file that is not there as changed, and would run this script every time.
        for path in self.files.iter().filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        for name in &self.variables {
            println!("cargo::rerun-if-env-changed={name}");
        }
    }
}
