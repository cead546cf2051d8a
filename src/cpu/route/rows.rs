//! From a token's products to its ids and weights.

use super::Job;
use crate::chain::row::{RowScratch, select_row};
use crate::cpu::score::kernel::panel_width;
use crate::cpu::score::metric::{
    Side, is_cosine, leaves_range, logits, needs_squares, row_scale, row_term,
};
use crate::cpu::score::order::ChunkOrder;
use crate::cpu::score::product::Operand;
use crate::cpu::score::tile::TokenRows;
use crate::element::Element;
use crate::simd::Lanes;
use crate::view::{FloatMatrixRef, each};

/// One token's outputs.
pub(super) struct RowOut<'a> {
    pub(super) ids: &'a mut [i32],
    pub(super) weights: &'a mut [f32],
    pub(super) scores: Option<&'a mut [f32]>,
}

/// Products of a tile or batch: panel p of row r at `p * panel_stride + r * panel width`.
#[derive(Clone, Copy)]
pub(super) struct Products<'a> {
    pub(super) words: &'a [f32],
    pub(super) panel_stride: usize,
}

impl Job<'_> {
    pub(super) fn bias(&self) -> Option<&[f32]> {
        self.args.bias.map(|b| b.as_slice())
    }

    pub(super) fn needs_squares(&self) -> bool {
        needs_squares(self.config.score())
    }

    /// The power of two that a row of this sum of squares must be scaled with before its products
    /// are taken again, if it must.
    #[inline(always)]
    pub(super) fn rescale(
        &self,
        tokens: FloatMatrixRef<'_>,
        row: usize,
        squares: f32,
    ) -> Option<f32> {
        if !is_cosine(self.config.score()) || !leaves_range(squares) {
            return None;
        }
        let scale = each!(tokens, view => {
            row_scale(view.row(row).iter().map(|&v| Element::to_f32(v)))
        });
        (scale != 1.0).then_some(scale)
    }

    /// Finishes row `row` of the products. `squares` is the token's sum of squares after scaling
    /// with `scale`.
    #[inline(always)]
    pub(super) fn finish<L: Lanes>(
        &self,
        products: Products<'_>,
        row: usize,
        squares: f32,
        scale: f32,
        scratch: &mut RowScratch<'_>,
        out: RowOut<'_>,
    ) {
        let width = panel_width::<L>();
        let score = self.config.score();
        let token = row_term(score, Side::Token, squares, scale);
        let panels = scratch.logits.chunks_mut(width).zip(self.terms.terms.chunks(width));
        for (panel, (z, terms)) in panels.enumerate() {
            let products = &products.words[panel * products.panel_stride + row * width..];
            let products = &products[..z.len()];
            logits(score, self.config.scale(), token, terms, products, z);
        }
        let RowOut { ids, weights, scores } = out;
        select_row::<L>(self.config, self.bias(), scratch, ids, weights, scores);
    }

    /// Products of a projection become rows of f32, plus its bias.
    #[inline(always)]
    pub(super) fn project_row<L: Lanes>(&self, products: Products<'_>, row: usize, to: &mut [f32]) {
        let width = panel_width::<L>();
        for (panel, to) in to.chunks_mut(width).enumerate() {
            let products = &products.words[panel * products.panel_stride + row * width..];
            to.copy_from_slice(&products[..to.len()]);
        }
        let bias = self.args.projection.and_then(|p| p.bias);
        if let Some(bias) = bias {
            to.iter_mut().zip(bias.as_slice()).for_each(|(y, p)| *y += p);
        }
    }

    /// The experts, as a product reads them.
    pub(super) fn experts<'b>(&'b self, packed: Option<&'b [f32]>) -> Operand<'b> {
        Operand {
            view: self.args.experts,
            scales: &self.terms.scales,
            packed,
            order: self.layout.experts.order,
        }
    }

    /// The projection, as a product reads it.
    pub(super) fn projection<'b>(&'b self, packed: Option<&'b [f32]>) -> Option<Operand<'b>> {
        let view = self.args.projection?.weight;
        let order = ChunkOrder::of(self.args.tokens.dtype(), view.dtype());
        Some(Operand { view, scales: &[], packed, order })
    }
}

/// Unscaled rows.
pub(super) fn unscaled(view: FloatMatrixRef<'_>, first: usize, rows: usize) -> TokenRows<'_> {
    TokenRows { view, first, rows, scale: 1.0 }
}
