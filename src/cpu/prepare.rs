//! Per-expert terms.

use super::score::metric::{Side, is_cosine, leaves_range, needs_squares, row_scale, row_term};
use super::score::order::ChunkOrder;
use super::score::product::{PanelBuffers, ProductSize, WidenTokens};
use super::score::tile::{Squares, TokenRows};
use super::scratch::Scratch;
use crate::config::RouterConfig;
use crate::element::{DType, Element};
use crate::error::{Error, Result};
use crate::simd::Level;
use crate::view::{FloatMatrixRef, each};

/// What the CPU keeps of a set of experts.
#[derive(Debug, Default)]
pub struct ExpertTerms {
    /// Per expert: see [`row_term`].
    pub(super) terms: Vec<f32>,
    /// Per expert the power of two that its row is multiplied with; nothing where all are 1.
    pub(super) scales: Vec<f32>,
}

impl ExpertTerms {
    /// Each expert's term: the divisor of the cosine family, the sum of squares of `Laplace`, else 0.
    #[must_use]
    pub fn terms(&self) -> &[f32] {
        &self.terms
    }

    /// The power of two that an expert's row is multiplied with, 1 for a row of usual length.
    #[must_use]
    pub fn scale(&self, expert: usize) -> f32 {
        self.scales.get(expert).copied().unwrap_or(1.0)
    }
}

/// Experts whose norms are summed together.
const ROWS: usize = 16;

pub(super) fn expert_terms(
    level: Level,
    config: &RouterConfig,
    experts: FloatMatrixRef<'_>,
) -> Result<ExpertTerms> {
    let mut made = ExpertTerms::default();
    refresh(level, config, experts, &mut made)?;
    Ok(made)
}

pub(super) fn refresh(
    level: Level,
    config: &RouterConfig,
    experts: FloatMatrixRef<'_>,
    made: &mut ExpertTerms,
) -> Result<()> {
    let count = experts.rows();
    let score = config.score();
    // All memory before anything is changed.
    let ExpertTerms { terms, scales } = made;
    let short = count.saturating_sub(terms.len());
    terms.try_reserve_exact(short).map_err(|_| no_memory(count * size_of::<f32>()))?;
    if !needs_squares(score) {
        terms.clear();
        terms.resize(count, 0.0);
        scales.clear();
        return Ok(());
    }
    let size = ProductSize::new(level, 1, experts.cols(), norm_order(experts.dtype()));
    let most = ROWS.min(count);
    let pieces = [size.wide_words(most), size.square_rows(most), size.square_words(most)];
    let words = Scratch::words(&pieces) + PanelBuffers::words(size);
    let mut bytes = Vec::new();
    let len = Scratch::bytes(words);
    bytes.try_reserve_exact(len).map_err(|_| no_memory(len))?;
    bytes.resize(len, 0);
    terms.clear();
    scales.clear();
    let mut scratch = Scratch::from_bytes(&mut bytes);
    let wide = scratch.floats(size.wide_words(most));
    let mut squares = Squares::take(&mut scratch, size, most);
    let staging = PanelBuffers::take(&mut scratch, size).staging;
    let mut sum_squares = |tokens: TokenRows<'_>, squares: &mut Squares<'_>| {
        let (wide, staging) = (&mut *wide, &mut *staging);
        let (order, squares) = (size.order, Some(squares));
        level.run(WidenTokens { tokens, order, wide, staging, squares });
    };

    for first in (0..count).step_by(ROWS) {
        let rows = ROWS.min(count - first);
        let tokens = TokenRows { view: experts, first, rows, scale: 1.0 };
        sum_squares(tokens, &mut squares);
        terms.extend((0..rows).map(|row| squares.out[size.square_index(row)]));
    }
    for (expert, term) in terms.iter_mut().enumerate() {
        let mut scale = 1.0;
        if is_cosine(score) && leaves_range(*term) {
            scale = expert_scale(experts, expert);
            if scale != 1.0 {
                let tokens = TokenRows { view: experts, first: expert, rows: 1, scale };
                sum_squares(tokens, &mut squares);
                *term = squares.out[0];
                scales.resize(count, 1.0);
                scales[expert] = scale;
            }
        }
        *term = row_term(score, Side::Expert, *term, scale);
    }
    Ok(())
}

fn no_memory(bytes: usize) -> Error {
    Error::size("experts", "an extent that there is memory for", format!("{bytes} bytes"))
}

/// Norms follow the order of the rows' own dtype.
pub(super) fn norm_order(dtype: DType) -> ChunkOrder {
    ChunkOrder::of(dtype, dtype)
}

fn expert_scale(experts: FloatMatrixRef<'_>, expert: usize) -> f32 {
    each!(experts, view => row_scale(view.row(expert).iter().map(|&v| Element::to_f32(v))))
}
