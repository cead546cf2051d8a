//! `cargo xtask budgets`: exact counts of every kernel family, beside those of a committed table.
//!
//! Counts come from `cosmoe bench` on the emulated device, registers and the like from ptxas: they repeat to the last
//! digit, so any change of a kernel shows. A rise fails; a fall is shown, and `--bless` writes the table anew.

mod cases;
mod compare;
mod measure;
mod table;

use std::path::PathBuf;

use crate::emulate;
use crate::run::{Failure, Result, Steps, cargo, root, target_dir};
use table::Table;

/// The committed table.
fn path() -> PathBuf {
    root().join("budgets.tsv")
}

pub(crate) fn budgets(bless: bool) -> Result<()> {
    let mut steps = Steps::new("budgets");
    let build = ["build", "--quiet", "--release", "--bin", "cosmoe"];
    steps.command("the program", &mut cargo(build))?;
    let folder = emulate::install()?;
    let program = target_dir().join("release/cosmoe");
    let mut found = Table::default();
    steps.run("counts", || {
        found = measure::all(&program, &folder)?;
        println!("{} kernels of {} cases", found.rows.len(), cases::CASES.len());
        Ok(())
    })?;
    steps.run("comparison", || {
        let refused = |error| Failure::new(format!("{}: {error}", path().display()));
        let old = match std::fs::read_to_string(path()) {
            Ok(text) => Table::parse(&text).map_err(refused)?,
            Err(_) if bless => Table::default(),
            Err(error) => return Err(refused(error.to_string())),
        };
        let verdict = compare::compare(&old, &found);
        print!("{}", verdict.text);
        if bless {
            let written = std::fs::write(path(), found.to_text());
            return written.map_err(|error| refused(error.to_string()));
        }
        verdict.result()
    })?;
    steps.finish();
    Ok(())
}
