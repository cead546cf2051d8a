//! Why a command was refused: one line on standard error and an exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use cosmoe::Error;

/// How a command ends when it does not succeed. Messages name the option, file or tensor, what was
/// expected and what was found.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reader of standard output left: a quiet end, no error.
    ClosedPipe,
    /// A call of the library failed for a reason of the device that made it, which is to be named:
    /// see `Device::named`.
    Device(Error),
    /// Takes a file or a device to find out: exit code 1.
    Input(String),
    /// The command line alone is wrong: exit code 2.
    Usage(String),
}

impl Failure {
    pub(crate) fn input(
        subject: impl Display,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::Input(format!("{subject}: expected {expected}, found {found}"))
    }

    pub(crate) fn usage(
        subject: impl Display,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::Usage(format!("{subject}: expected {expected}, found {found}"))
    }

    /// The system refused to do `what` with `subject`.
    pub(crate) fn system(subject: impl Display, what: &str, error: &io::Error) -> Self {
        Self::input(subject, what, format_args!("\"{error}\""))
    }

    pub(crate) fn stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::system("standard output", "to write the result", &error),
        }
    }

    /// A refusal by the library, in the words of the user.
    pub(crate) fn library(error: Error, labels: &[(&str, String)]) -> Self {
        let name = |argument| label(labels, argument);
        match error {
            Error::InvalidArgument { argument, expected, found } => {
                Self::input(name(argument), counted(&expected), found)
            }
            Error::ShapeMismatch { argument, expected, found } if expected.starts_with('[') => {
                Self::input(name(argument), format_args!("shape {expected}"), found)
            }
            Error::ShapeMismatch { argument, expected, found } => {
                Self::input(name(argument), expected, found)
            }
            Error::DTypeMismatch { argument, expected, found } => {
                let expected = format!("dtype {}", upper(&expected));
                Self::input(name(argument), expected, upper(&found))
            }
            Error::SizeNotSupported { argument, expected, found } => {
                Self::input(name(argument), format_args!("a size of {expected}"), found)
            }
            other => Self::Device(other),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::ClosedPipe => ExitCode::SUCCESS,
            Self::Device(_) | Self::Input(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }

    pub(crate) fn print(&self) {
        let message = match self {
            Self::ClosedPipe => return,
            Self::Device(error) => &error.to_string(),
            Self::Input(message) | Self::Usage(message) => message,
        };
        let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let line = one_line(message);
        // Nobody is left to tell that standard error is gone.
        let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {line}");
    }
}

/// Arguments of the library that are options of the program under the same name.
const OPTIONS: [&str; 9] = [
    "align",
    "capacity_factor",
    "groups",
    "route_scale",
    "scale",
    "tau_expert",
    "tau_token",
    "top_groups",
    "top_k",
];

/// The name of a library's argument that the user knows: what `labels` says of it, or the option of
/// the same name.
pub(crate) fn label(labels: &[(&str, String)], argument: &str) -> String {
    match labels.iter().find(|(name, _)| *name == argument) {
        Some((_, label)) => label.clone(),
        None if OPTIONS.contains(&argument) => format!("--{}", argument.replace('_', "-")),
        None => argument.to_owned(),
    }
}

/// `num_experts = 16` is the library's: the user has 16 experts.
fn counted(expected: &str) -> String {
    match expected.split_once("num_experts = ") {
        Some((before, "1")) => format!("{before}the 1 expert"),
        Some((before, count)) => format!("{before}the {count} experts"),
        None => expected.to_owned(),
    }
}

/// Dtypes as the files spell them.
fn upper(dtypes: &str) -> String {
    dtypes.replace("bf16", "BF16").replace("f16", "F16").replace("f32", "F32")
}

/// File and tensor names may hold anything; on a line of its own, control characters are escaped.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
