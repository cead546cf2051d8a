//! Runs named steps: prints each one's name and duration, stops at the first failure.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What every task returns.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// One line about what went wrong, and the exit code for it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// The command line itself is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// The steps of one task.
pub(crate) struct Steps {
    task: &'static str,
    started: Instant,
    done: usize,
}

impl Steps {
    pub(crate) fn new(task: &'static str) -> Self {
        Self { task, started: Instant::now(), done: 0 }
    }

    /// Runs a step.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("==> {}: {name}", self.task);
        let started = Instant::now();
        let result = step();
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                self.done += 1;
                println!("<== {}: {name}: ok in {seconds:.1} s", self.task);
                Ok(())
            }
            Err(failure) => {
                let message = format!("{}: {name}: failed: {failure}", self.task);
                let after = format!("after {seconds:.1} s ({} steps passed before)", self.done);
                Err(Failure { message: format!("{message} {after}"), code: failure.code })
            }
        }
    }

    /// Runs a step that is one command.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.run(name, || execute(command))
    }

    /// Prints the summary line.
    pub(crate) fn finish(self) {
        let seconds = self.started.elapsed().as_secs_f64();
        println!("{}: ok, {} steps in {seconds:.1} s", self.task, self.done);
    }
}

/// Runs a command to its end; its exit code becomes the failure's.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    succeeded(command, status)
}

/// Runs commands to their end, as many at a time as there are cores. What one prints follows its title when
/// it has ended.
pub(crate) fn execute_all(commands: Vec<(String, Command)>) -> Result<()> {
    execute_all_telling(commands, |said, _| said.to_owned())
}

/// The same, where of what a command prints only so much is told; that depends on whether it succeeded.
pub(crate) fn execute_all_telling(
    commands: Vec<(String, Command)>,
    tell: impl Fn(&str, bool) -> String + Sync,
) -> Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(commands.into_iter());
    let first_failure = Mutex::new(None);
    let work = || {
        // Nothing panics while one of them is locked.
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((title, mut command)) = next() {
            let result = captured(&title, &mut command, &tell);
            let mut failure = first_failure.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Err(error), None) = (result, &*failure) {
                *failure = Some(error);
            }
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let failure = first_failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), Err)
}

fn captured(title: &str, command: &mut Command, tell: impl Fn(&str, bool) -> String) -> Result<()> {
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    let [said, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{title}\n{}", tell(&format!("{errors}{said}"), output.status.success()));
    succeeded(command, output.status)
}

pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let message = format!("`{}` ended with {status}", line(command));
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure { message, code })
}

pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{}` cannot be started: {error}", line(command)))
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where build results go.
pub(crate) fn target_dir() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root().join(folder)
}

/// The workspace's version, which all packages have.
pub(crate) fn version() -> Result<String> {
    let path = root().join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let version =
        text.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let expected = || Failure::new(format!("{}: expected version = \"...\"", path.display()));
    version.map(str::to_owned).ok_or_else(expected)
}

/// The cargo that runs this program, in the repository's root.
pub(crate) fn plain_cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// The same for tests: kernels are built without warnings and, unless the caller says otherwise, for
/// one architecture; they must be there unless NVCC is set to nothing.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = plain_cargo(args);
    command.env("COSMOE_KERNEL_WARNINGS", "deny");
    if std::env::var_os("COSMOE_CUDA_ARCHS").is_none() {
        command.env("COSMOE_CUDA_ARCHS", "80");
    }
    if std::env::var_os("NVCC").is_none_or(|nvcc| !nvcc.is_empty()) {
        command.env("COSMOE_REQUIRE_CUDA", "1");
    }
    command
}
