//! What to compute: configurations that are checked once and cannot be invalid afterwards.

mod plan;
mod router;
mod terms;

pub use plan::{Capacity, DropPolicy, PlanConfig, PlanConfigBuilder};
pub use router::{Groups, RouterConfig, RouterConfigBuilder};
pub use terms::{BiasPlacement, Gate, GroupScore, Score};

use crate::error::{Error, Result};

/// Expert ids are i32 and -1 means none, so this many experts can be told apart.
pub const MAX_EXPERTS: usize = i32::MAX as usize;

fn check_num_experts(num_experts: usize) -> Result<()> {
    if num_experts == 0 {
        return Err(Error::invalid("num_experts", "at least 1", num_experts));
    }
    if num_experts > MAX_EXPERTS {
        return Err(Error::size("num_experts", format!("at most {MAX_EXPERTS}"), num_experts));
    }
    Ok(())
}
