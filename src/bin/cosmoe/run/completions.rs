//! `cosmoe completions`: a shell's script that completes commands, options and the names they take.

use super::Outcome;
use crate::args::{CompletionsCommand, all};

pub(crate) fn run(command: &CompletionsCommand) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut all(), "cosmoe", &mut script);
    let stdout = String::from_utf8_lossy(&script).into_owned();
    Outcome { stdout, ..Outcome::default() }
}
