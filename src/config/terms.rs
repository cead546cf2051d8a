//! The choices a router is made of.

/// How a token row x and an expert row w give a score. Products and norms are f32 whatever the
/// dtype of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Score {
    /// `<x,w> / max(|x|, 1e-12) / max(|w|, 1e-12)`.
    Cosine,
    /// `-|x - w|`, computed as `-sqrt(max(0, |x|^2 + |w|^2 - 2<x,w>))` (FuseMoE, eq. 4).
    Laplace,
    /// `<x,w>`.
    Linear,
    /// `<x,w> / (|x| + tau_token) / (|w| + tau_expert)`, 0 where one of the two factors is exactly
    /// 0 (arXiv 2405.14131). Both taus are finite and at least 0.
    PerturbedCosine {
        /// Added to the L2 norm of the token row.
        tau_token: f32,
        /// Added to the L2 norm of the expert row.
        tau_expert: f32,
    },
}

impl Default for Score {
    /// The offsets of the perturbed router's authors: 0 for tokens, 1e-3 for experts.
    fn default() -> Self {
        Self::PerturbedCosine { tau_token: 0.0, tau_expert: 1e-3 }
    }
}

/// How the selected experts' logits become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Gate {
    /// The logit itself.
    Identity,
    /// `1 / (1 + exp(-z))`.
    Sigmoid {
        /// Divide by the sum over the selected experts.
        renormalize: bool,
    },
    /// Softmax over all experts.
    SoftmaxAll {
        /// Divide by the sum over the selected experts: the softmax over those alone.
        renormalize: bool,
    },
    /// Softmax over the selected experts.
    #[default]
    SoftmaxSelected,
    /// `sqrt(log1p(exp(z)))`.
    SqrtSoftplus {
        /// Divide by the sum over the selected experts.
        renormalize: bool,
    },
}

/// Where a bias acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BiasPlacement {
    /// Selection reads z, the gate reads z + b (arXiv 2309.13850).
    AfterSelection,
    /// Selection and gate read z + b (arXiv 2405.14131).
    #[default]
    InScore,
    /// Selection reads g(z) + b, the gate reads z (DeepSeek-V3). g is the sigmoid, the
    /// sqrt-softplus or the softmax over all experts if that is the gate, otherwise the identity.
    SelectionOnly,
}

/// How a group of experts is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GroupScore {
    /// The best selection score of the group.
    Max,
    /// The sum of the two best selection scores of the group (DeepSeek-V3); of its only one, if it
    /// has one expert.
    #[default]
    SumOfTopTwo,
}
