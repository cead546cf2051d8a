//! The parser's errors as one line: option, expected, found.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::error::Error as _;

use crate::error::Failure;

pub(super) fn explain(error: &Error, cli: &clap::Command) -> Failure {
    let subject = text(error, ContextKind::InvalidArg).unwrap_or_else(|| "command line".to_owned());
    let found = text(error, ContextKind::InvalidValue).filter(|value| !value.is_empty());
    match error.kind() {
        ErrorKind::ValueValidation => match error.source() {
            // The parsers of values say what they expected and found.
            Some(reason) => Failure::Usage(format!("{subject}: {reason}")),
            None => Failure::usage(subject, "a valid value", quoted(found)),
        },
        ErrorKind::InvalidValue => Failure::usage(subject, "a value", quoted(found)),
        ErrorKind::MissingRequiredArgument => {
            Failure::usage(subject, "a value (it is required)", "none")
        }
        ErrorKind::ArgumentConflict => Failure::usage(subject, "at most once", "it repeated"),
        ErrorKind::TooManyValues => Failure::usage(subject, "no value", quoted(found)),
        ErrorKind::UnknownArgument if !subject.starts_with('-') => {
            Failure::usage("command line", "options only", format_args!("{subject:?}"))
        }
        ErrorKind::UnknownArgument => {
            let expected = match text(error, ContextKind::SuggestedArg) {
                Some(similar) => format!("an option of the command, such as {similar}"),
                None => "an option of the command".to_owned(),
            };
            Failure::usage(subject, expected, "no option of that name")
        }
        ErrorKind::InvalidSubcommand => {
            let found = text(error, ContextKind::InvalidSubcommand);
            Failure::usage("command", commands(cli), quoted(found))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Failure::usage("command", commands(cli), "none")
        }
        ErrorKind::InvalidUtf8 => Failure::usage(subject, "UTF-8 text", "other bytes"),
        _ => Failure::usage(subject, "a valid command line", format_args!("\"{}\"", first(error))),
    }
}

fn quoted(value: Option<String>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

fn commands(cli: &clap::Command) -> String {
    let names: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    format!("one of {}", names.join(", "))
}

fn text(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(value) => Some(option(value)),
        ContextValue::Strings(values) => {
            let options: Vec<String> = values.iter().map(|value| option(value)).collect();
            Some(options.join(", "))
        }
        _ => None,
    }
}

/// `--top-k <K>` without the placeholder.
fn option(usage: &str) -> String {
    match usage.split_once(" <") {
        Some((name, _)) if name.starts_with('-') => name.to_owned(),
        _ => usage.to_owned(),
    }
}

fn first(error: &Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
