//! `cosmoe info`: what a file of tensors holds, or what this build and this machine offer.

mod machine;
mod machine_json;
mod tensors;

use super::Outcome;
use crate::args::InfoCommand;
use crate::error::Failure;

pub(crate) fn run(command: &InfoCommand) -> Result<Outcome, Failure> {
    let stdout = match (&command.file, command.json) {
        (Some(path), json) => tensors::list(path, json)?,
        (None, true) => machine_json::json(),
        (None, false) => machine::text(),
    };
    Ok(Outcome { stdout, ..Outcome::default() })
}
