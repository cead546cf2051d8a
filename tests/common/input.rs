//! Inputs on the host, of any element type.

use cosmoe::{BiasPlacement, DType, Element, FloatMatrixRef, Gate, MatrixRef, Score};
use half::{bf16, f16};

use super::Rng;

#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
}

/// A matrix with NaN between its rows.
#[derive(Clone, Debug)]
pub struct Matrix {
    values: Values,
    pub rows: usize,
    pub cols: usize,
    pub stride: usize,
}

impl Matrix {
    /// Element (r, c) is `value(r, c)`, rounded to `dtype`; rows start `cols + pad` apart.
    pub fn new(
        dtype: DType,
        (rows, cols): (usize, usize),
        pad: usize,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let stride = cols + pad;
        let len = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
        let mut wide = vec![f32::NAN; len];
        for r in 0..rows {
            for c in 0..cols {
                wide[r * stride + c] = value(r, c);
            }
        }
        let values = match dtype {
            DType::F16 => Values::F16(wide.into_iter().map(f16::from_f32).collect()),
            DType::BF16 => Values::BF16(wide.into_iter().map(bf16::from_f32).collect()),
            _ => Values::F32(wide),
        };
        Self { values, rows, cols, stride }
    }

    /// Normal rows, each times its own power of two between 2^-2 and 2^2.
    pub fn normal(dtype: DType, shape: (usize, usize), pad: usize, rng: &mut Rng) -> Self {
        let scales: Vec<f32> =
            (0..shape.0).map(|_| 2.0_f32.powi(rng.below(5) as i32 - 2)).collect();
        Self::new(dtype, shape, pad, |r, _| rng.normal() * scales[r])
    }

    pub fn view(&self) -> FloatMatrixRef<'_> {
        fn of<'a, T: Element>(v: &'a [T], m: &Matrix) -> MatrixRef<'a, T> {
            MatrixRef::with_row_stride(v, m.rows, m.cols, m.stride).unwrap()
        }
        match &self.values {
            Values::F32(v) => of(v, self).into(),
            Values::F16(v) => of(v, self).into(),
            Values::BF16(v) => of(v, self).into(),
        }
    }

    pub fn dtype(&self) -> DType {
        self.view().dtype()
    }

    /// Row `r` in f64, as stored.
    pub fn row(&self, r: usize) -> Vec<f64> {
        let range = r * self.stride..r * self.stride + self.cols;
        match &self.values {
            Values::F32(v) => cosmoe::oracle::widen(&v[range]),
            Values::F16(v) => cosmoe::oracle::widen(&v[range]),
            Values::BF16(v) => cosmoe::oracle::widen(&v[range]),
        }
    }

    pub fn to_rows(&self) -> Vec<Vec<f64>> {
        (0..self.rows).map(|r| self.row(r)).collect()
    }

    /// The rows `order`, with another gap between them.
    pub fn rearranged(&self, order: &[usize], pad: usize) -> Self {
        let rows = self.to_rows();
        let value = |r: usize, c: usize| rows[order[r]][c] as f32;
        Self::new(self.dtype(), (order.len(), self.cols), pad, value)
    }
}

#[derive(Clone, Debug)]
pub struct RouteInput {
    pub tokens: Matrix,
    pub experts: Matrix,
    pub bias: Option<Vec<f32>>,
    pub projection: Option<(Matrix, Option<Vec<f32>>)>,
    pub num_tokens: Option<u32>,
}

impl RouteInput {
    pub fn new(tokens: Matrix, experts: Matrix) -> Self {
        Self { tokens, experts, bias: None, projection: None, num_tokens: None }
    }
}

#[derive(Clone, Debug)]
pub struct SelectInput {
    pub logits: Matrix,
    pub bias: Option<Vec<f32>>,
    pub num_tokens: Option<u32>,
}

pub fn scores() -> Vec<Score> {
    let tau = |tau_token, tau_expert| Score::PerturbedCosine { tau_token, tau_expert };
    vec![Score::Cosine, Score::Linear, Score::Laplace, tau(0.0, 1e-3), tau(0.1, 0.1), tau(0.0, 0.0)]
}

pub fn gates() -> Vec<Gate> {
    let mut gates = vec![Gate::SoftmaxSelected, Gate::Identity];
    for renormalize in [false, true] {
        gates.push(Gate::SoftmaxAll { renormalize });
        gates.push(Gate::Sigmoid { renormalize });
        gates.push(Gate::SqrtSoftplus { renormalize });
    }
    gates
}

pub fn placements() -> [BiasPlacement; 3] {
    [BiasPlacement::InScore, BiasPlacement::AfterSelection, BiasPlacement::SelectionOnly]
}
