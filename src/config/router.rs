//! The router: experts, top-k, score, gate, bias placement, groups.

use super::check_num_experts;
use super::terms::{BiasPlacement, Gate, GroupScore, Score};
use crate::error::{Error, Result};

/// Group-limited selection: only experts of the best groups are candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    count: usize,
    top: usize,
    score: GroupScore,
}

impl Groups {
    /// Number of groups, G: each is a run of E/G consecutive experts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Number of groups kept per token, g.
    #[must_use]
    pub fn top(&self) -> usize {
        self.top
    }

    /// How a group is scored.
    #[must_use]
    pub fn score(&self) -> GroupScore {
        self.score
    }
}

/// A checked router configuration.
///
/// ```
/// use cosmoe::{Gate, RouterConfig};
/// let config = RouterConfig::builder(64, 6)
///     .gate(Gate::Sigmoid { renormalize: true })
///     .scale(2.0)
///     .build()?;
/// assert_eq!(config.top_k(), 6);
/// let error = RouterConfig::builder(8, 9).build().unwrap_err();
/// assert_eq!(error.to_string(), "top_k: expected at most num_experts = 8, found 9");
/// # Ok::<(), cosmoe::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RouterConfig {
    num_experts: usize,
    top_k: usize,
    score: Score,
    scale: f32,
    gate: Gate,
    bias_placement: BiasPlacement,
    groups: Option<Groups>,
    route_scale: f32,
}

impl RouterConfig {
    /// Starts a configuration: `num_experts` (E) experts of which each token selects `top_k` (K).
    /// Everything else has a default: perturbed cosine (0, 1e-3), scale 1, softmax over the
    /// selected, bias in the score, no groups, route scale 1.
    pub fn builder(num_experts: usize, top_k: usize) -> RouterConfigBuilder {
        RouterConfigBuilder {
            config: Self {
                num_experts,
                top_k,
                score: Score::default(),
                scale: 1.0,
                gate: Gate::default(),
                bias_placement: BiasPlacement::default(),
                groups: None,
                route_scale: 1.0,
            },
        }
    }

    /// Number of experts, E.
    #[must_use]
    pub fn num_experts(&self) -> usize {
        self.num_experts
    }

    /// Experts selected per token, K.
    #[must_use]
    pub fn top_k(&self) -> usize {
        self.top_k
    }

    /// The score function.
    #[must_use]
    pub fn score(&self) -> Score {
        self.score
    }

    /// The factor between score and logit, 1 / temperature.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.gate
    }

    /// Where a bias acts.
    #[must_use]
    pub fn bias_placement(&self) -> BiasPlacement {
        self.bias_placement
    }

    /// Group-limited selection, if any.
    #[must_use]
    pub fn groups(&self) -> Option<Groups> {
        self.groups
    }

    /// The factor on every weight.
    #[must_use]
    pub fn route_scale(&self) -> f32 {
        self.route_scale
    }
}

/// Collects what [`RouterConfig::builder`] starts.
#[derive(Debug, Clone)]
#[must_use]
pub struct RouterConfigBuilder {
    config: RouterConfig,
}

impl RouterConfigBuilder {
    /// Sets the score function.
    pub fn score(mut self, score: Score) -> Self {
        self.config.score = score;
        self
    }

    /// Sets the factor between score and logit, 1 / temperature: finite and above 0.
    pub fn scale(mut self, scale: f32) -> Self {
        self.config.scale = scale;
        self
    }

    /// Sets the gate.
    pub fn gate(mut self, gate: Gate) -> Self {
        self.config.gate = gate;
        self
    }

    /// Sets where a bias acts. Without a bias it has no effect.
    pub fn bias_placement(mut self, placement: BiasPlacement) -> Self {
        self.config.bias_placement = placement;
        self
    }

    /// Splits the experts into `count` equal groups and keeps the `top` best of each token.
    pub fn groups(mut self, count: usize, top: usize, score: GroupScore) -> Self {
        self.config.groups = Some(Groups { count, top, score });
        self
    }

    /// Sets the factor on every weight: finite and at least 0.
    pub fn route_scale(mut self, route_scale: f32) -> Self {
        self.config.route_scale = route_scale;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the first parameter that is out of its range or does not
    /// fit the others, [`Error::SizeNotSupported`] for more than [`MAX_EXPERTS`](super::MAX_EXPERTS)
    /// experts.
    pub fn build(self) -> Result<RouterConfig> {
        let config = self.config;
        check_num_experts(config.num_experts)?;
        check_top_k(&config)?;
        if let Some(groups) = config.groups {
            check_groups(&config, groups)?;
        }
        if let Score::PerturbedCosine { tau_token, tau_expert } = config.score {
            check_not_negative("tau_token", tau_token)?;
            check_not_negative("tau_expert", tau_expert)?;
        }
        if !(config.scale.is_finite() && config.scale > 0.0) {
            return Err(Error::invalid("scale", "a finite number above 0", config.scale));
        }
        check_not_negative("route_scale", config.route_scale)?;
        Ok(config)
    }
}

fn check_top_k(config: &RouterConfig) -> Result<()> {
    if config.top_k == 0 {
        return Err(Error::invalid("top_k", "at least 1", config.top_k));
    }
    if config.top_k > config.num_experts {
        let expected = format!("at most num_experts = {}", config.num_experts);
        return Err(Error::invalid("top_k", expected, config.top_k));
    }
    Ok(())
}

fn check_groups(config: &RouterConfig, groups: Groups) -> Result<()> {
    let experts = config.num_experts;
    if groups.count == 0 || !experts.is_multiple_of(groups.count) {
        let expected = format!("a divisor of num_experts = {experts}");
        return Err(Error::invalid("groups", expected, groups.count));
    }
    if groups.top == 0 || groups.top > groups.count {
        let expected = format!("1 to groups = {}", groups.count);
        return Err(Error::invalid("top_groups", expected, groups.top));
    }
    let candidates = groups.top * (experts / groups.count);
    if config.top_k > candidates {
        let noun = if groups.top == 1 { "group" } else { "groups" };
        let expected = format!("at most the {candidates} experts of {} {noun}", groups.top);
        return Err(Error::invalid("top_k", expected, config.top_k));
    }
    Ok(())
}

fn check_not_negative(argument: &'static str, value: f32) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(argument, "a finite number of at least 0", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(builder: RouterConfigBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn every_rejection_names_argument_expected_and_found() {
        let of = RouterConfig::builder;
        assert_eq!(message(of(0, 1)), "num_experts: expected at least 1, found 0");
        assert_eq!(message(of(8, 0)), "top_k: expected at least 1, found 0");
        assert_eq!(message(of(8, 9)), "top_k: expected at most num_experts = 8, found 9");
        let too_many = MAX_PLUS_ONE.to_string();
        assert!(message(of(MAX_PLUS_ONE, 1)).ends_with(&too_many));
        let grouped = |count, top| of(8, 3).groups(count, top, GroupScore::Max);
        assert_eq!(
            message(grouped(0, 1)),
            "groups: expected a divisor of num_experts = 8, found 0"
        );
        assert_eq!(
            message(grouped(3, 1)),
            "groups: expected a divisor of num_experts = 8, found 3"
        );
        assert_eq!(message(grouped(4, 0)), "top_groups: expected 1 to groups = 4, found 0");
        assert_eq!(message(grouped(4, 5)), "top_groups: expected 1 to groups = 4, found 5");
        let expected = "top_k: expected at most the 2 experts of 1 group, found 3";
        assert_eq!(message(grouped(4, 1)), expected);
        let expected = "top_k: expected at most the 2 experts of 2 groups, found 3";
        assert_eq!(message(grouped(8, 2)), expected);
        let tau = |tau_token, tau_expert| Score::PerturbedCosine { tau_token, tau_expert };
        let expected = "tau_token: expected a finite number of at least 0, found -1";
        assert_eq!(message(of(8, 2).score(tau(-1.0, 0.0))), expected);
        let expected = "tau_expert: expected a finite number of at least 0, found NaN";
        assert_eq!(message(of(8, 2).score(tau(0.0, f32::NAN))), expected);
        let expected = "scale: expected a finite number above 0, found 0";
        assert_eq!(message(of(8, 2).scale(0.0)), expected);
        let expected = "scale: expected a finite number above 0, found inf";
        assert_eq!(message(of(8, 2).scale(f32::INFINITY)), expected);
        let expected = "route_scale: expected a finite number of at least 0, found -0.5";
        assert_eq!(message(of(8, 2).route_scale(-0.5)), expected);
    }

    const MAX_PLUS_ONE: usize = super::super::MAX_EXPERTS + 1;

    #[test]
    fn the_ends_of_every_range_are_valid() {
        let tau = Score::PerturbedCosine { tau_token: 0.0, tau_expert: f32::MAX };
        let builder = RouterConfig::builder(8, 8).score(tau).route_scale(0.0);
        assert!(builder.clone().groups(1, 1, GroupScore::Max).build().is_ok());
        assert!(builder.clone().groups(8, 8, GroupScore::SumOfTopTwo).build().is_ok());
        assert!(builder.scale(f32::MIN_POSITIVE).build().is_ok());
        assert!(RouterConfig::builder(1, 1).build().is_ok());
    }
}
