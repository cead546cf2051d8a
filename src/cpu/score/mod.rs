//! Products of every token with every expert, and the logits they give.
//!
//! Tokens are widened to f32 a tile at a time and multiplied with experts transposed into panels,
//! so that a vector holds one element of several experts. Each (token, expert) pair has its own
//! chain of fused multiply-adds whose order [`order`] fixes, so tiles, threads and vector widths
//! change speed and nothing else.

pub(crate) mod kernel;
pub(crate) mod metric;
pub(crate) mod order;
pub(crate) mod pack;
pub(crate) mod product;
pub(crate) mod tile;
