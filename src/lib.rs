// README's links are to files beside it, which no page of the documentation has: these come first, and
// of two definitions of a link the first holds.
#![doc = "[ARCHITECTURE.md]: https://docs.rs/crate/cosmoe/latest/source/ARCHITECTURE.md"]
#![doc = "[docs/benchmarking.md]: https://docs.rs/crate/cosmoe/latest/source/docs/benchmarking.md"]
#![doc = "[docs/building.md]: https://docs.rs/crate/cosmoe/latest/source/docs/building.md"]
#![doc = "[docs/command-line.md]: https://docs.rs/crate/cosmoe/latest/source/docs/command-line.md"]
#![doc = "[docs/cuda.md]: https://docs.rs/crate/cosmoe/latest/source/docs/cuda.md"]
#![doc = "[docs/linking.md]: https://docs.rs/crate/cosmoe/latest/source/docs/linking.md"]
#![doc = "[docs/semantics.md]: https://docs.rs/crate/cosmoe/latest/source/docs/semantics.md"]
#![doc = "[docs/targets.md]: https://docs.rs/crate/cosmoe/latest/source/docs/targets.md"]
#![doc = "[docs/validation.md]: https://docs.rs/crate/cosmoe/latest/source/docs/validation.md"]
#![doc = "[Apache License, Version 2.0]: https://docs.rs/crate/cosmoe/latest/source/LICENSE-APACHE"]
#![doc = "[MIT license]: https://docs.rs/crate/cosmoe/latest/source/LICENSE-MIT"]
#![doc = ""]
#![doc = include_str!("../README.md")]

/// The programs of docs/linking.md are compiled, and run where they can be.
#[cfg(all(doctest, feature = "cuda"))]
#[doc = include_str!("../docs/linking.md")]
struct Linking;

pub mod chain;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod oracle;
pub mod verify;

mod backend;
mod config;
mod cpu;
mod element;
mod error;
mod owned;
mod simd;
mod view;

pub use backend::{
    Backend, CombineArgs, GatherArgs, HostWorkspace, PlanArgs, PlanOut, PlanShape, PrepareArgs,
    Prepared, Projection, RouteArgs, RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape,
    Workspace, WorkspaceSize, stats,
};
pub use config::{
    BiasPlacement, Capacity, DropPolicy, Gate, GroupScore, Groups, MAX_EXPERTS, PlanConfig,
    PlanConfigBuilder, RouterConfig, RouterConfigBuilder, Score,
};
pub use cpu::{Cpu, ExpertTerms};
pub use element::{DType, Element, Scalar};
pub use error::{Error, Result};
pub use owned::{Plan, Router, Routing};
pub use simd::SimdLevel;
#[cfg(feature = "cuda")]
pub use view::CudaSpace;
pub use view::{
    FloatMatrixRef, Host, MatrixMut, MatrixRef, RowChunksMut, Space, VectorMut, VectorRef,
};
