//! Runs the program on the emulated device, as many cases at a time as there are cores.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::cases::{CASES, Case};
use super::table::{CLASSES, FIGURES, Row, Table};
use crate::emulate;
use crate::run::{Failure, Result, cannot_start};

/// The architecture whose registers are in the table.
const ARCH: u64 = 80;

/// The counts of all cases, in their order.
pub(super) fn all(program: &Path, folder: &Path) -> Result<Table> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(CASES.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || {
        // Nothing panics while one of them is locked.
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((index, case)) = next() {
            let table = run(program, folder, case);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, table));
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    let mut whole = Table::default();
    for (_, table) in done {
        let table = table?;
        whole.compiler = table.compiler;
        whole.rows.extend(table.rows);
    }
    Ok(whole)
}

fn run(program: &Path, folder: &Path, case: &Case) -> Result<Table> {
    let mut command = Command::new(program);
    command.args(["bench", "--device", "cuda", "--json", "--shape", case.shape]);
    command.args(["--dtype", case.dtype]);
    command.args(case.op.iter().flat_map(|op| ["--op", op]));
    command.args(case.policy.iter().flat_map(|policy| ["--policy", policy]));
    // The device as it is without any setting.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CUDA_EMULATOR_") {
            command.env_remove(name);
        }
    }
    emulate::enter(&mut command, folder)?;
    let output = command.output().map_err(|error| cannot_start(&command, &error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let about = |what: &str| {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        Failure::new(format!("cosmoe {}: {what}", words.join(" ")))
    };
    if !output.status.success() {
        return Err(about(&text(&output.stderr)));
    }
    let bench: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| about(&format!("not JSON: {error}")))?;
    read(&bench, case).ok_or_else(|| about("counts, registers or names are missing"))
}

/// The rows of a run; nothing if it is not what this program knows.
fn read(bench: &Value, case: &Case) -> Option<Table> {
    let mut table = Table { compiler: bench["compiler"].as_str()?.to_owned(), rows: Vec::new() };
    for result in bench["results"].as_array()? {
        for kernel in result["kernels"].as_array()? {
            if kernel["arch"].as_u64()? != ARCH {
                return None;
            }
            let mut figures = Vec::with_capacity(FIGURES.len() + CLASSES.len());
            for name in FIGURES {
                figures.push(kernel[name].as_u64()?);
            }
            let classes = kernel["warp_instructions"].as_object()?;
            if classes.keys().any(|class| !CLASSES.contains(&class.as_str())) {
                return None;
            }
            for class in CLASSES {
                figures.push(classes.get(class).map_or(Some(0), Value::as_u64)?);
            }
            let kernel = kernel["kernel"].as_str()?;
            let policy = case.policy.unwrap_or("-");
            let names = [result["op"].as_str()?, case.shape, case.dtype, policy, kernel];
            table.rows.push(Row { names: names.map(str::to_owned), figures });
        }
    }
    Some(table)
}
