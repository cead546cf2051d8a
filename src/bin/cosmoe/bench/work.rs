//! What an operation has to do, from the shape alone: bytes that any implementation reads and writes once, and
//! arithmetic that its result is defined by.
//!
//! s is the size of an element; ids, weights and maps take 4 bytes each.
//!
//! | operation | reads | writes | flops |
//! | --- | --- | --- | --- |
//! | prepare | s E D | 8 E | 2 E D |
//! | route | s (T + E) D + 8 E | 8 T K | 2 T E D + 2 T D |
//! | route-and-plan | as route | 8 T K + plan's | as route |
//! | select | s T E | 8 T K | 0 |
//! | plan | 4 T K | 4 (3 E + 3 + 2 T K) | 0 |
//! | gather | s T D + 4 T K | s T K D | 0 |
//! | combine | s T K D + 8 T K | s T D | 2 T K D |
//!
//! 8 E is an expert's term and its scale; 2 T D are the tokens' squares. Comparisons, exponentials and the arithmetic of
//! indices count nothing.

use cosmoe::DType;

use super::op::Op;
use super::shapes::Shape;

/// Bytes and floating-point operations; a fused multiply-add is two of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) read: u64,
    pub(super) written: u64,
    pub(super) flops: u64,
}

impl Work {
    pub(super) fn of(op: Op, shape: &Shape, dtype: DType) -> Self {
        let [t, d, e, k] =
            [shape.tokens, shape.hidden, shape.experts, shape.top_k].map(|extent| extent as u64);
        let s = dtype.size() as u64;
        let plan = 4 * (3 * e + 3 + 2 * t * k);
        let route = Self {
            read: s * (t + e) * d + 8 * e,
            written: 8 * t * k,
            flops: 2 * t * e * d + 2 * t * d,
        };
        match op {
            Op::Prepare => Self { read: s * e * d, written: 8 * e, flops: 2 * e * d },
            Op::Route => route,
            Op::RouteAndPlan => Self { written: route.written + plan, ..route },
            Op::Select => Self { read: s * t * e, written: 8 * t * k, flops: 0 },
            Op::Plan => Self { read: 4 * t * k, written: plan, flops: 0 },
            Op::Gather => Self { read: s * t * d + 4 * t * k, written: s * t * k * d, flops: 0 },
            Op::Combine => {
                Self { read: s * t * k * d + 8 * t * k, written: s * t * d, flops: 2 * t * k * d }
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.read + self.written
    }

    /// Flops a byte; none where there is no arithmetic.
    pub(super) fn intensity(&self) -> Option<f64> {
        (self.flops > 0).then(|| self.flops as f64 / self.bytes() as f64)
    }
}
