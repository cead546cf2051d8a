#![doc = include_str!("../README.md")]

mod error;
mod indices;
mod memory;
mod operations;
mod plan;
mod raw;
mod router;
mod routing;
mod tensor;

pub use cosmoe::{
    BiasPlacement, Capacity, DropPolicy, Gate, GroupScore, PlanConfig, PlanConfigBuilder,
    RouterConfig, RouterConfigBuilder, Score,
};
pub use error::{Error, Result};
pub use indices::as_u32;
pub use plan::Plan;
pub use router::{Padded, Router};
pub use routing::Routing;
