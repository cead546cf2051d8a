//! Times of repeated calls, and what they come to.

use std::time::{Duration, Instant};

/// Repeats are at least so many, however long they take.
const LEAST: usize = 5;

/// At most so many: more would say nothing new.
const MOST: usize = 20_000;

/// Seconds of one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) repeats: usize,
    pub(super) min: f64,
    pub(super) p10: f64,
    pub(super) median: f64,
    pub(super) p90: f64,
}

impl Spread {
    /// Of at least one time.
    pub(super) fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_unstable_by(f64::total_cmp);
        let last = seconds.len().saturating_sub(1) as f64;
        let at = |share: f64| {
            let position = share * last;
            let (below, above) = (position.floor(), position.ceil());
            let value = |index: f64| seconds.get(index as usize).copied().unwrap_or(f64::NAN);
            value(below) + (value(above) - value(below)) * (position - below)
        };
        Self { repeats: seconds.len(), min: at(0.0), p10: at(0.1), median: at(0.5), p90: at(0.9) }
    }
}

/// Takes samples until `budget` is over.
pub(super) fn repeat<E>(
    budget: Duration,
    mut sample: impl FnMut() -> Result<f64, E>,
) -> Result<Spread, E> {
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < LEAST || (start.elapsed() < budget && seconds.len() < MOST) {
        seconds.push(sample()?);
    }
    Ok(Spread::of(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_between_the_samples() {
        let spread = Spread::of((0..=100).rev().map(f64::from).collect());
        assert_eq!((spread.min, spread.p10, spread.median, spread.p90), (0.0, 10.0, 50.0, 90.0));
        let two = Spread::of(vec![3.0, 1.0]);
        assert_eq!((two.min, two.median, two.repeats), (1.0, 2.0, 2));
    }

    #[test]
    fn five_samples_are_taken_without_any_time() {
        let spread = repeat(Duration::ZERO, || Ok::<_, ()>(1.0));
        assert_eq!(spread.map(|spread| spread.repeats), Ok(5));
        assert_eq!(repeat(Duration::ZERO, || Err(7)), Err(7));
    }
}
