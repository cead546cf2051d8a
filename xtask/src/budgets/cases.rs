//! What is counted: every kernel family and every tile, in shapes that are small enough to count in seconds.
//!
//! Not reached by `cosmoe bench`: projections, drop by weight, tokens and experts of two types.

/// Arguments of `cosmoe bench`.
pub(super) struct Case {
    /// All operations without it.
    pub(super) op: Option<&'static str>,
    pub(super) shape: &'static str,
    pub(super) dtype: &'static str,
    pub(super) policy: Option<&'static str>,
}

const fn all(shape: &'static str, dtype: &'static str) -> Case {
    Case { op: None, shape, dtype, policy: None }
}

const fn one(op: &'static str, shape: &'static str, dtype: &'static str) -> Case {
    Case { op: Some(op), shape, dtype, policy: None }
}

const fn laid_out(
    op: &'static str,
    shape: &'static str,
    dtype: &'static str,
    policy: &'static str,
) -> Case {
    Case { op: Some(op), shape, dtype, policy: Some(policy) }
}

/// More experts than any tile is wide, more tokens than it is tall, two units of D.
const TILED: &str = "96,2048,272,8";

pub(super) const CASES: [Case; 26] = [
    // All operations: rows aligned to 16, 8, 4 and 2 bytes.
    all("16,512,64,4", "bf16"),
    all("40,384,40,3", "f16"),
    all("40,384,40,3", "f32"),
    all("33,334,33,5", "f32"),
    all("33,334,33,5", "bf16"),
    all("33,333,33,5", "f16"),
    // Every tile, split and whole.
    laid_out("route", TILED, "bf16", "tile=16x16,split=yes"),
    laid_out("route", TILED, "bf16", "tile=16x16,split=no"),
    laid_out("route", TILED, "bf16", "tile=64x32,split=yes"),
    laid_out("route", TILED, "bf16", "tile=64x64,split=no"),
    laid_out("route", TILED, "bf16", "tile=64x128,split=yes"),
    laid_out("route", TILED, "f16", "tile=64x128,split=no"),
    laid_out("route", TILED, "bf16", "tile=64x256,split=no"),
    laid_out("route", TILED, "f16", "tile=64x256,split=yes"),
    laid_out("route", TILED, "f32", "tile=16x16,split=yes"),
    laid_out("route", TILED, "f32", "tile=32x32,split=no"),
    laid_out("route", TILED, "f32", "tile=64x64,split=yes"),
    // A selection of its own: by policy, and because of E.
    laid_out("route", TILED, "bf16", "tile=64x128,fused=no"),
    one("route", "40,1024,600,8", "bf16"),
    // What the library chooses for a decoder, and for two launches with a plan.
    one("route-and-plan", "64,7168,256,8", "bf16"),
    one("route-and-plan", "160,1024,256,8", "bf16"),
    // Selections by histogram: many of an expert's rivals, and many experts.
    one("select", "32,16,256,32", "bf16"),
    one("select", "16,16,2048,8", "f32"),
    one("plan", "4096,1,256,8", "f32"),
    laid_out("gather", "64,1024,16,4", "bf16", "lanes=16,vector=8,columns=4"),
    laid_out("combine", "64,1024,16,4", "f32", "lanes=64,vector=8,columns=2"),
];
