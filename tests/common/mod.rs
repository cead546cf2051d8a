//! What the integration tests share: inputs, a generic runner, comparisons.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod accumulation;
mod close;
mod input;
pub mod invariance;
mod plan;
pub mod plan_cases;
pub mod route_cases;
pub mod row_cases;
pub mod rows;
mod run;

pub use close::{assert_bits, assert_close};
pub use cosmoe::verify::{Matrix, Rng};
pub use input::{RouteInput, SelectInput, gates, placements, scores};
pub use plan::{PlanInput, PlanRunner, Planned, SENTINEL};
pub use run::{Options, Routed, Runner, Selected};
