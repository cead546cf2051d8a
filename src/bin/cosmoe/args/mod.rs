//! The command line: options, and the commands they make.

mod bench;
mod chosen;
mod options;
mod problem;
mod rules;
mod values;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use bench::BenchCommand;
pub(crate) use options::{
    CompletionsCommand, InfoCommand, OutputOptions, PlanCommand, PlanOptions, RouteCommand,
    SelectCommand, SelectionOptions, VerifyCommand,
};

use crate::error::Failure;

const EXAMPLES: &str = "\
Examples:
  cosmoe route --top-k 2
  cosmoe route --tokens states.safetensors --router model.safetensors \\
      --experts-tensor model.layers.3.mlp.gate.weight --top-k 8 --out routed.safetensors
  cosmoe select --preset qwen3-30b-a3b --logits logits.npy
  cosmoe plan --ids routed.safetensors --experts 64 --align 128 --json";

/// Sparse Mixture-of-Experts routing: scores, top-k selection, dispatch plans.
#[derive(Debug, Parser)]
#[command(name = "cosmoe", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Parsed,
}

#[derive(Debug, Subcommand)]
enum Parsed {
    /// Route tokens to experts, and plan their dispatch.
    ///
    /// Without --tokens and --router, routes the sample that the program holds: hidden states of a
    /// sentence encoder over public-domain English, and 16 experts made from them.
    Route(Box<RouteCommand>),
    /// Select from logits that another router made, and plan the dispatch.
    Select(Box<SelectCommand>),
    /// Plan the dispatch of expert ids that another router made.
    Plan(Box<PlanCommand>),
    /// Hold every operation on a device against the f64 oracle.
    ///
    /// Cases of every dtype, shape and option are drawn the same way on every machine. Scores and weights must be
    /// within their bounds, ids as the oracle orders them, plans and rows exact, and all of it the same
    /// bits again and in other batches. The first mismatch of each operation is shown; any is exit code 1.
    Verify(Box<VerifyCommand>),
    /// Measure the operations.
    ///
    /// Times on the CPU and on a GPU, with bytes and arithmetic a second and their share of what the
    /// machine can do. On the emulated device exact counts of each kernel, and from them lower bounds
    /// of the time on known GPUs.
    Bench(Box<BenchCommand>),
    /// Show what a file of tensors holds, or what this program and machine offer.
    ///
    /// With FILE, a line per tensor: name, dtype, shape, and of floats the smallest and the largest
    /// norm of a row, NaN and infinities. Without, version, instruction set, threads, devices, the
    /// sample, the presets of route and select, and the CUDA kernels.
    Info(InfoCommand),
    /// Print a script that completes the options of cosmoe in a shell.
    ///
    /// For bash, in ~/.bashrc: source <(cosmoe completions bash)
    Completions(CompletionsCommand),
}

/// A command line whose options are in range and fit together.
#[derive(Debug)]
pub(crate) enum Command {
    Completions(CompletionsCommand),
    /// Text that was asked for.
    Help(String),
    Bench(Box<BenchCommand>),
    Info(InfoCommand),
    Plan(Box<PlanCommand>),
    Route(Box<RouteCommand>),
    Select(Box<SelectCommand>),
    Verify(Box<VerifyCommand>),
}

/// Every command and option, for completions.
pub(crate) fn all() -> clap::Command {
    Cli::command()
}

/// Refuses whatever can be refused without opening a file.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, Failure> {
    let args: Vec<OsString> = args.collect();
    let parsed = match Cli::try_parse_from(&args) {
        Ok(cli) => cli.command,
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                return Ok(Command::Help(error.render().ansi().to_string()));
            }
            _ => return Err(problem::explain(&error, &Cli::command(), &args)),
        },
    };
    Ok(match parsed {
        Parsed::Route(command) => {
            rules::route(&command)?;
            Command::Route(command)
        }
        Parsed::Select(command) => {
            rules::select(&command)?;
            Command::Select(command)
        }
        Parsed::Plan(command) => {
            rules::plan(&command)?;
            Command::Plan(command)
        }
        Parsed::Bench(command) => {
            rules::bench(&command)?;
            Command::Bench(command)
        }
        Parsed::Verify(command) => Command::Verify(command),
        Parsed::Info(command) => Command::Info(command),
        Parsed::Completions(command) => Command::Completions(command),
    })
}
