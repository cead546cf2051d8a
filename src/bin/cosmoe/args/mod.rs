//! The command line: options, and the commands they make.

mod bench;
mod options;
mod problem;
mod rules;
mod values;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use bench::BenchCommand;
pub(crate) use options::{
    OutputOptions, PlanCommand, PlanOptions, RouteCommand, SelectCommand, SelectionOptions,
};

use crate::error::Failure;

const EXAMPLES: &str = "\
Examples:
  cosmoe route --top-k 2
  cosmoe route --tokens states.safetensors --router model.safetensors \\
      --experts-tensor model.layers.3.mlp.gate.weight --top-k 8 --out routed.safetensors
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
    /// Measure the operations.
    ///
    /// Times on the CPU and on a GPU, with bytes and arithmetic a second and their share of what the
    /// machine can do. On the emulated device exact counts of each kernel, and from them lower bounds
    /// of the time on known GPUs.
    Bench(Box<BenchCommand>),
    /// Show version, instruction set, threads, devices, the sample and the CUDA kernels.
    Info,
}

/// A command line whose options are in range and fit together.
#[derive(Debug)]
pub(crate) enum Command {
    /// Text that was asked for.
    Help(String),
    Bench(Box<BenchCommand>),
    Info,
    Plan(Box<PlanCommand>),
    Route(Box<RouteCommand>),
    Select(Box<SelectCommand>),
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
        Parsed::Info => Command::Info,
    })
}
