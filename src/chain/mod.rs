//! The f32 chain from logits to weights, the same on every device.
//!
//! Every step is one IEEE round-to-nearest operation on f32: `+ - * /`, `sqrt`, and `fma` only
//! where it is written as `mul_add`. The transcendental functions are polynomials in that
//! arithmetic. So two devices that are given the same logits make the same ids and the same
//! weights, to the last bit.

mod functions;
pub(crate) mod gate;
mod groups;
mod order;
pub(crate) mod row;
mod sum;
mod top_k;

pub use functions::{exp, log1p, sigmoid, sqrt_softplus};
pub(crate) use order::rank;
pub use order::rank_key;
