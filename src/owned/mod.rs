//! A convenience layer over [`Cpu`](crate::Cpu) that owns what the operations read and write.

mod plan;
mod router;

pub use plan::Plan;
pub use router::{Router, Routing};
