//! The `cosmoe` program: route, select and plan on files, and what operations cost.

mod args;
mod bench;
mod device;
mod error;
mod input;
mod names;
mod output;
mod presets;
mod progress;
mod report;
mod router;
mod run;
mod sample;

use std::io::Write;
use std::process::ExitCode;

use args::Command;
use error::Failure;
use output::SealedFile;
use run::Outcome;

fn main() -> ExitCode {
    match run().and_then(show) {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn run() -> Result<Outcome, Failure> {
    match args::parse(std::env::args_os())? {
        Command::Help(text) => Ok(Outcome { stdout: text, ..Outcome::default() }),
        Command::Bench(options) => bench::run(&options),
        Command::Completions(options) => Ok(run::completions::run(&options)),
        Command::Info(options) => run::info::run(&options),
        Command::Plan(options) => run::plan::run(&options),
        Command::Route(options) => run::route::run(&options),
        Command::Select(options) => run::select::run(&options),
        Command::Verify(options) => run::verify::run(&options),
    }
}

/// Standard output first: should it fail, no file is left, and the error's line is the only one on
/// standard error. A reader that went away is no failure.
fn show(outcome: Outcome) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(outcome.stdout.as_bytes()).and_then(|()| stdout.flush());
    let written = written.map_err(Failure::stdout);
    if !matches!(written, Ok(()) | Err(Failure::ClosedPipe)) {
        return written;
    }
    outcome.out.map_or(Ok(()), SealedFile::place)?;
    let mut stderr = anstream::stderr().lock();
    for note in &outcome.notes {
        // Nobody is left to tell that standard error is gone.
        let _ = writeln!(stderr, "{}", error::one_line(note));
    }
    drop(stderr);
    outcome.verdict.map_or(written, Err)
}
