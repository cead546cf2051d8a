//! cosmoe's operations on tensors, the same code for every memory. What keeps storages in place or orders
//! streams is held until the call has been made.

mod dispatch;
mod plan;
mod route;
mod select;

use cosmoe::RouterConfig;

pub(crate) use dispatch::{combine, gather};
pub(crate) use plan::{Planned, plan};
pub(crate) use route::{Batch, route, route_and_plan, route_with_scores};
pub(crate) use select::select;

use crate::error::{self, Result};
use crate::tensor::{Entries, Rows};

/// What is the same for all tokens.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) config: RouterConfig,
    /// `[E, D]`, or `[E, R]` behind a projection.
    pub(crate) experts: Rows,
    /// `[E]`.
    pub(crate) bias: Option<Entries>,
    pub(crate) projection: Option<Projection>,
}

/// A linear map in front of the experts.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    /// `[R, D]`.
    pub(crate) weight: Rows,
    /// `[R]`.
    pub(crate) bias: Option<Entries>,
}

/// Elements of an output.
fn elements(argument: &'static str, rows: usize, cols: usize) -> Result<usize> {
    rows.checked_mul(cols).ok_or_else(|| error::size(argument, format!("[{rows}, {cols}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_sizes_do_not_wrap() {
        assert_eq!(elements("scores", 3, 5).unwrap(), 15);
        let expected = "scores: size not supported: expected a tensor that fits the address space, \
                        found [4294967296, 4294967296]";
        assert_eq!(elements("scores", 1 << 32, 1 << 32).unwrap_err().to_string(), expected);
    }
}
