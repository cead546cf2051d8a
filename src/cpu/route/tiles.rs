//! Many tokens: tiles of them are shared among threads, each scored against all experts and
//! selected from at once.

use super::Job;
use super::rows::{Products, RowOut, unscaled};
use crate::backend::RouteOut;
use crate::chain::row::RowScratch;
use crate::cpu::score::product::{Operand, ProductSize, TileBuffers, pack_operand, tile_product};
use crate::cpu::score::tile::TokenRows;
use crate::cpu::scratch::{Scratch, Workers};
use crate::cpu::select::mask_row;
use crate::simd::{Lanes, Task};
use crate::view::{FloatMatrixRef, MatrixMut, MatrixRef};

pub(super) fn route(job: &Job<'_>, rows: usize, out: RouteOut<'_>, mut scratch: Scratch<'_>) {
    let layout = job.layout;
    let mut pack = |size: ProductSize| layout.packed.then(|| scratch.floats(size.packed_words()));
    let mut packed_projection = layout.projection.and_then(&mut pack);
    let mut packed_experts = pack(layout.experts);
    let mut workers = Workers::take(&mut scratch, layout.tasks, layout.slot_words);
    if let (Some(operand), Some(size), Some(to)) =
        (job.projection(None), layout.projection, packed_projection.as_deref_mut())
    {
        pack_operand(job.level, &operand, size, &mut workers, to);
    }
    if let Some(to) = packed_experts.as_deref_mut() {
        pack_operand(job.level, &job.experts(None), layout.experts, &mut workers, to);
    }

    let projection = job.projection(packed_projection.as_deref());
    let experts = job.experts(packed_experts.as_deref());
    let mut scores = out.scores.map(|scores| scores.into_row_chunks(rows));
    let chunks = out.ids.into_row_chunks(rows).zip(out.weights.into_row_chunks(rows));
    let tiles = chunks.enumerate().map(|(tile, (ids, weights))| {
        let scores = scores.as_mut().and_then(Iterator::next);
        (tile * rows, RouteOut { ids, weights, scores })
    });
    workers.share(tiles, |slot, (first, out)| {
        let scratch = Scratch::new(slot);
        job.level.run(Tile { job, projection, experts, rows, first, out, scratch });
    });
}

/// One tile of tokens, from rows to ids and weights.
struct Tile<'a> {
    job: &'a Job<'a>,
    projection: Option<Operand<'a>>,
    experts: Operand<'a>,
    /// Tokens of a whole tile.
    rows: usize,
    first: usize,
    out: RouteOut<'a>,
    scratch: Scratch<'a>,
}

impl Task for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let count = self.out.ids.rows();
        let real = self.job.real.saturating_sub(self.first).min(count);
        if real > 0 {
            self.real_rows::<L>(real);
        }
        for row in real..count {
            let RowOut { ids, weights, scores } = row_out(&mut self.out, row);
            mask_row(ids, weights, scores);
        }
    }
}

impl Tile<'_> {
    #[inline(always)]
    fn real_rows<L: Lanes>(&mut self, real: usize) {
        let job = self.job;
        let tokens = job.args.tokens;
        match (self.projection, job.layout.projection) {
            (Some(operand), Some(size)) => {
                let projected = self.scratch.floats(real * size.experts);
                let mut buffers = TileBuffers::take(&mut self.scratch, size, self.rows);
                let out = self.scratch.floats(size.out_words(self.rows));
                let rows = unscaled(tokens, self.first, real);
                tile_product::<L>(&operand, rows, false, &mut buffers, out);
                let panel_stride = self.rows * size.panel_width();
                let products = Products { words: out, panel_stride };
                for (row, to) in projected.chunks_exact_mut(size.experts).enumerate() {
                    job.project_row::<L>(products, row, to);
                }
                if let Ok(view) = MatrixRef::new(projected, real, size.experts) {
                    self.select::<L>(FloatMatrixRef::F32(view), 0, real);
                }
            }
            _ => self.select::<L>(tokens, self.first, real),
        }
    }

    /// Scores the rows from `first` on of `tokens` against the experts and selects.
    #[inline(always)]
    fn select<L: Lanes>(&mut self, tokens: FloatMatrixRef<'_>, first: usize, real: usize) {
        let (job, size) = (self.job, self.job.layout.experts);
        let mut buffers = TileBuffers::take(&mut self.scratch, size, self.rows);
        let words = self.scratch.floats(size.out_words(self.rows));
        let squares = self.scratch.floats(self.rows);
        let mut row_scratch =
            RowScratch::new(job.config, self.scratch.floats(job.layout.row_words));

        let with_squares = job.needs_squares();
        let rows = unscaled(tokens, first, real);
        tile_product::<L>(&self.experts, rows, with_squares, &mut buffers, words);
        for (row, squares) in squares[..real].iter_mut().enumerate() {
            *squares = buffers.squares.out[size.square_index(row)];
        }
        let panel_stride = self.rows * size.panel_width();
        for row in 0..real {
            let mut scale = 1.0;
            if let Some(rescale) = job.rescale(tokens, first + row, squares[row]) {
                scale = rescale;
                let again = TokenRows { view: tokens, first: first + row, rows: 1, scale };
                let out = &mut words[row * size.panel_width()..];
                tile_product::<L>(&self.experts, again, true, &mut buffers, out);
                squares[row] = buffers.squares.out[0];
            }
            let products = Products { words, panel_stride };
            let out = row_out(&mut self.out, row);
            job.finish::<L>(products, row, squares[row], scale, &mut row_scratch, out);
        }
    }
}

#[inline(always)]
fn row_out<'a>(out: &'a mut RouteOut<'_>, row: usize) -> RowOut<'a> {
    RowOut {
        ids: out.ids.row_mut(row),
        weights: out.weights.row_mut(row),
        scores: out.scores.as_mut().map(|scores: &mut MatrixMut<'_, f32>| scores.row_mut(row)),
    }
}
