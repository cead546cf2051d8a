//! `cargo xtask fuzz`: calls of the C interface with arguments of any content, under AddressSanitizer.
//!
//! Each target of crates/cosmoe-capi/fuzz runs its corpus, and then what libFuzzer makes of it. What that finds
//! stays under target/, where the next run starts from: only people put inputs into the corpus.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::run::{
    Failure, Result, Steps, cannot_start, execute, execute_all_telling, plain_cargo, root,
    succeeded, target_dir,
};
use crate::tools;

/// From the root of the repository.
const FOLDER: &str = "crates/cosmoe-capi/fuzz";

/// For each target, unless the command line says otherwise.
const SECONDS: u32 = 20;

/// Bytes of an input: many times those that say something.
const MOST_BYTES: &str = "-max_len=256";

/// Seconds for one input, which takes a millisecond.
const TIMEOUT: &str = "-timeout=20";

/// Fuzzes every target for so many seconds, 0 for the corpus alone; or runs the one input in a file that an earlier
/// run has left.
pub(crate) fn fuzz(argument: Option<&str>) -> Result<()> {
    let seconds = argument.map_or(Ok(SECONDS), str::parse);
    let input = argument.map(Path::new).filter(|path| path.is_file());
    match (seconds, input) {
        (Ok(seconds), _) => all(seconds),
        (Err(_), Some(input)) => one(input),
        (Err(_), None) => {
            let found = argument.unwrap_or_default();
            let expected = "expected seconds, or an input that an earlier run has left";
            Err(Failure::usage(format!("fuzz: {expected}, found '{found}'")))
        }
    }
}

/// The targets' package, with a lock file of its own.
pub(crate) fn manifest() -> PathBuf {
    root().join(FOLDER).join("Cargo.toml")
}

/// Whether the targets are formatted, which are no members of the workspace.
pub(crate) fn format() -> Command {
    let mut command = plain_cargo(["fmt", "--check", "--manifest-path"]);
    command.arg(manifest());
    command
}

/// Clippy of the targets.
pub(crate) fn clippy() -> Command {
    let mut command = plain_cargo(["clippy", "--locked", "--all-targets", "--manifest-path"]);
    command.arg(manifest()).arg("--target-dir").arg(target_dir().join("fuzz-clippy"));
    // As cargo-fuzz sets it; what is only checked needs no libFuzzer, which takes long to compile.
    command.env("RUSTFLAGS", "--cfg fuzzing").env("CUSTOM_LIBFUZZER_PATH", "none/libfuzzer.a");
    command.args(["--", "-D", "warnings"]);
    command
}

fn all(seconds: u32) -> Result<()> {
    let mut steps = Steps::new("fuzz");
    let mut cargo_fuzz = CargoFuzz { program: PathBuf::new() };
    steps.run("cargo-fuzz", || {
        cargo_fuzz.program = tools::cargo_fuzz()?;
        Ok(())
    })?;
    // cargo-fuzz has no such flag.
    let mut locked = plain_cargo(["fetch", "--quiet", "--locked", "--manifest-path"]);
    steps.command("lock file", locked.arg(manifest()))?;
    steps.command("build", &mut cargo_fuzz.with("build"))?;
    let started = SystemTime::now();
    steps.run("run", || {
        let targets = cargo_fuzz.targets()?;
        let run = |target: &String| Ok((target.clone(), cargo_fuzz.run(target, seconds)?));
        let runs = targets.iter().map(run).collect::<Result<_>>()?;
        execute_all_telling(runs, tell).map_err(|failure| {
            let inputs = targets.iter().flat_map(|target| inputs(target, started));
            let hints = inputs.map(|input| format!("; `cargo xtask fuzz {input}` runs its input"));
            Failure::new(format!("{failure}{}", hints.collect::<String>()))
        })
    })?;
    steps.finish();
    Ok(())
}

fn one(input: &Path) -> Result<()> {
    let input = std::path::absolute(input).unwrap_or_else(|_| input.to_path_buf());
    let folder = input.parent().and_then(Path::file_name).unwrap_or_default();
    let cargo_fuzz = CargoFuzz { program: tools::cargo_fuzz()? };
    let targets = cargo_fuzz.targets()?;
    let Some(target) = targets.iter().find(|target| folder == target.as_str()) else {
        let expected = format!("in a folder named {}", targets.join(" or "));
        let found = input.display();
        return Err(Failure::usage(format!("fuzz: expected an input {expected}, found {found}")));
    };
    execute(cargo_fuzz.with("run").arg(target).arg(input).args(["--", TIMEOUT]))
}

struct CargoFuzz {
    program: PathBuf,
}

impl CargoFuzz {
    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["fuzz", subcommand, "--fuzz-dir", FOLDER]).current_dir(root());
        // Sanitizers are unstable features of the compiler, though stable ones come with all that they need.
        command.env("RUSTC_BOOTSTRAP", "1");
        // libFuzzer shows where a panic comes from by itself.
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// A subcommand that builds: as the profile says, without debug assertions everywhere.
    fn with(&self, subcommand: &str) -> Command {
        let mut command = self.command(subcommand);
        command.arg("--release").arg("--target-dir").arg(target_dir().join("fuzz"));
        command
    }

    fn targets(&self) -> Result<Vec<String>> {
        let mut list = self.command("list");
        let output = list.output().map_err(|error| cannot_start(&list, &error))?;
        succeeded(&list, output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    fn run(&self, target: &str, seconds: u32) -> Result<Command> {
        let found = target_dir().join("fuzz/found").join(target);
        std::fs::create_dir_all(&found)
            .map_err(|error| Failure::new(format!("{}: {error}", found.display())))?;
        let mut command = self.with("run");
        // libFuzzer adds to the first folder.
        command.arg(target).arg(found).arg(format!("{FOLDER}/corpus/{target}")).arg("--");
        // To weigh inputs by entropy takes longer than what most of them call.
        command.args([MOST_BYTES, TIMEOUT, "-entropic=0"]);
        command.arg(match seconds {
            0 => "-runs=0".to_owned(),
            seconds => format!("-max_total_time={seconds}"),
        });
        Ok(command)
    }
}

/// Of a run that went well the last line about coverage; of another all but such lines.
fn tell(said: &str, succeeded: bool) -> String {
    let is_progress = |line: &&str| {
        line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if succeeded {
        return said.lines().rfind(is_progress).unwrap_or(said).to_owned() + "\n";
    }
    let lines = said.lines().filter(|line| !is_progress(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The inputs with which a target has failed since then.
fn inputs(target: &str, since: SystemTime) -> Vec<String> {
    let folder = format!("{FOLDER}/artifacts/{target}");
    let Ok(entries) = std::fs::read_dir(root().join(&folder)) else { return Vec::new() };
    let is_new = |entry: &std::fs::DirEntry| {
        entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|time| time >= since)
    };
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let new = entries.flatten().filter(is_new).map(name);
    new.map(|name| format!("{folder}/{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_where_all_went_well() {
        let said = "INFO: a\n#2\tINITED cov: 3\n#9\tDONE cov: 4\n##### end #####\n";
        assert_eq!(tell(said, true), "#9\tDONE cov: 4\n");
        assert_eq!(tell(said, false), "INFO: a\n##### end #####\n");
        assert_eq!(tell("no progress", true), "no progress\n");
    }

    #[test]
    fn what_is_neither_seconds_nor_an_input() {
        let failure = fuzz(Some("-1")).expect_err("no number of seconds");
        assert_eq!(failure.code(), 2);
        assert!(failure.to_string().ends_with("found '-1'"), "{failure}");
    }
}
