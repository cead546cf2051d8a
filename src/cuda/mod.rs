//! The CUDA backend: [`Cuda`] beside [`Cpu`](crate::Cpu).
//!
//! Results are the CPU's to the bit (NaN is NaN), except the scores of `route`, which tensor cores sum in
//! their own way: they keep the same bounds.
//!
//! ```no_run
//! use cosmoe::cuda::{Buffer, Cuda};
//! use cosmoe::{Backend, GatherArgs};
//! let cuda = Cuda::new(0)?;
//! let tokens = Buffer::new(&cuda, &[1.0_f32, 2.0, 3.0, 4.0])?; // [2, 2]
//! let map = Buffer::new(&cuda, &[1, -1, 0])?;
//! let mut grouped = Buffer::new(&cuda, &[0.0_f32; 6])?; // [3, 2]
//! let args = GatherArgs {
//!     tokens: tokens.matrix(0, (2, 2), 2)?,
//!     assignment_of_row: map.vector(0..3)?,
//!     top_k: 1,
//! };
//! cuda.gather(args, grouped.matrix_mut(0, (3, 2), 2)?)?;
//! assert_eq!(grouped.read()?, [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
//! # Ok::<(), cosmoe::Error>(())
//! ```
//!
//! Engines have streams and memory of their own: [`Cuda::from_raw`] takes any stream, the views'
//! `from_raw_parts` any memory, [`interop`] cudarc's. Programs whose data is on the host have [`Staged`].

mod backend;
mod buffer;
mod combine;
mod devices;
mod driver;
mod gather;
pub mod interop;
mod params;
mod plan;
mod policy;
mod prepare;
mod registry;
mod route;
mod select;
mod staged;
mod workspace;

pub use backend::Cuda;
pub use buffer::Buffer;
pub use devices::{Device, devices, driver_version};
pub use policy::{RowPolicy, ScorePolicy};
pub use prepare::ExpertTerms;
pub use registry::{Build, Kernel};
pub use staged::{Staged, StagedTerms};
pub use workspace::StreamWorkspace;

use crate::error::{Error, Result};

/// The kernels of this build, file by file; none without a CUDA compiler.
pub fn kernels() -> impl Iterator<Item = &'static Kernel> {
    registry::MODULES.iter().flat_map(|module| module.kernels)
}

/// The version of the CUDA compiler that built them.
#[must_use]
pub fn compiler_version() -> Option<&'static str> {
    registry::NVCC_VERSION
}

/// The architectures that they have machine code for (80 is sm_80), ascending; later ones compile the
/// PTX when it is loaded.
#[must_use]
pub fn architectures() -> &'static [u32] {
    registry::MODULES.first().map_or(&[], |module| module.archs)
}

/// The PTX that all machine code was made from, for tools that read it: the name of each file of
/// `kernels/` and its text.
pub fn ptx() -> impl Iterator<Item = (&'static str, &'static str)> {
    registry::MODULES.iter().map(|module| (module.name, module.ptx()))
}

/// Whether there are any.
fn built() -> Result<()> {
    if registry::MODULES.is_empty() { Err(Error::KernelsNotBuilt) } else { Ok(()) }
}
