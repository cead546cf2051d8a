//! The library's kernels: their PTX, and every launch of launches.rs checked against it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Job;
use super::input::Input;
use super::launches::{Launch, launches};
use super::{layout, plain};
use crate::kernels::compiler::Nvcc;
use crate::kernels::{Module, Settings, compile};
use crate::run::{Failure, Result, root, target_dir};

/// All launches of all kernels. A kernel without a launch is a failure, and so is a launch that does
/// not fit its kernel.
pub(super) fn jobs(nvcc: &Nvcc) -> Result<Vec<Job>> {
    let out = target_dir().join("prove");
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let settings =
        Settings { root: root(), out, nvcc: nvcc.clone(), archs: vec![80], deny: true, jobs };
    let built = compile(&settings).map_err(Failure::new)?;
    let kernels = || built.modules.iter().flat_map(|module| &module.kernels);
    // Where there is no such kernel or no bound, the checks below say so.
    let bound = |name: &str| kernels().find(|kernel| kernel.name == name)?.max_threads;
    let names: Vec<&str> = kernels().map(|kernel| kernel.name.as_str()).collect();
    let launches = launches(&names, &|name| bound(name).unwrap_or(1024));
    let mut jobs = Vec::new();
    for module in &built.modules {
        jobs.extend(of_module(module, &launches).map_err(|why| {
            Failure::new(format!(
                "kernels/{}.cu and xtask/src/prove/launches.rs: {why}",
                module.name
            ))
        })?);
    }
    for launch in &launches {
        if !kernels().any(|kernel| kernel.name == launch.kernel) {
            return Err(Failure::new(format!("launches.rs: no kernel {}", launch.kernel)));
        }
    }
    Ok(jobs)
}

/// The text of a source, after those of the headers of ours that it includes, each once.
fn with_headers(path: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<String, String> {
    let failed = |error| format!("{}: {error}", path.display());
    if !seen.insert(path.canonicalize().map_err(failed)?) {
        return Ok(String::new());
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut whole = String::new();
    for line in text.lines() {
        let name = line.strip_prefix("#include \"").and_then(|line| line.strip_suffix('"'));
        if let Some(name) = name {
            whole += &with_headers(&folder.join(name), seen)?;
        }
    }
    whole += &text;
    Ok(whole)
}

fn of_module(module: &Module, launches: &[Launch]) -> Result<Vec<Job>, String> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let source =
        with_headers(&root().join(format!("kernels/{}.cu", module.name)), &mut BTreeSet::new())?;
    let (fields, bytes) = layout::of_struct(&source)?;
    let fatbin = read(&module.fatbin)?;
    let text = fatbin.get(module.ptx.clone()).ok_or("its fatbin is too short")?;
    let ptx = target_dir().join(format!("prove/{}.ptx", module.name));
    let text = plain::without_bit_field_inserts(&String::from_utf8_lossy(text));
    std::fs::write(&ptx, text).map_err(|error| format!("{}: {error}", ptx.display()))?;
    let mut jobs = Vec::new();
    for kernel in &module.kernels {
        if kernel.parameters != [bytes] {
            let found = &kernel.parameters;
            return Err(format!(
                "{}: expected {bytes} bytes of arguments, found {found:?}",
                kernel.name
            ));
        }
        let before = jobs.len();
        for launch in launches.iter().filter(|launch| launch.kernel == kernel.name) {
            if kernel.max_threads.is_some_and(|most| launch.block > most) {
                return Err(format!("{}: {} threads are too many", kernel.name, launch.block));
            }
            let mut input = Input::new(&launch.kernel, launch.grid, launch.block, launch.shared);
            for field in &fields {
                input.add(0, field, &launch.numbers)?;
            }
            let scalars = launch.numbers.scalars.iter().map(|(name, _)| name);
            let arrays = launch.numbers.arrays.iter().map(|(name, _)| name);
            if let Some(name) =
                scalars.chain(arrays).find(|n| !fields.iter().any(|f| f.name == **n))
            {
                return Err(format!("{}: there is no argument {name}", kernel.name));
            }
            let name = format!("{} {}", launch.kernel, launch.what).trim_end().to_owned();
            let (ptx, expected) = (ptx.clone(), launch.expected.clone());
            jobs.push(Job { name, ptx, input, ways: true, expected });
        }
        if jobs.len() == before {
            return Err(format!("{} has no launch", kernel.name));
        }
    }
    Ok(jobs)
}
