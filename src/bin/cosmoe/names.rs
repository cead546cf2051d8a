//! The names that options and reports give to choices.

use clap_complete::Shell;
use cosmoe::{BiasPlacement, DType, DropPolicy, Gate, GroupScore};

use crate::bench::Op;

/// A score function before its parameters are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScoreName {
    Cosine,
    Laplace,
    Linear,
    PerturbedCosine,
}

/// Values by name.
pub(crate) struct Names<T: 'static>(&'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Names<T> {
    pub(crate) fn parse(&self, text: &str) -> Result<T, String> {
        let found = self.0.iter().find(|(name, _)| *name == text);
        found.map(|&(_, value)| value).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            format!("expected one of {}, found {text:?}", names.join(", "))
        })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<T> {
        self.0.iter().map(|&(name, _)| name)
    }

    pub(crate) fn name(&self, value: T) -> Option<&'static str> {
        self.0.iter().find(|(_, other)| *other == value).map(|&(name, _)| name)
    }
}

pub(crate) const SCORES: Names<ScoreName> = Names(&[
    ("linear", ScoreName::Linear),
    ("cosine", ScoreName::Cosine),
    ("perturbed-cosine", ScoreName::PerturbedCosine),
    ("laplace", ScoreName::Laplace),
]);

pub(crate) const GATES: Names<Gate> = Names(&[
    ("softmax-selected", Gate::SoftmaxSelected),
    ("softmax-all", Gate::SoftmaxAll { renormalize: false }),
    ("softmax-all-renorm", Gate::SoftmaxAll { renormalize: true }),
    ("sigmoid", Gate::Sigmoid { renormalize: false }),
    ("sigmoid-renorm", Gate::Sigmoid { renormalize: true }),
    ("sqrt-softplus", Gate::SqrtSoftplus { renormalize: false }),
    ("sqrt-softplus-renorm", Gate::SqrtSoftplus { renormalize: true }),
    ("identity", Gate::Identity),
]);

pub(crate) const BIAS_PLACEMENTS: Names<BiasPlacement> = Names(&[
    ("in-score", BiasPlacement::InScore),
    ("after-selection", BiasPlacement::AfterSelection),
    ("selection-only", BiasPlacement::SelectionOnly),
]);

pub(crate) const GROUP_SCORES: Names<GroupScore> =
    Names(&[("sum-of-top-two", GroupScore::SumOfTopTwo), ("max", GroupScore::Max)]);

pub(crate) const DROP_POLICIES: Names<DropPolicy> =
    Names(&[("position", DropPolicy::Position), ("weight", DropPolicy::Weight)]);

pub(crate) const SHELLS: Names<Shell> = Names(&[
    ("bash", Shell::Bash),
    ("elvish", Shell::Elvish),
    ("fish", Shell::Fish),
    ("powershell", Shell::PowerShell),
    ("zsh", Shell::Zsh),
]);

pub(crate) const DTYPES: Names<DType> =
    Names(&[("f32", DType::F32), ("f16", DType::F16), ("bf16", DType::BF16)]);

pub(crate) const OPS: Names<Op> = Names(&[
    ("prepare", Op::Prepare),
    ("route", Op::Route),
    ("route-and-plan", Op::RouteAndPlan),
    ("select", Op::Select),
    ("plan", Op::Plan),
    ("gather", Op::Gather),
    ("combine", Op::Combine),
]);
