//! Which inputs and configurations are tried.

use super::{Matrix, Rng};
use crate::config::{BiasPlacement, Gate, GroupScore, RouterConfig, RouterConfigBuilder, Score};
use crate::element::DType;

/// What cases are drawn from: each of these by itself. The default has all that the library can do;
/// whoever validates a router of their own leaves out what it cannot.
///
/// ```
/// use cosmoe::verify::Grid;
/// let grid = Grid { projections: false, masks: false, ..Grid::default() };
/// let case = grid.case(7);
/// assert_eq!(case.experts.rows, case.config.num_experts());
/// ```
#[derive(Debug, Clone)]
pub struct Grid {
    /// T.
    pub tokens: Vec<usize>,
    /// D.
    pub widths: Vec<usize>,
    /// E.
    pub experts: Vec<usize>,
    /// K, or E where that is less.
    pub top_k: Vec<usize>,
    /// Dtypes of tokens and experts.
    pub dtypes: Vec<(DType, DType)>,
    /// Scores.
    pub scores: Vec<Score>,
    /// Gates.
    pub gates: Vec<Gate>,
    /// Where a bias acts; none, no bias.
    pub placements: Vec<BiasPlacement>,
    /// Factors of the logits.
    pub scales: Vec<f32>,
    /// Factors of the weights.
    pub route_scales: Vec<f32>,
    /// Whether some have groups.
    pub groups: bool,
    /// Whether some have a projection.
    pub projections: bool,
    /// Whether some have a token count, and rows behind it.
    pub masks: bool,
    /// Whether some have gaps between rows.
    pub gaps: bool,
    /// Whether some have rows of zeros, of equal experts, of extreme length (for the cosine family), or
    /// with a NaN.
    pub special: bool,
    /// T * D * E at most: T gives way.
    pub work: usize,
}

impl Default for Grid {
    fn default() -> Self {
        use DType::{BF16, F16, F32};
        let tau = |tau_token, tau_expert| Score::PerturbedCosine { tau_token, tau_expert };
        let mut gates = vec![Gate::SoftmaxSelected, Gate::Identity];
        for renormalize in [false, true] {
            gates.push(Gate::SoftmaxAll { renormalize });
            gates.push(Gate::Sigmoid { renormalize });
            gates.push(Gate::SqrtSoftplus { renormalize });
        }
        Self {
            tokens: vec![0, 1, 2, 15, 16, 17, 33, 64, 65, 130],
            widths: vec![1, 3, 8, 127, 128, 129, 1000, 1024, 1025, 2048, 2100, 7168],
            experts: vec![1, 8, 31, 32, 33, 64, 129, 256, 257, 513],
            top_k: vec![1, 2, 6, 8, 15, 16, 22, usize::MAX],
            dtypes: vec![(F32, F32), (F16, F16), (BF16, BF16), (F16, F32), (BF16, F32)],
            scores: vec![
                tau(0.0, 1e-3),
                tau(0.1, 0.1),
                tau(0.0, 0.0),
                Score::Cosine,
                Score::Linear,
                Score::Laplace,
            ],
            gates,
            placements: vec![
                BiasPlacement::InScore,
                BiasPlacement::AfterSelection,
                BiasPlacement::SelectionOnly,
            ],
            scales: vec![1.0, 0.25, 10.0, 100.0],
            route_scales: vec![1.0, 1.0, 2.5, 0.1],
            groups: true,
            projections: true,
            masks: true,
            gaps: true,
            special: true,
            work: 1 << 22,
        }
    }
}

/// A route: a configuration and what it reads.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it was drawn with.
    pub seed: u64,
    /// The router's.
    pub config: RouterConfig,
    /// `[T, D]`.
    pub tokens: Matrix,
    /// `[E, D]`, or `[E, R]` behind a projection.
    pub experts: Matrix,
    /// `[E]`.
    pub bias: Option<Vec<f32>>,
    /// P, `[R, D]`, and p, `[R]`.
    pub projection: Option<(Matrix, Option<Vec<f32>>)>,
    /// How many leading tokens are real, cut off at T.
    pub num_tokens: Option<u32>,
}

impl Case {
    /// Tokens that are real.
    #[must_use]
    pub fn real_tokens(&self) -> usize {
        let count = self.num_tokens.map_or(usize::MAX, |count| count as usize);
        self.tokens.rows.min(count)
    }
}

/// The case in short: what one needs to find it again.
impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, config, tokens, experts, .. } = self;
        write!(
            f,
            "seed {seed}: T {}, D {}, E {}, K {}, {} tokens, {} experts, {:?}, {:?}",
            tokens.rows,
            tokens.cols,
            experts.rows,
            config.top_k(),
            tokens.dtype(),
            experts.dtype(),
            config.score(),
            config.gate()
        )?;
        if self.bias.is_some() {
            write!(f, ", bias {:?}", config.bias_placement())?;
        }
        if let Some(groups) = config.groups() {
            write!(f, ", {} of {} groups", groups.top(), groups.count())?;
        }
        if let Some((weight, _)) = &self.projection {
            write!(f, ", projected to {}", weight.rows)?;
        }
        if let Some(count) = self.num_tokens {
            write!(f, ", {count} real tokens")?;
        }
        Ok(())
    }
}

impl Grid {
    /// The case of a seed: the same on every machine.
    ///
    /// # Panics
    /// Where a list that must not be empty is (all but `placements`), or a configuration that is drawn
    /// is none.
    #[must_use]
    pub fn case(&self, seed: u64) -> Case {
        let mut rng = Rng::new(seed);
        let d = rng.pick(&self.widths);
        let e = rng.pick(&self.experts);
        let t = rng.pick(&self.tokens).min((self.work / (d * e).max(1)).max(1));
        let mut k = rng.pick(&self.top_k).min(e);
        let (token_dtype, mut expert_dtype) = rng.pick(&self.dtypes);
        let projected = (self.projections && rng.chance(15)).then(|| {
            let dtype = if rng.chance(50) { token_dtype } else { DType::F32 };
            (rng.pick(&[1, 17, 64, 200]), dtype, rng.chance(50))
        });
        if projected.is_some() {
            expert_dtype = DType::F32;
        }
        let groups = (self.groups && rng.chance(40)).then(|| {
            let divisors: Vec<usize> = (1..=e).filter(|g| e.is_multiple_of(*g)).collect();
            let count = rng.pick(&divisors);
            (count, 1 + rng.below(count), rng.pick(&[GroupScore::Max, GroupScore::SumOfTopTwo]))
        });
        if let Some((count, top, _)) = groups {
            k = k.min(top * (e / count));
        }
        let mut builder: RouterConfigBuilder = RouterConfig::builder(e, k)
            .score(rng.pick(&self.scores))
            .gate(rng.pick(&self.gates))
            .scale(rng.pick(&self.scales))
            .route_scale(rng.pick(&self.route_scales));
        let biased = !self.placements.is_empty() && rng.chance(60);
        if biased {
            builder = builder.bias_placement(rng.pick(&self.placements));
        }
        if let Some((count, top, score)) = groups {
            builder = builder.groups(count, top, score);
        }
        let config =
            builder.build().unwrap_or_else(|error| unreachable!("what a grid draws fits: {error}"));
        let mut pad = || if self.gaps { rng.pick(&[0, 0, 1, 8]) } else { 0 };
        let (token_pad, expert_pad) = (pad(), pad());

        let width = projected.map_or(d, |(r, ..)| r);
        let special = self.special && projected.is_none() && rng.chance(40);
        let experts =
            self.experts(&config, (expert_dtype, e, width, expert_pad), special, &mut rng);
        let tokens =
            self.tokens(&config, (token_dtype, t, d, token_pad), &experts, special, &mut rng);
        let projection = projected.map(|(r, dtype, with_bias)| {
            let weight = Matrix::normal(dtype, (r, d), expert_pad, &mut rng);
            (weight, with_bias.then(|| (0..r).map(|_| rng.normal()).collect()))
        });
        let bias = biased.then(|| (0..e).map(|_| rng.uniform() * 0.5).collect());
        let num_tokens = (self.masks && rng.chance(25))
            .then(|| rng.pick(&[0, 1, t / 2, t, t + 3, 1 << 31]) as u32);
        Case { seed, config, tokens, experts, bias, projection, num_tokens }
    }

    fn experts(
        &self,
        config: &RouterConfig,
        (dtype, rows, cols, pad): (DType, usize, usize, usize),
        special: bool,
        rng: &mut Rng,
    ) -> Matrix {
        let plain = Matrix::normal(dtype, (rows, cols), pad, rng);
        if !special {
            return plain;
        }
        let kinds: Vec<Kind> = (0..rows).map(|_| Kind::drawn(config, rng)).collect();
        // Equal experts are the first one.
        let from = |r: usize| if kinds[r] == Kind::Equal { 0 } else { r };
        let values: Vec<Vec<f64>> = (0..rows).map(|r| plain.row(from(r))).collect();
        Matrix::new(dtype, (rows, cols), pad, |r, c| kinds[from(r)].of(values[r][c] as f32, c))
    }

    /// Tokens near some expert, so that scores spread whatever D is.
    fn tokens(
        &self,
        config: &RouterConfig,
        (dtype, rows, cols, pad): (DType, usize, usize, usize),
        experts: &Matrix,
        special: bool,
        rng: &mut Rng,
    ) -> Matrix {
        let toward: Vec<(Vec<f64>, f32, Kind)> = (0..rows)
            .map(|_| {
                let kind = if special { Kind::drawn(config, rng) } else { Kind::Plain };
                (experts.row(rng.below(experts.rows)), rng.uniform(), kind)
            })
            .collect();
        Matrix::new(dtype, (rows, cols), pad, |r, c| {
            let (near, much, kind) = &toward[r];
            let pull = near.get(c).map_or(0.0, |&w| w as f32);
            let pull = if pull.is_finite() && pull.abs() < 1e3 { pull } else { 0.0 };
            kind.of(rng.normal() * 0.5 + much * pull, c)
        })
    }
}

/// What is special about a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Zero,
    /// To another row, where rows are experts.
    Equal,
    Nan,
    /// Times a power of two.
    Scaled(i32),
}

impl Kind {
    fn drawn(config: &RouterConfig, rng: &mut Rng) -> Self {
        let cosine = matches!(config.score(), Score::Cosine | Score::PerturbedCosine { .. });
        match rng.below(10) {
            0 => Self::Zero,
            1 => Self::Nan,
            2 | 3 => Self::Equal,
            // Beyond the cosine family f32 overflows, as it may.
            4 | 5 if cosine => Self::Scaled(rng.pick(&[-100, -60, -30, 30, 60, 100])),
            _ => Self::Plain,
        }
    }

    fn of(self, value: f32, column: usize) -> f32 {
        match self {
            Self::Plain | Self::Equal => value,
            Self::Zero => 0.0,
            Self::Nan if column == 0 => f32::NAN,
            Self::Nan => value,
            Self::Scaled(power) => value * 2.0_f32.powi(power),
        }
    }
}
