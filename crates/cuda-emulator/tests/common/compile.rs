//! Finds nvcc and compiles the programs beside the tests to PTX, once each.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// As the library's own kernels are compiled: no contraction, so that plain Rust has the same bits.
const FLAGS: &[&str] = &["--ptx", "-arch=compute_80", "-lineinfo", "-fmad=false", "-std=c++17"];

/// The PTX of `tests/FOLDER/NAME.cu`; None, said on stderr, where there is no nvcc and none is
/// demanded.
pub fn ptx(folder: &str, name: &str) -> Option<Arc<str>> {
    type Cell = Arc<OnceLock<Arc<str>>>;
    static DONE: Mutex<Option<HashMap<String, Cell>>> = Mutex::new(None);
    static SKIPPED: AtomicU32 = AtomicU32::new(0);
    let Some(nvcc) = nvcc() else {
        assert!(
            std::env::var_os("COSMOE_REQUIRE_CUDA").is_none_or(|v| v == "0" || v.is_empty()),
            "COSMOE_REQUIRE_CUDA is set and there is no nvcc"
        );
        let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
        // Past the capture of libtest, which hides what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED ({count} so far): {folder}/{name}: no nvcc");
        return None;
    };
    let cell = {
        let mut done = DONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Arc::clone(done.get_or_insert_default().entry(format!("{folder}/{name}")).or_default())
    };
    Some(Arc::clone(cell.get_or_init(|| compile(nvcc, folder, name).into())))
}

/// The text of `tests/FOLDER/NAME.cu`.
pub fn source(folder: &str, name: &str) -> String {
    read(&path(folder, name))
}

fn path(folder: &str, name: &str) -> PathBuf {
    tests().join(folder).join(format!("{name}.cu"))
}

/// This crate's `tests` folder.
pub fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Compiles, or takes what an earlier run compiled from the same text with the same nvcc.
fn compile(nvcc: &Path, folder: &str, name: &str) -> String {
    let source = path(folder, name);
    let mut hasher = DefaultHasher::new();
    (read(&source), FLAGS, nvcc).hash(&mut hasher);
    nvcc.metadata().map(|m| (m.len(), m.modified().ok())).ok().hash(&mut hasher);
    for header in headers(&source) {
        read(&header).hash(&mut hasher);
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx");
    std::fs::create_dir_all(&kept).unwrap();
    let target = kept.join(format!("{name}-{:016x}.ptx", hasher.finish()));
    if !target.exists() {
        let fresh = target.with_extension(format!("{}.tmp", std::process::id()));
        let output = Command::new(nvcc)
            .args(FLAGS)
            .arg(&source)
            .arg("-o")
            .arg(&fresh)
            .output()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", nvcc.display()));
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nvcc refused {}:\n{says}", source.display());
        assert!(says.trim().is_empty(), "nvcc warns of {}:\n{says}", source.display());
        std::fs::rename(&fresh, &target).unwrap();
    }
    read(&target)
}

/// The headers beside a source.
fn headers(source: &Path) -> Vec<PathBuf> {
    let folder = source.parent().unwrap();
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "cuh")).collect();
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first nvcc of: NVCC, CUDA_HOME, CUDA_PATH, the toolkit under a target folder, PATH, the usual
/// place.
fn nvcc() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(search).as_deref()
}

fn search() -> Option<PathBuf> {
    // Set to nothing, NVCC says that there is to be none, to the build script too.
    if std::env::var_os("NVCC").is_some_and(|nvcc| nvcc.is_empty()) {
        return None;
    }
    let home = |name: &str| std::env::var_os(name).map(|v| PathBuf::from(v).join("bin/nvcc"));
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(std::env::var_os("NVCC").map(PathBuf::from));
    places.extend(home("CUDA_HOME"));
    places.extend(home("CUDA_PATH"));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets = [Path::new(env!("CARGO_TARGET_TMPDIR")).parent(), here.ancestors().nth(2)];
    for folder in [targets[0].map(Path::to_path_buf), targets[1].map(|root| root.join("target"))] {
        places.extend(folder.into_iter().flat_map(|folder| toolkits(&folder)));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path).map(|folder| folder.join("nvcc")));
    places.push("/usr/local/cuda/bin/nvcc".into());
    places.into_iter().find(|place| place.is_file())
}

/// Where `cargo xtask toolkit` puts nvcc in a target folder.
fn toolkits(target: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(target).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cuda-"))
    });
    folders
        .flat_map(|folder| [folder.join("bin/nvcc"), folder.join("nvidia/cu13/bin/nvcc")])
        .collect()
}
