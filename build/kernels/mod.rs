//! From `kernels/*.cu` to fatbins: one PTX per file, checked, then the machine code of every
//! architecture from that same PTX. Shared by the build script and by `cargo xtask`.

pub(crate) mod archs;
pub(crate) mod compiler;
mod depfile;
mod fatbin;
mod module;
mod nvcc;
mod ptx;
mod rules;
pub(crate) mod search;
mod stamp;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use module::Module;
#[allow(unused_imports, reason = "for those who read a module's fields")]
pub(crate) use usage::Usage;

/// What to build, with what, and where to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The package's root; the sources are in `kernels/` there.
    pub(crate) root: PathBuf,
    /// The only folder that is written to.
    pub(crate) out: PathBuf,
    pub(crate) nvcc: compiler::Nvcc,
    /// The architectures to make machine code for (80 is sm_80), beside the PTX.
    pub(crate) archs: Vec<u32>,
    /// Whether warnings and spilled registers are errors.
    pub(crate) deny: bool,
    /// How many compilers may run at once.
    pub(crate) jobs: usize,
}

/// What was built.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// By name.
    pub(crate) modules: Vec<Module>,
    /// Every file that was read, and the folder of the sources.
    pub(crate) inputs: BTreeSet<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

/// Builds every file of `kernels/`. What is up to date is not built again.
pub(crate) fn compile(settings: &Settings) -> Result<Built, String> {
    let folder = settings.root.join("kernels");
    let names = names(&folder)?;
    let mut built = Built::default();
    built.inputs.insert(folder);
    let mut failures = Vec::new();
    for result in in_parallel(settings, &names) {
        match result {
            Ok(output) => {
                built.modules.push(output.module);
                built.inputs.extend(output.inputs);
                built.warnings.extend(output.warnings);
            }
            Err(message) => failures.push(message),
        }
    }
    if settings.deny && failures.is_empty() && !built.warnings.is_empty() {
        failures.push(format!("warnings are denied:\n{}", built.warnings.join("\n")));
    }
    if failures.is_empty() { Ok(built) } else { Err(failures.join("\n\n")) }
}

/// The stems of the `.cu` files, sorted.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    if !folder.exists() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.extension().is_none_or(|extension| extension != "cu") {
            continue;
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let plain = |name: &String| {
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        match stem.filter(plain) {
            Some(name) => names.push(name),
            None => return Err(format!("{}: expected a name of a-z, 0-9, _", path.display())),
        }
    }
    names.sort();
    Ok(names)
}

/// One result per name, in order. The jobs are shared out so that no more than `settings.jobs`
/// compilers run.
fn in_parallel(settings: &Settings, names: &[String]) -> Vec<Result<module::Output, String>> {
    let workers = settings.jobs.clamp(1, names.len().max(1));
    let threads = (settings.jobs / workers).max(1);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, name)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    names.get(index).map(|name| (index, name))
                } {
                    let result = module::build(settings, name, threads);
                    let mut results = results.lock().unwrap_or_else(|poison| poison.into_inner());
                    results.push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|poison| poison.into_inner());
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
