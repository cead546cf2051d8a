//! Scoring and selection, fused per tile of tokens: no buffer of T x E.

mod few;
mod layout;
mod rows;
mod tiles;

pub(super) use layout::Layout;

use self::layout::Mode;
use super::prepare::ExpertTerms;
use super::scratch::Scratch;
use super::select::real_tokens;
use crate::backend::{RouteArgs, RouteOut, Workspace};
use crate::config::RouterConfig;
use crate::simd::Level;

/// What every tile of a route reads.
struct Job<'a> {
    layout: &'a Layout,
    level: Level,
    config: &'a RouterConfig,
    terms: &'a ExpertTerms,
    args: &'a RouteArgs<'a>,
    /// Tokens that are not masked.
    real: usize,
}

pub(super) fn route(
    layout: &Layout,
    level: Level,
    config: &RouterConfig,
    terms: &ExpertTerms,
    args: &RouteArgs<'_>,
    out: RouteOut<'_>,
    workspace: Workspace<'_>,
) {
    let real = real_tokens(args.num_tokens, args.tokens.rows());
    let job = Job { layout, level, config, terms, args, real };
    let scratch = Scratch::from_bytes(workspace.scratch.into_slice());
    match layout.mode {
        Mode::Few => few::route(&job, out, scratch),
        Mode::Tiles { rows } => tiles::route(&job, rows, out, scratch),
    }
}
