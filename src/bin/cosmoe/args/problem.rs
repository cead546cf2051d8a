//! The parser's errors as one line: option, expected, found.

use std::error::Error as _;
use std::ffi::OsString;

use clap::ValueHint;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::error::Failure;

pub(super) fn explain(error: &Error, cli: &clap::Command, args: &[OsString]) -> Failure {
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
            let place = command(args, cli).and_then(|command| command.get_positionals().next());
            let expected = match place.and_then(|place| place.get_value_names()?.first()) {
                Some(name) => format!("one {name} and options"),
                None => "options only".to_owned(),
            };
            Failure::usage("command line", expected, format_args!("{subject:?}"))
        }
        ErrorKind::UnknownArgument => {
            let expected = match text(error, ContextKind::SuggestedArg) {
                Some(similar) if !is_hidden(&similar, args, cli) => {
                    format!("an option of the command, such as {similar}")
                }
                _ => "an option of the command".to_owned(),
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
        ErrorKind::InvalidUtf8 => {
            let (subject, found) =
                not_text(args, cli).unwrap_or_else(|| (subject, "other bytes".to_owned()));
            Failure::usage(subject, "UTF-8 text", found)
        }
        _ => Failure::usage(subject, "a valid command line", format_args!("\"{}\"", first(error))),
    }
}

/// Whether an option is not for users.
fn is_hidden(option: &str, args: &[OsString], cli: &clap::Command) -> bool {
    let command = args.get(1).and_then(|name| cli.find_subcommand(name));
    let mut arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    arguments.any(|a| a.is_hide_set() && a.get_long() == option.strip_prefix("--"))
}

fn quoted(value: Option<String>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

fn commands(cli: &clap::Command) -> String {
    // The parser adds `help` by itself.
    let names = cli.get_subcommands().map(clap::Command::get_name).chain(["help"]);
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

fn command<'a>(args: &[OsString], cli: &'a clap::Command) -> Option<&'a clap::Command> {
    args.get(1).and_then(|name| cli.find_subcommand(name))
}

/// The first argument that should be text and is not, escaped, behind the option whose value it is:
/// the parser does not say. Paths may be any bytes.
fn not_text(args: &[OsString], cli: &clap::Command) -> Option<(String, String)> {
    let command = command(args, cli);
    let takes_path = |option: &str| {
        let mut arguments = command.into_iter().flat_map(clap::Command::get_arguments);
        arguments.any(|argument| {
            argument.get_long() == option.strip_prefix("--")
                && argument.get_value_hint() == ValueHint::AnyPath
        })
    };
    args.windows(2).filter(|pair| pair[1].to_str().is_none()).find_map(|pair| {
        let escaped = format!("{:?}", pair[1]);
        let joined = escaped.strip_prefix('"').and_then(|text| text.split_once('='));
        let (option, value) = match joined.filter(|(option, _)| option.starts_with("--")) {
            Some((option, value)) => (option.to_owned(), format!("\"{value}")),
            None => (pair[0].to_string_lossy().into_owned(), escaped),
        };
        match option.starts_with("--") {
            true if takes_path(&option) => None,
            true => Some((option, value)),
            false => Some(("command line".to_owned(), value)),
        }
    })
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

/// `--top-k <K>` without the placeholder, `[FILE]` without the brackets.
fn option(usage: &str) -> String {
    match usage.split_once(" <") {
        Some((name, _)) if name.starts_with('-') => name.to_owned(),
        _ => {
            let bare = |open, close| usage.strip_prefix(open)?.strip_suffix(close);
            bare('[', ']').or_else(|| bare('<', '>')).unwrap_or(usage).to_owned()
        }
    }
}

fn first(error: &Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
