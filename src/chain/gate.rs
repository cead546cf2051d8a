//! From logits to gate values and weights.

use super::functions::{exp, flush, sigmoid, sqrt_softplus};
use super::sum::Partials;
use crate::config::{BiasPlacement, Gate, RouterConfig};

/// One expert's numbers on the way to its weight.
#[derive(Clone, Copy)]
pub(super) struct Logit {
    z: f32,
    bias: f32,
}

impl Logit {
    #[inline(always)]
    pub(super) fn new(z: f32, bias: f32) -> Self {
        Self { z, bias }
    }

    /// What the gate reads: +infinity counts as f32::MAX; NaN and -infinity, which have weight 0
    /// under every gate, both become -infinity.
    #[inline(always)]
    pub(super) fn gate_input(self, placement: BiasPlacement) -> f32 {
        let sum = self.z + self.bias;
        let (y, excluded) = match placement {
            BiasPlacement::SelectionOnly => (self.z, self.z.is_nan() || self.bias.is_nan()),
            BiasPlacement::AfterSelection | BiasPlacement::InScore => (sum, sum.is_nan()),
        };
        let y = if y > f32::MAX { f32::MAX } else { y };
        if excluded { f32::NEG_INFINITY } else { y }
    }
}

/// A softmax's maximum and sum.
#[derive(Clone, Copy)]
pub(super) struct Softmax {
    max: f32,
    sum: f32,
}

impl Softmax {
    /// Over all experts. `inputs` are gate inputs and become scratch.
    #[inline(always)]
    pub(super) fn over_all(inputs: &mut [f32]) -> Self {
        let mut max = f32::NEG_INFINITY;
        for &y in &*inputs {
            max = if y > max { y } else { max };
        }
        for y in inputs.iter_mut() {
            *y = Self::term(*y, max);
        }
        let mut partials = Partials::new();
        partials.add_all(inputs);
        Self { max, sum: partials.total() }
    }

    /// exp(y - max); 0 for -infinity, also where that is the maximum.
    #[inline(always)]
    fn term(y: f32, max: f32) -> f32 {
        let e = exp(y - max);
        if y == f32::NEG_INFINITY { 0.0 } else { e }
    }

    /// The gate value of an input; 0 where nothing was summed.
    #[inline(always)]
    pub(super) fn value(self, y: f32) -> f32 {
        divide(Self::term(y, self.max), self.sum)
    }
}

/// A gate value's share of a sum, 0 of 0.
#[inline(always)]
fn divide(value: f32, sum: f32) -> f32 {
    let quotient = flush(value / sum);
    if sum == 0.0 { 0.0 } else { quotient }
}

/// The gates that read one logit alone.
#[inline(always)]
pub(super) fn pointwise(gate: Gate, y: f32) -> f32 {
    let value = match gate {
        Gate::Sigmoid { .. } => sigmoid(y),
        Gate::SqrtSoftplus { .. } => sqrt_softplus(y),
        Gate::Identity | Gate::SoftmaxAll { .. } | Gate::SoftmaxSelected => flush(y),
    };
    if y == f32::NEG_INFINITY { 0.0 } else { value }
}

/// Turns the gate inputs of the selected experts, in `weights`, into their weights. `all` is the
/// softmax over all experts, for the gate that needs it; `ascending` holds the positions of
/// `weights` by ascending expert id.
#[inline(always)]
pub(super) fn weigh(
    config: &RouterConfig,
    all: Option<Softmax>,
    ids: &[i32],
    ascending: &[u64],
    weights: &mut [f32],
) {
    let total = |weights: &[f32]| {
        let mut partials = Partials::new();
        for &position in ascending {
            let position = position as u32 as usize;
            partials.add(ids[position] as usize, weights[position]);
        }
        partials.total()
    };
    let renormalize = match (config.gate(), all) {
        (Gate::SoftmaxAll { renormalize: false }, Some(all)) => {
            weights.iter_mut().for_each(|w| *w = all.value(*w));
            false
        }
        (Gate::SoftmaxAll { .. } | Gate::SoftmaxSelected, _) => {
            let mut max = f32::NEG_INFINITY;
            for &y in &*weights {
                max = if y > max { y } else { max };
            }
            weights.iter_mut().for_each(|w| *w = Softmax::term(*w, max));
            true
        }
        (gate, _) => {
            weights.iter_mut().for_each(|w| *w = pointwise(gate, *w));
            matches!(
                gate,
                Gate::Sigmoid { renormalize: true } | Gate::SqrtSoftplus { renormalize: true }
            )
        }
    };
    if renormalize {
        let sum = total(weights);
        weights.iter_mut().for_each(|w| *w = divide(*w, sum));
    }
    let route_scale = config.route_scale();
    for w in weights {
        *w = (*w * route_scale).clamp(f32::MIN, f32::MAX);
    }
}
