//! What route, select and plan do once the ids are known.

use cosmoe::{MatrixRef, PlanConfig};

use super::{Dispatch, Outcome};
use crate::args::OutputOptions;
use crate::device::{Device, Timed};
use crate::error::Failure;
use crate::output::OutFile;
use crate::report::{self, Facts};
use crate::router::Labels;

/// Ids and weights of a command.
pub(super) struct Assignments<'a> {
    pub(super) ids: &'a [i32],
    pub(super) weights: Option<&'a [f32]>,
    pub(super) tokens: usize,
    pub(super) top_k: usize,
}

/// Plans, writes the output file without putting it in its place, and says what happened.
pub(super) fn finish<'a, B: Timed>(
    backend: &B,
    assignments: &Assignments<'_>,
    plan: &PlanConfig,
    mut facts: Facts<'a>,
    out: Option<OutFile>,
    (options, device): (&'a OutputOptions, &Device),
    labels: &Labels,
) -> Result<Outcome, Failure> {
    let fail = |error| Failure::library(error, labels);
    let &Assignments { ids, weights, tokens, top_k } = assignments;
    let id_view = MatrixRef::new(ids, tokens, top_k).map_err(fail)?;
    let weight_view = match weights {
        Some(weights) => Some(MatrixRef::new(weights, tokens, top_k).map_err(fail)?),
        None => None,
    };
    let dispatch = Dispatch::plan(backend, plan, id_view, weight_view, labels)?;
    let mut sealed = None;
    if let Some(mut out) = out {
        out.tensor("expert_ids", &[tokens, top_k], ids)?;
        if let Some(weights) = weights {
            out.tensor("expert_weights", &[tokens, top_k], weights)?;
        }
        dispatch.write(&mut out)?;
        sealed = Some(out.seal()?);
    }
    facts.out = options.out.as_deref();
    let stdout = match options.json {
        true => report::json(&facts, plan, &dispatch, device),
        false => report::table(&facts, plan, &dispatch, device),
    };
    let mut notes = facts.warnings;
    notes.extend(device.note.clone());
    Ok(Outcome { stdout, notes, out: sealed, verdict: None })
}
