//! What a run of [`verify`](super) found.

use super::{Mismatch, Worst};

/// An operation that is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Scores, ids and weights of routes, within their bounds; the same bits again, without scores, and in
    /// another batch; what `refresh` makes is what `prepare` makes.
    Route,
    /// Ids, weights and plans of `route_and_plan`, to the last bit those of the two calls.
    RouteAndPlan,
    /// Ids and weights given logits, within their bounds and to the last bit the CPU's.
    Select,
    /// Plans, to the last element the oracle's.
    Plan,
    /// Gathered rows, exact.
    Gather,
    /// Combined rows, to the last bit.
    Combine,
}

impl Op {
    /// All of them, in the order in which they are run.
    pub const ALL: [Self; 6] =
        [Self::Route, Self::RouteAndPlan, Self::Select, Self::Plan, Self::Gather, Self::Combine];

    /// As the backend's method is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::RouteAndPlan => "route_and_plan",
            Self::Select => "select",
            Self::Plan => "plan",
            Self::Gather => "gather",
            Self::Combine => "combine",
        }
    }
}

/// What was found of one operation.
#[derive(Debug, Clone)]
pub struct OpReport {
    /// Which.
    pub op: Op,
    /// Cases run.
    pub cases: u64,
    /// Cases with a mismatch.
    pub wrong: u64,
    /// The largest errors in units of their bounds, of cases without a mismatch, and numbers compared.
    pub worst: Worst,
    /// The first mismatch.
    pub first: Option<Mismatch>,
}

impl OpReport {
    pub(super) fn new(op: Op) -> Self {
        Self { op, cases: 0, wrong: 0, worst: Worst::default(), first: None }
    }

    pub(super) fn add(&mut self, outcome: Result<Worst, Box<Mismatch>>) {
        self.cases += 1;
        match outcome {
            Ok(worst) => self.worst = self.worst.and(worst),
            Err(mismatch) => {
                self.wrong += 1;
                self.first.get_or_insert(*mismatch);
            }
        }
    }
}

/// What was found of all operations.
#[derive(Debug, Clone)]
pub struct Report {
    /// One for each, in the order of [`Op::ALL`].
    pub ops: Vec<OpReport>,
}

impl Report {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.ops.iter().all(|op| op.wrong == 0)
    }

    /// The first mismatch.
    #[must_use]
    pub fn first(&self) -> Option<&Mismatch> {
        self.ops.iter().find_map(|op| op.first.as_ref())
    }
}
