//! Development tasks: `cargo xtask help` lists them.

mod budget;
mod budgets;
mod candle;
mod emulate;
mod examples;
mod fuzz;
mod install;
#[path = "../../build/kernels/mod.rs"]
#[allow(dead_code, reason = "the build script uses what this program does not")]
mod kernels;
mod lint;
mod manifests;
mod package;
mod prove;
mod readme;
mod run;
mod test;
mod toolkit;
mod tools;

use std::process::ExitCode;

use run::{Failure, Result};

const HELP: &str = "\
cargo xtask TASK

  test [--all]          Everything that must pass: kernels for every architecture, build without
                        default features, unit, integration and command-line tests, the CUDA
                        tests on emulated devices, doc tests, the examples, the README's commands.
                        --all adds the heavy sweeps (COSMOE_TEST_ALL=1) and a second pass with
                        overflow checks and debug assertions.
  lint [--advisories]   Format, clippy and docs with warnings denied, cargo-deny's bans, licences
                        and sources. --advisories adds known vulnerabilities (fetches a database).
  toolkit               The CUDA compiler that builds will use: one that is there already, else
                        nvcc 13.0 from PyPI's wheels, put under target/.
  kernels               Builds the CUDA kernels for every architecture (COSMOE_CUDA_ARCHS says
                        otherwise), warnings denied, and prints what each kernel takes.
  prove                 Proves the kernels race-free over every schedule with SentryWard, fetched
                        from PyPI, and lists what it cannot say.
  budgets [--bless]     Counts what kernels do, on the emulated device, and compares with budgets.tsv:
                        a figure that rose fails. --bless writes the table anew.
  fuzz [SECONDS]        Calls of the C interface with arguments of any content, under
                        AddressSanitizer: each target's corpus, then 20 seconds, or so many, from
                        there. `fuzz FILE` runs an input that has failed.
  package               What `cargo package` packs of the library builds by itself, with and without
                        nvcc; of the C interface and the candle adapter it compiles.
  install --prefix P    The C interface under the folder P: libcosmoe.so and .a, cosmoe.h, cosmoe.pc.
  emulate -- COMMAND    Runs COMMAND with the emulated CUDA device for a driver: what it loads as
                        libcuda.so.1 is crates/cuda-emulator, built for release.
  help                  This text.
";

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] | ["help" | "--help" | "-h"] | [_, "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["test"] => test::test(false),
        ["test", "--all"] => test::test(true),
        ["lint"] => lint::lint(false),
        ["lint", "--advisories"] => lint::lint(true),
        ["toolkit"] => toolkit::toolkit().map(drop),
        ["kernels"] => budget::kernels(),
        ["budgets"] => budgets::budgets(false),
        ["budgets", "--bless"] => budgets::budgets(true),
        ["fuzz"] => fuzz::fuzz(None),
        ["fuzz", argument] => fuzz::fuzz(Some(argument)),
        ["package"] => package::package(),
        ["install", "--prefix", prefix] => install::install(prefix),
        ["install", ..] => {
            let expected = "install: expected `--prefix FOLDER`; see `cargo xtask help`";
            Err(Failure::usage(expected))
        }
        ["prove"] => prove::prove(),
        ["emulate", "--", command @ ..] => emulate::emulate(command),
        ["emulate", ..] => emulate::emulate(&[]),
        [
            task @ ("test" | "lint" | "toolkit" | "kernels" | "budgets" | "fuzz" | "package"
            | "prove"),
            rest @ ..,
        ] => {
            let found = rest.join(" ");
            Err(Failure::usage(format!("{task}: unexpected '{found}'; see `cargo xtask help`")))
        }
        [task, ..] => {
            let expected = "expected test, lint, toolkit, kernels, budgets, fuzz, package, prove, \
                            install, emulate or help";
            Err(Failure::usage(format!("{expected}, found '{task}'; see `cargo xtask help`")))
        }
    }
}
