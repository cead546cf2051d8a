//! The examples: each is a program that checks its own result.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::Command;

use crate::emulate;
use crate::run::{Failure, Result, cannot_start, cargo, execute, root, succeeded, target_dir};

const BUILD: [&str; 5] = ["build", "--package", "cosmoe", "--release", "--examples"];

/// Builds and runs every example, on the emulated device and without it: what needs a device says so
/// where there is none, and ends well.
pub(crate) fn check() -> Result<()> {
    execute(&mut cargo(BUILD))?;
    let driver = emulate::install()?;
    let programs = target_dir().join("release/examples");
    for name in names(&root().join("examples"))? {
        let mut program = Command::new(programs.join(format!("{name}{EXE_SUFFIX}")));
        program.current_dir(root());
        speaks(&name, &mut program)?;
        emulate::enter(&mut program, &driver)?;
        speaks(&format!("{name}, on the emulated device"), &mut program)?;
    }
    Ok(())
}

/// One is a file of its own; folders are what they share.
fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|e| e == "rs"))
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(Failure::new(format!("{}: there is no example", folder.display())));
    }
    Ok(names)
}

/// Ends well, and not without a word.
fn speaks(title: &str, program: &mut Command) -> Result<()> {
    let output = program.output().map_err(|error| cannot_start(program, &error))?;
    let [said, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("-- {title}\n{errors}{said}");
    succeeded(program, output.status)?;
    if said.trim().is_empty() {
        return Err(Failure::new(format!("{title}: printed nothing")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_one() {
        let found = names(&root().join("examples")).expect("the examples");
        assert!(found.iter().any(|name| name == "validate"));
        assert!(!found.iter().any(|name| name == "support"));
        assert!(found.is_sorted());
        assert!(names(&root().join("data")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn silence_and_failures_are_reported() {
        assert!(speaks("says", Command::new("echo").arg("something")).is_ok());
        let silent = speaks("a", &mut Command::new("true")).expect_err("printed nothing");
        assert_eq!(silent.to_string(), "a: printed nothing");
        let script = "echo something; exit 3";
        let failed = speaks("a", Command::new("sh").args(["-c", script])).expect_err("status 3");
        assert_eq!(failed.code(), 3);
    }
}
