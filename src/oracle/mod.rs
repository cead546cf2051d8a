//! The reference in f64: every formula of the router as it is written, one token row at a time.
//!
//! It shares no code with the backends, is slow, allocates, and reads like the mathematics, so that
//! a result can be checked against something a person can check. Rows come in as `&[f64]`; [`widen`]
//! makes them from any element type without loss.
//!
//! | step | function |
//! | --- | --- |
//! | x is P x + p | [`project`] |
//! | s from x and w | [`score`] |
//! | z = scale * s | [`logits`] |
//! | u, what the order compares | [`selection_scores`] |
//! | candidates of the best groups | [`group_scores`], [`kept_groups`], [`candidates`] |
//! | the K best | [`top_k`] |
//! | their weights | [`weights`] |
//! | all of it | [`select`] from logits, [`route`] from rows |
//! | how far a backend may be away | [`logit_bound`], [`weight_bound`], [`selection_margin`], [`group_margin`] |
//! | the dispatch plan | [`plan`] |
//! | rows to experts and back | [`gather`], [`combine`] |
//!
//! Magnitudes beyond f32's range become infinities, as they do in the f32 chain. Nothing else is
//! rounded to f32. Functions panic on slices whose lengths do not fit together.
//!
//! Sources: perturbed cosine arXiv 2405.14131; bias after selection arXiv 2309.13850; bias for
//! selection only, groups and the sum of the two best arXiv 2412.19437 (DeepSeek-V3); Laplace
//! arXiv 2402.03226 (FuseMoE).
//!
//! ```
//! use cosmoe::{RouterConfig, Score, oracle};
//! let score = Score::PerturbedCosine { tau_token: 0.1, tau_expert: 0.1 };
//! let config = RouterConfig::builder(4, 2).score(score).build()?;
//! let experts = [[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0], [0.6, 0.8]];
//! let row = oracle::route(&config, &[3.0, 4.0], &experts, None);
//! assert_eq!(row.ids, [3, 1]);
//! assert!((row.logits[3] - 0.891266).abs() < 1e-6);
//! # Ok::<(), cosmoe::Error>(())
//! ```
#![forbid(unsafe_code)]

mod bounds;
mod gate;
mod groups;
mod number;
mod order;
mod plan;
mod route;
mod rows;
mod score;
mod selection;

pub use bounds::{
    accumulation_dtype, group_margin, laplace_square_bound, logit_bound, projection_bound,
    relative_bound, selection_margin, weight_bound,
};
pub use gate::{gate_value, softmax, weights};
pub use groups::{candidates, group_scores, kept_groups};
pub use number::{f32_range, widen};
pub use order::{compare, top_k};
pub use plan::{Plan, plan};
pub use route::{Row, route, select};
pub use rows::{combine, gather};
pub use score::{dot, logits, norm, project, score};
pub use selection::{gate_logits, selection_scores};
