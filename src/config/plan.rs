//! The dispatch plan: alignment, capacity, drop policy, expert window.

use std::ops::Range;

use super::check_num_experts;
use crate::error::{Error, Result};

/// How many assignments an expert takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Capacity {
    /// `ceil(T*K*F/E - 1e-9)`, computed in f64, with T the row count of the ids. Finite, at least 0.
    Factor(f64),
    /// This many; 0 drops everything.
    PerExpert(usize),
    /// All of them.
    #[default]
    Unlimited,
}

/// Which assignments of an expert beyond its capacity are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DropPolicy {
    /// The highest assignment indices.
    #[default]
    Position,
    /// The lowest weights (NaN below all), among equal ones the highest assignment indices.
    Weight,
}

/// A checked plan configuration.
///
/// ```
/// use cosmoe::{Capacity, PlanConfig};
/// let config = PlanConfig::builder(64).align(16).capacity(Capacity::Factor(1.25)).build()?;
/// assert_eq!(config.resolve_capacity(1024, 2), Some(40));
/// # Ok::<(), cosmoe::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlanConfig {
    num_experts: usize,
    align: usize,
    capacity: Capacity,
    drop_policy: DropPolicy,
    expert_window: Option<Range<usize>>,
}

impl PlanConfig {
    /// Starts a plan over `num_experts` (E) experts. Defaults: align 1, unlimited capacity, drop by
    /// position, no window.
    pub fn builder(num_experts: usize) -> PlanConfigBuilder {
        PlanConfigBuilder {
            config: Self {
                num_experts,
                align: 1,
                capacity: Capacity::Unlimited,
                drop_policy: DropPolicy::Position,
                expert_window: None,
            },
        }
    }

    /// Number of experts, E.
    #[must_use]
    pub fn num_experts(&self) -> usize {
        self.num_experts
    }

    /// Every expert's segment is padded up to a multiple of this many rows.
    #[must_use]
    pub fn align(&self) -> usize {
        self.align
    }

    /// The capacity as configured.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Which assignments are dropped.
    #[must_use]
    pub fn drop_policy(&self) -> DropPolicy {
        self.drop_policy
    }

    /// The experts that get rows; all where there is no window.
    #[must_use]
    pub fn expert_window(&self) -> Range<usize> {
        self.expert_window.clone().unwrap_or(0..self.num_experts)
    }

    /// Assignments per expert for `[tokens, top_k]` ids, `None` for unlimited. A factor gives at most
    /// `i32::MAX`, the most that a plan can hold.
    #[must_use]
    pub fn resolve_capacity(&self, tokens: usize, top_k: usize) -> Option<usize> {
        match self.capacity {
            Capacity::Unlimited => None,
            Capacity::PerExpert(capacity) => Some(capacity),
            Capacity::Factor(factor) => {
                let assignments = tokens as f64 * top_k as f64;
                let capacity = (assignments * factor / self.num_experts as f64 - 1e-9).ceil();
                // No expert has more assignments than an i32 counts. The cast saturates.
                Some((capacity as usize).min(i32::MAX as usize))
            }
        }
    }

    /// Rows that the grouped buffer of `[tokens, top_k]` ids can need, and the length of
    /// `assignment_of_row`: `T*K + min(E, T*K) * (align - 1)`.
    ///
    /// # Errors
    /// [`Error::SizeNotSupported`] if that, or `T*K`, is more than `i32::MAX`.
    pub fn max_rows(&self, tokens: usize, top_k: usize) -> Result<usize> {
        let limit = i32::MAX as u128;
        let assignments = tokens as u128 * top_k as u128;
        if assignments > limit {
            let found = format!("{tokens} * {top_k} = {assignments}");
            return Err(Error::size("tokens * top_k", format!("at most {limit}"), found));
        }
        let padded = assignments.min(self.num_experts as u128) * (self.align as u128 - 1);
        let rows = assignments + padded;
        if rows > limit {
            return Err(Error::size("grouped rows", format!("at most {limit}"), rows));
        }
        Ok(rows as usize)
    }
}

/// Collects what [`PlanConfig::builder`] starts.
#[derive(Debug, Clone)]
#[must_use]
pub struct PlanConfigBuilder {
    config: PlanConfig,
}

impl PlanConfigBuilder {
    /// Pads every expert's segment up to a multiple of `align` rows; 1 pads nothing.
    pub fn align(mut self, align: usize) -> Self {
        self.config.align = align;
        self
    }

    /// Limits the assignments of each expert.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.config.capacity = capacity;
        self
    }

    /// Sets which assignments beyond the capacity are dropped.
    pub fn drop_policy(mut self, policy: DropPolicy) -> Self {
        self.config.drop_policy = policy;
        self
    }

    /// Gives rows only to the experts `window`: those of this rank. Ids outside count as invalid.
    pub fn expert_window(mut self, window: Range<usize>) -> Self {
        self.config.expert_window = Some(window);
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the first parameter that is out of its range,
    /// [`Error::SizeNotSupported`] for more than [`MAX_EXPERTS`](super::MAX_EXPERTS) experts.
    pub fn build(self) -> Result<PlanConfig> {
        let config = self.config;
        check_num_experts(config.num_experts)?;
        if config.align == 0 || config.align > i32::MAX as usize {
            let expected = format!("1 to {}", i32::MAX);
            return Err(Error::invalid("align", expected, config.align));
        }
        if let Capacity::Factor(factor) = config.capacity
            && !(factor.is_finite() && factor >= 0.0)
        {
            let expected = "a finite number of at least 0";
            return Err(Error::invalid("capacity_factor", expected, factor));
        }
        if let Some(window) = &config.expert_window
            && (window.start > window.end || window.end > config.num_experts)
        {
            let expected = format!("A..B with A <= B <= num_experts = {}", config.num_experts);
            let found = format!("{}..{}", window.start, window.end);
            return Err(Error::invalid("expert_window", expected, found));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(builder: PlanConfigBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn every_rejection_names_argument_expected_and_found() {
        let of = PlanConfig::builder;
        assert_eq!(message(of(0)), "num_experts: expected at least 1, found 0");
        assert_eq!(message(of(8).align(0)), "align: expected 1 to 2147483647, found 0");
        let expected = "capacity_factor: expected a finite number of at least 0, found -1";
        assert_eq!(message(of(8).capacity(Capacity::Factor(-1.0))), expected);
        let expected = "capacity_factor: expected a finite number of at least 0, found NaN";
        assert_eq!(message(of(8).capacity(Capacity::Factor(f64::NAN))), expected);
        let expected = "expert_window: expected A..B with A <= B <= num_experts = 8, found 2..9";
        assert_eq!(message(of(8).expert_window(2..9)), expected);
        let reversed = Range { start: 3, end: 2 };
        assert!(message(of(8).expert_window(reversed)).ends_with("found 3..2"));
    }

    #[test]
    fn the_factor_rounds_up_after_the_slack() {
        let capacity = |tokens, top_k, experts, factor| {
            let config = PlanConfig::builder(experts).capacity(Capacity::Factor(factor));
            config.build().unwrap().resolve_capacity(tokens, top_k)
        };
        assert_eq!(capacity(10, 1, 4, 1.0), Some(3));
        assert_eq!(capacity(8, 1, 4, 1.0), Some(2));
        // 100 * 1.1 / 10 is 11.000000000000002 in f64: the slack keeps it at 11.
        assert_eq!(capacity(100, 1, 10, 1.1), Some(11));
        assert_eq!(capacity(100, 1, 10, 0.0), Some(0));
        assert_eq!(capacity(100, 1, 10, f64::MAX), Some(i32::MAX as usize));
        assert_eq!(capacity(0, 2, 4, 1.0), Some(0));
    }

    #[test]
    fn row_counts_beyond_i32_are_refused() {
        let config = PlanConfig::builder(4).align(8).build().unwrap();
        assert_eq!(config.max_rows(3, 1), Ok(3 + 3 * 7));
        assert_eq!(config.max_rows(100, 2), Ok(200 + 4 * 7));
        assert_eq!(config.max_rows(0, 2), Ok(0));
        assert!(config.max_rows(i32::MAX as usize, 1).is_err());
        assert!(config.max_rows(usize::MAX, usize::MAX).is_err());
        let config = PlanConfig::builder(4).build().unwrap();
        assert_eq!(config.max_rows(i32::MAX as usize, 1), Ok(i32::MAX as usize));
    }
}
