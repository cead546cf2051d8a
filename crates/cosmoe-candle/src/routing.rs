//! What a route answers.

use candle_core::Tensor;

/// The experts of each token and their weights, best first: for tokens `[.., D]` both are `[.., K]`.
///
/// Tensors of no graph: gradients do not flow through them.
#[derive(Debug, Clone)]
pub struct Routing {
    /// Expert ids, `i32`; -1 is a masked token's. [`as_u32`](crate::as_u32) makes what candle indexes with.
    pub ids: Tensor,
    /// Their weights, `f32`; 0 is a masked token's.
    pub weights: Tensor,
}
