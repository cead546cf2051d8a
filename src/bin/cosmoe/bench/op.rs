//! The operations that can be measured.

use crate::names::OPS;

/// An operation of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// The experts' terms, into memory that is there: what `refresh` does. On a device `prepare` allocates, too.
    Prepare,
    Route,
    RouteAndPlan,
    Select,
    Plan,
    Gather,
    Combine,
}

impl Op {
    /// In the order of a layer's work.
    pub(crate) const ALL: [Self; 7] = [
        Self::Prepare,
        Self::Route,
        Self::RouteAndPlan,
        Self::Select,
        Self::Plan,
        Self::Gather,
        Self::Combine,
    ];

    pub(crate) fn name(self) -> &'static str {
        // Every operation is listed.
        OPS.name(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name() {
        for op in Op::ALL {
            assert_eq!(OPS.parse(op.name()), Ok(op));
        }
    }
}
