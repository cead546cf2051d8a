//! A router's results against the oracle's.

use std::collections::HashMap;
use std::fmt;

use super::{Case, Matrix};
use crate::config::{BiasPlacement, GroupScore, RouterConfig};
use crate::oracle;

/// What a router made of a case.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// `[T, K]`, best first.
    pub ids: &'a [i32],
    /// `[T, K]`.
    pub weights: &'a [f32],
    /// `[T, E]`, where there are any: what selection read before any gate.
    pub scores: Option<&'a [f32]>,
    /// `[T, R]` behind a projection: the rows P x + p that it worked with.
    pub projected: Option<&'a Matrix>,
}

/// The largest errors, each in units of its bound: 1 and less keeps the promise.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Worst {
    /// Of the scores.
    pub scores: f64,
    /// Of the weights.
    pub weights: f64,
    /// Numbers compared: scores, ids, weights.
    pub compared: u64,
}

impl Worst {
    /// The larger of both, of all that was compared.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            scores: self.scores.max(other.scores),
            weights: self.weights.max(other.weights),
            compared: self.compared + other.compared,
        }
    }
}

/// One number that is not as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What the number is: `score`, `id`, `weight`, an array of a plan, ...
    pub what: String,
    /// The case in short, with its seed.
    pub case: String,
    /// The token's row, where it belongs to one.
    pub token: Option<usize>,
    /// The expert, where it belongs to one; for an id, the one that was expected.
    pub expert: Option<usize>,
    /// What was found.
    pub found: f64,
    /// What was expected.
    pub expected: f64,
    /// How far apart the two may be: for an id, the u of both.
    pub margin: f64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, case, token, expert, found, expected, margin } = self;
        write!(f, "{what}")?;
        if let Some(token) = token {
            write!(f, " of token {token}")?;
        }
        if let Some(expert) = expert {
            write!(f, ", expert {expert}")?;
        }
        write!(f, ": expected {expected:e}")?;
        if *margin > 0.0 {
            write!(f, " +- {margin:e}")?;
        }
        write!(f, ", found {found:e} ({case})")
    }
}

impl std::error::Error for Mismatch {}

impl Case {
    /// Holds what a router found against the oracle: scores and weights within the bounds of
    /// [`oracle`], ids equal wherever neighbours in the order are further apart than the
    /// bounds leave open, masked rows -1 and 0.
    ///
    /// A projection's rows are checked where `found` has them, and what follows is computed from them;
    /// without them, from the oracle's own.
    ///
    /// # Errors
    /// The first number that is wrong.
    ///
    /// # Panics
    /// Where a slice is shorter than the case.
    pub fn check(&self, found: &Found<'_>) -> Result<Worst, Box<Mismatch>> {
        let (k, e) = (self.config.top_k(), self.config.num_experts());
        let rows = self.tokens.rows;
        let (real, experts) = (self.real_tokens(), self.experts.to_rows());
        self.masked("id", found.ids, k, -1.0)?;
        self.masked("weight", found.weights, k, 0.0)?;
        if let Some(scores) = found.scores {
            self.masked("score", scores, e, 0.0)?;
        }
        let twins = self.twins(&experts);
        let norms: Vec<f64> = experts.iter().map(|row| oracle::norm(row)).collect();
        let mut worst = Worst { compared: ((rows - real) * k) as u64, ..Worst::default() };
        for token in 0..real {
            let x = match &self.projection {
                None => self.tokens.row(token),
                Some(_) => self.projected(found.projected, token)?,
            };
            let reference = Reference::new(self, &x, &experts, &norms);
            let row = Row {
                case: self,
                token,
                ids: &found.ids[token * k..][..k],
                weights: &found.weights[token * k..][..k],
                scores: found.scores.map(|scores| &scores[token * e..][..e]),
            };
            worst = worst.and(row.check(&reference)?);
            row.twins_in_order(&twins)?;
        }
        Ok(worst)
    }

    /// Of every expert the last one before it that is the same in row, bias and group: both tie, whatever the
    /// token.
    fn twins(&self, experts: &[Vec<f64>]) -> Vec<Option<usize>> {
        let size = self.config.groups().map_or(experts.len(), |g| experts.len() / g.count());
        let mut last = HashMap::new();
        let twin = |(e, row): (usize, &Vec<f64>)| {
            let bits: Vec<u64> = row.iter().map(|value| value.to_bits()).collect();
            let bias = self.bias.as_ref().map(|bias| bias[e].to_bits());
            last.insert((bits, bias, e / size), e)
        };
        experts.iter().enumerate().map(twin).collect()
    }

    fn masked<T: Copy + Into<f64>>(
        &self,
        what: &str,
        found: &[T],
        width: usize,
        expected: f64,
    ) -> Result<(), Box<Mismatch>> {
        let from = self.real_tokens() * width;
        let wrong = |value: f64| value != expected;
        let position = found[from..].iter().position(|&value| wrong(value.into()));
        position.map_or(Ok(()), |at| {
            Err(Box::new(Mismatch {
                what: format!("{what} {}, masked,", (from + at) % width),
                case: self.to_string(),
                token: Some((from + at) / width),
                expert: None,
                found: found[from + at].into(),
                expected,
                margin: 0.0,
            }))
        })
    }

    /// The projected row that the router worked with, checked, or else the oracle's.
    fn projected(&self, found: Option<&Matrix>, token: usize) -> Result<Vec<f64>, Box<Mismatch>> {
        let Some((weight, bias)) = &self.projection else {
            return Ok(self.tokens.row(token));
        };
        let (x, rows) = (self.tokens.row(token), weight.to_rows());
        let bias = bias.as_deref().map(oracle::widen);
        let expected = oracle::project(&rows, bias.as_deref(), &x);
        let Some(found) = found else {
            return Ok(expected);
        };
        let found = found.row(token);
        let dtype = oracle::accumulation_dtype(self.tokens.dtype(), weight.dtype());
        for (r, (&value, &right)) in found.iter().zip(&expected).enumerate() {
            // The sum with the bias is rounded to f32.
            let rounding = if bias.is_some() { right.abs() * 2.0_f64.powi(-24) } else { 0.0 };
            let margin = oracle::projection_bound(dtype, oracle::norm(&rows[r]), oracle::norm(&x))
                + rounding;
            if distance(value, right, margin) > 1.0 {
                return Err(Box::new(Mismatch {
                    what: format!("projected component {r}"),
                    case: self.to_string(),
                    token: Some(token),
                    expert: None,
                    found: value,
                    expected: right,
                    margin,
                }));
            }
        }
        Ok(found)
    }
}

/// The oracle's logits of a token, and how far a router's may be away.
pub(super) struct Reference {
    logits: Vec<f64>,
    bounds: Vec<f64>,
}

impl Reference {
    fn new(case: &Case, x: &[f64], experts: &[Vec<f64>], norms: &[f64]) -> Self {
        let token = if case.projection.is_some() {
            crate::element::DType::F32
        } else {
            case.tokens.dtype()
        };
        let dtype = oracle::accumulation_dtype(token, case.experts.dtype());
        let logits = oracle::logits(&case.config, x, experts);
        let norm = oracle::norm(x);
        let bound = |(&z, &w): (&f64, &f64)| oracle::logit_bound(&case.config, dtype, norm, w, z);
        let bounds = logits.iter().zip(norms).map(bound).collect();
        Self { logits, bounds }
    }

    /// Of logits that are given.
    pub(super) fn given(logits: Vec<f64>) -> Self {
        let bounds = vec![0.0; logits.len()];
        Self { logits, bounds }
    }
}

/// One token's results.
pub(super) struct Row<'a> {
    pub(super) case: &'a Case,
    pub(super) token: usize,
    pub(super) ids: &'a [i32],
    pub(super) weights: &'a [f32],
    pub(super) scores: Option<&'a [f32]>,
}

impl Row<'_> {
    pub(super) fn check(&self, reference: &Reference) -> Result<Worst, Box<Mismatch>> {
        let Reference { logits, bounds } = reference;
        let config = &self.case.config;
        let bias = self.case.bias.as_deref().map(oracle::widen);
        let mut worst = Worst::default();
        if let Some(scores) = self.scores {
            worst.scores = self.scores_within(scores, logits, bounds, bias.as_deref())?;
            worst.compared += scores.len() as u64;
        }
        let ids = self.distinct_ids(config)?;
        let bound = bounds.iter().fold(0.0, |most: f64, &bound| most.max(bound));
        self.ids_within(&ids, &oracle::select(config, logits, bias.as_deref()), bound)?;
        let weights = oracle::weights(config, logits, bias.as_deref(), &ids);
        for (k, (&weight, &expected)) in self.weights.iter().zip(&weights).enumerate() {
            let margin = oracle::weight_bound(config, bound, expected);
            let off = distance(weight.into(), expected, margin);
            worst.weights = worst.weights.max(off);
            if off > 1.0 {
                let what = format!("weight {k}");
                return Err(self.wrong(what, Some(ids[k]), weight.into(), expected, margin));
            }
        }
        worst.compared += 2 * ids.len() as u64;
        Ok(worst)
    }

    fn wrong(
        &self,
        what: String,
        expert: Option<usize>,
        found: f64,
        expected: f64,
        margin: f64,
    ) -> Box<Mismatch> {
        let (case, token) = (self.case.to_string(), Some(self.token));
        Box::new(Mismatch { what, case, token, expert, found, expected, margin })
    }

    fn scores_within(
        &self,
        scores: &[f32],
        logits: &[f64],
        bounds: &[f64],
        bias: Option<&[f64]>,
    ) -> Result<f64, Box<Mismatch>> {
        let in_score = self.case.config.bias_placement() == BiasPlacement::InScore;
        let mut worst = 0.0_f64;
        for (e, &score) in scores.iter().enumerate() {
            let added = bias.filter(|_| in_score).map_or(0.0, |bias| bias[e]);
            let expected = oracle::f32_range(logits[e] + added);
            // The sum itself is rounded to f32.
            let margin =
                bounds[e] + if added == 0.0 { 0.0 } else { expected.abs() * 2.0_f64.powi(-24) };
            let off = distance(score.into(), expected, margin);
            worst = worst.max(off);
            if off > 1.0 {
                return Err(self.wrong("score".into(), Some(e), score.into(), expected, margin));
            }
        }
        Ok(worst)
    }

    fn distinct_ids(&self, config: &RouterConfig) -> Result<Vec<usize>, Box<Mismatch>> {
        let mut seen = vec![false; config.num_experts()];
        let mut ids = Vec::with_capacity(self.ids.len());
        for (k, &id) in self.ids.iter().enumerate() {
            let place = usize::try_from(id).ok().filter(|&id| id < seen.len());
            let Some(place) = place.filter(|&id| !std::mem::replace(&mut seen[id], true)) else {
                let what = format!("id {k}, which is no expert, or one that was selected before,");
                return Err(self.wrong(what, None, id.into(), f64::NAN, 0.0));
            };
            ids.push(place);
        }
        Ok(ids)
    }

    /// Of experts that tie whatever the token, the lower one is selected first.
    fn twins_in_order(&self, twins: &[Option<usize>]) -> Result<(), Box<Mismatch>> {
        for (k, &id) in self.ids.iter().enumerate() {
            let Some(twin) = twins.get(id as usize).copied().flatten() else { continue };
            if !self.ids[..k].contains(&(twin as i32)) {
                let what = format!("id {k}, whose equal of a lower index was not selected before,");
                return Err(self.wrong(what, Some(twin), id.into(), twin as f64, 0.0));
            }
        }
        Ok(())
    }

    /// Ids are the oracle's where its order is certain, and as good within the margin elsewhere.
    fn ids_within(
        &self,
        ids: &[usize],
        row: &oracle::Row,
        bound: f64,
    ) -> Result<(), Box<Mismatch>> {
        let config = &self.case.config;
        let u = &row.selection_scores;
        let rounding = rounding_of(config, self.case.bias.is_some(), u);
        let margin = 2.0 * bound + rounding;
        let group_margin = 4.0 * bound + group_rounding_of(config, u, rounding);
        if group_margin > 0.0 && oracle::group_margin(config, u) <= group_margin {
            return Ok(());
        }
        // Where nothing is rounded, ties are real ones, and the lower index is first.
        let certain = margin == 0.0 || oracle::selection_margin(config, u) > margin;
        for (k, (&found, &best)) in ids.iter().zip(&row.ids).enumerate() {
            let (own, other) = (u[found], u[best]);
            let near =
                !certain && ((own - other).abs() <= margin || own.is_nan() && other.is_nan());
            if found != best && !near {
                let what = format!("u of expert {found}, id {k}");
                return Err(self.wrong(what, Some(best), own, other, margin));
            }
        }
        Ok(())
    }
}

/// How far apart two groups must be for their order to be certain, by rounding alone: the sum of two is rounded
/// once more.
fn group_rounding_of(config: &RouterConfig, u: &[f64], rounding: f64) -> f64 {
    let sums = config.groups().is_some_and(|groups| groups.score() == GroupScore::SumOfTopTwo);
    let own = if sums { 2.0_f64.powi(-22) * largest(u) } else { 0.0 };
    2.0 * rounding + own
}

fn largest(u: &[f64]) -> f64 {
    u.iter().filter(|u| u.is_finite()).fold(0.0, |most: f64, u| most.max(u.abs()))
}

/// How far rounding u itself to f32 may move two neighbours, see `docs/semantics.md`.
fn rounding_of(config: &RouterConfig, biased: bool, u: &[f64]) -> f64 {
    let most = largest(u);
    match (config.bias_placement(), biased) {
        (BiasPlacement::SelectionOnly, _) => 2.0_f64.powi(-18) * (1.0 + most),
        (_, true) => 2.0_f64.powi(-23) * most,
        _ => 0.0,
    }
}

/// How far apart two numbers are, in units of `margin`: 0 where they are equal or both NaN, infinite
/// where one alone is NaN or infinite.
fn distance(found: f64, expected: f64, margin: f64) -> f64 {
    if found == expected || (found.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let off = (found - expected).abs() / margin;
    if off.is_nan() { f64::INFINITY } else { off }
}
