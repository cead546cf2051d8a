//! A few tokens: widened once, then panels of experts are shared among threads.

use super::Job;
use super::rows::{Products, RowOut, unscaled};
use crate::backend::RouteOut;
use crate::chain::row::RowScratch;
use crate::cpu::score::product::{Operand, PanelBuffers, PanelProduct, ProductSize, WidenTokens};
use crate::cpu::score::tile::{Squares, TokenRows};
use crate::cpu::scratch::{Scratch, Workers};
use crate::cpu::select::mask_row;
use crate::simd::{Lanes, Task};
use crate::view::{FloatMatrixRef, MatrixRef};

/// One product of all tokens, its memory taken from the shared scratch.
pub(super) struct Stage<'a> {
    size: ProductSize,
    wide: &'a mut [f32],
    sums: Squares<'a>,
    staging: &'a mut [f32],
    squares: &'a mut [f32],
    out: &'a mut [f32],
}

impl<'a> Stage<'a> {
    /// Floats that [`take`](Self::take) takes.
    pub(super) fn words(size: ProductSize, tokens: usize) -> usize {
        Scratch::words(&[
            size.wide_words(tokens),
            size.square_words(tokens),
            size.square_rows(tokens),
            tokens,
            size.out_words(tokens),
        ]) + PanelBuffers::words(size)
    }

    fn take(scratch: &mut Scratch<'a>, size: ProductSize, tokens: usize) -> Self {
        Self {
            size,
            wide: scratch.floats(size.wide_words(tokens)),
            sums: Squares::take(scratch, size, tokens),
            staging: PanelBuffers::take(scratch, size).staging,
            squares: scratch.floats(tokens),
            out: scratch.floats(size.out_words(tokens)),
        }
    }

    /// Widens the tokens and sums their squares, if the score needs them.
    fn widen(&mut self, job: &Job<'_>, operand: &Operand<'_>, tokens: TokenRows<'_>) {
        let squares = job.needs_squares().then_some(&mut self.sums);
        let (order, wide, staging) = (operand.order, &mut *self.wide, &mut *self.staging);
        job.level.run(WidenTokens { tokens, order, wide, staging, squares });
    }

    /// Products of the first `rows` rows of `tokens`: `[panels][rows][panel width]`.
    fn multiply(
        &mut self,
        job: &Job<'_>,
        operand: &Operand<'_>,
        tokens: FloatMatrixRef<'_>,
        rows: usize,
        workers: &mut Workers<'_>,
    ) {
        self.widen(job, operand, unscaled(tokens, 0, rows));
        for (row, squares) in self.squares[..rows].iter_mut().enumerate() {
            *squares = self.sums.out[self.size.square_index(row)];
        }
        let (wide, size) = (&*self.wide, self.size);
        let panels = self.out.chunks_mut(rows * size.panel_width()).enumerate();
        workers.share(panels.take(size.panels()), |slot, (panel, out)| {
            panel_product(job, operand, size, wide, rows, panel, slot, out);
        });
    }
}

#[allow(clippy::too_many_arguments)] // one call, made for every panel by two loops
fn panel_product(
    job: &Job<'_>,
    operand: &Operand<'_>,
    size: ProductSize,
    wide: &[f32],
    rows: usize,
    panel: usize,
    slot: &mut [f32],
    out: &mut [f32],
) {
    let mut scratch = Scratch::new(slot);
    let levels = scratch.floats(PanelProduct::level_words(size, rows));
    let mut buffers = PanelBuffers::take(&mut scratch, size);
    let buffers = &mut buffers;
    job.level.run(PanelProduct { operand, wide, rows, panel, levels, buffers, out });
}

pub(super) fn route(job: &Job<'_>, mut out: RouteOut<'_>, mut scratch: Scratch<'_>) {
    let layout = job.layout;
    let (tokens, real) = (layout.tokens, job.real);
    for row in real..tokens {
        let scores = out.scores.as_mut().map(|s| s.row_mut(row));
        mask_row(out.ids.row_mut(row), out.weights.row_mut(row), scores);
    }
    if real == 0 {
        return;
    }
    let mut workers = Workers::take(&mut scratch, layout.tasks, layout.slot_words);
    match (job.projection(None), layout.projection) {
        (Some(operand), Some(size)) => {
            let projected = scratch.floats(real * size.experts);
            let mut stage = Stage::take(&mut scratch, size, tokens);
            stage.multiply(job, &operand, job.args.tokens, real, &mut workers);
            let panel_stride = real * size.panel_width();
            let products = Products { words: stage.out, panel_stride };
            for (row, to) in projected.chunks_exact_mut(size.experts).enumerate() {
                job.level.run(ProjectRow { job, products, row, to });
            }
            if let Ok(view) = MatrixRef::new(projected, real, size.experts) {
                select(job, view.into(), out, scratch, workers);
            }
        }
        _ => select(job, job.args.tokens, out, scratch, workers),
    }
}

/// Scores the real tokens against the experts and selects.
fn select<'a>(
    job: &Job<'_>,
    tokens: FloatMatrixRef<'_>,
    out: RouteOut<'_>,
    mut scratch: Scratch<'a>,
    mut workers: Workers<'a>,
) {
    let (size, rows) = (job.layout.experts, job.real);
    let experts = job.experts(None);
    let mut stage = Stage::take(&mut scratch, size, job.layout.tokens);
    stage.multiply(job, &experts, tokens, rows, &mut workers);

    let mut scales = [1.0; super::layout::FEW_TOKENS];
    let panel_stride = rows * size.panel_width();
    for row in 0..rows {
        let Some(scale) = job.rescale(tokens, row, stage.squares[row]) else { continue };
        scales[row] = scale;
        stage.widen(job, &experts, TokenRows { view: tokens, first: row, rows: 1, scale });
        stage.squares[row] = stage.sums.out[0];
        let wide = &*stage.wide;
        let panels = stage.out.chunks_mut(panel_stride).enumerate();
        workers.share(panels.take(size.panels()), |slot, (panel, out)| {
            let out = &mut out[row * size.panel_width()..][..size.panel_width()];
            panel_product(job, &experts, size, wide, 1, panel, slot, out);
        });
    }

    let products = Products { words: stage.out, panel_stride };
    let squares = &*stage.squares;
    let mut scores = out.scores.map(|scores| scores.into_row_chunks(1));
    let chunks = out.ids.into_row_chunks(1).zip(out.weights.into_row_chunks(1)).take(rows);
    let each_row = chunks.enumerate().map(|(row, (ids, weights))| {
        (row, RouteOut { ids, weights, scores: scores.as_mut().and_then(Iterator::next) })
    });
    workers.share(each_row, |slot, (row, out)| {
        let (squares, scale) = (squares[row], scales[row]);
        let scratch = RowScratch::new(job.config, slot);
        job.level.run(FinishRow { job, products, row, squares, scale, scratch, out });
    });
}

struct ProjectRow<'a> {
    job: &'a Job<'a>,
    products: Products<'a>,
    row: usize,
    to: &'a mut [f32],
}

impl Task for ProjectRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        self.job.project_row::<L>(self.products, self.row, self.to);
    }
}

struct FinishRow<'a> {
    job: &'a Job<'a>,
    products: Products<'a>,
    row: usize,
    squares: f32,
    scale: f32,
    scratch: RowScratch<'a>,
    out: RouteOut<'a>,
}

impl Task for FinishRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let out = RowOut {
            ids: self.out.ids.row_mut(0),
            weights: self.out.weights.row_mut(0),
            scores: self.out.scores.as_mut().map(|scores| scores.row_mut(0)),
        };
        let (squares, scale, scratch) = (self.squares, self.scale, &mut self.scratch);
        self.job.finish::<L>(self.products, self.row, squares, scale, scratch, out);
    }
}
