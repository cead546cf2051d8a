//! Selection from logits.

use super::Cpu;
use super::scratch::{Scratch, Workers};
use crate::backend::{SelectArgs, SelectOut, Workspace, WorkspaceSize};
use crate::chain::row::{RowScratch, select_row};
use crate::config::RouterConfig;
use crate::element::Element;
use crate::simd::{Lanes, Level, Task};
use crate::view::{FloatMatrixRef, MatrixMut, VectorRef, each};

/// Rows that a task takes at a time.
const ROWS: usize = 64;

/// How a selection is split and what memory that takes.
pub(super) struct Layout {
    tasks: usize,
    slot_words: usize,
}

impl Layout {
    pub(super) fn new(cpu: Cpu, config: &RouterConfig, tokens: usize) -> Self {
        let tasks = cpu.tasks.min(tokens.div_ceil(ROWS)).max(1);
        Self { tasks, slot_words: RowScratch::words(config) }
    }

    pub(super) fn workspace(&self) -> WorkspaceSize {
        let words = Workers::words(self.tasks, self.slot_words);
        WorkspaceSize { scratch: Scratch::bytes(words), state: 0 }
    }
}

/// Real tokens of `tokens` rows.
pub(super) fn real_tokens(num_tokens: Option<VectorRef<'_, u32>>, tokens: usize) -> usize {
    num_tokens.and_then(|n| n.as_slice().first().copied()).map_or(tokens, |n| {
        // A count beyond usize is beyond T.
        usize::try_from(n).map_or(tokens, |n| n.min(tokens))
    })
}

pub(super) fn select(
    layout: &Layout,
    level: Level,
    config: &RouterConfig,
    args: &SelectArgs<'_>,
    out: SelectOut<'_>,
    workspace: Workspace<'_>,
) {
    let real = real_tokens(args.num_tokens, args.logits.rows());
    let mut scratch = Scratch::from_bytes(workspace.scratch.into_slice());
    let mut workers = Workers::take(&mut scratch, layout.tasks, layout.slot_words);
    let chunks = out.ids.into_row_chunks(ROWS).zip(out.weights.into_row_chunks(ROWS));
    let bias = args.bias.map(|b| b.as_slice());
    workers.share(chunks.enumerate(), |slot, (chunk, (ids, weights))| {
        let first = chunk * ROWS;
        let scratch = RowScratch::new(config, slot);
        let logits = args.logits;
        level.run(SelectRows { config, bias, logits, first, real, scratch, ids, weights });
    });
}

struct SelectRows<'a> {
    config: &'a RouterConfig,
    bias: Option<&'a [f32]>,
    logits: FloatMatrixRef<'a>,
    first: usize,
    real: usize,
    scratch: RowScratch<'a>,
    ids: MatrixMut<'a, i32>,
    weights: MatrixMut<'a, f32>,
}

impl Task for SelectRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        for row in 0..self.ids.rows() {
            let (ids, weights) = (self.ids.row_mut(row), self.weights.row_mut(row));
            let token = self.first + row;
            if token >= self.real {
                mask_row(ids, weights, None);
                continue;
            }
            each!(self.logits, view => {
                for (to, &from) in self.scratch.logits.iter_mut().zip(view.row(token)) {
                    *to = Element::to_f32(from);
                }
            });
            select_row::<L>(self.config, self.bias, &mut self.scratch, ids, weights, None);
        }
    }
}

/// The outputs of a token that is not real.
#[inline(always)]
pub(super) fn mask_row(ids: &mut [i32], weights: &mut [f32], scores: Option<&mut [f32]>) {
    ids.fill(-1);
    weights.fill(0.0);
    if let Some(scores) = scores {
        scores.fill(0.0);
    }
}
