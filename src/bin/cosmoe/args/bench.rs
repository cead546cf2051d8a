//! The options of `cosmoe bench`.

use std::path::PathBuf;

use clap::Args;
use cosmoe::DType;

use super::values;
use crate::bench::{Op, PolicyOptions, Shape};
use crate::device::DeviceChoice;
use crate::presets::Preset;

#[derive(Debug, Args)]
pub(crate) struct BenchCommand {
    /// Operation: prepare, route, route-and-plan, select, plan, gather or combine [default: all].
    #[arg(long, value_name = "NAME", value_parser = values::op)]
    pub(crate) op: Option<Op>,
    /// Tokens, width, experts and top-k [default: routers of known models].
    #[arg(long, value_name = "T,D,E,K", value_parser = values::shape, allow_hyphen_values = true)]
    pub(crate) shape: Option<Shape>,
    /// The router of a published model, for 64 and 1024 tokens. `cosmoe info` lists the names [default: five of
    /// them].
    #[arg(long, value_name = "NAME", value_parser = values::preset(), hide_possible_values = true)]
    pub(crate) preset: Option<&'static Preset>,
    /// Type of tokens, experts and logits: f32, f16 or bf16 [default: bf16].
    #[arg(long, value_name = "NAME", value_parser = values::dtype)]
    dtype: Option<DType>,
    /// Layout of the work on a CUDA device, not as the library would choose: tile=TxE, split=yes|no,
    /// fused=yes|no for routes; lanes=N, vector=N, columns=N for gather and combine; several with
    /// commas between.
    #[arg(long, value_name = "KEY=VALUE,..", value_parser = PolicyOptions::parse)]
    pub(crate) policy: Option<PolicyOptions>,
    /// Time to repeat each operation of each shape for, five times at least [default: 0.25].
    #[arg(long, value_name = "X", value_parser = values::seconds, allow_hyphen_values = true)]
    seconds: Option<f64>,
    /// Where to compute; auto takes a CUDA device if one answers [default: auto].
    #[arg(long, value_name = "auto|cpu|cuda|cuda:N", value_parser = values::device(), hide_possible_values = true)]
    pub(crate) device: Option<DeviceChoice>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a roofline plot to this SVG file.
    #[arg(long, value_name = "F")]
    pub(crate) out_plot: Option<PathBuf>,
    /// This is the process whose launches are counted.
    #[arg(long, hide = true)]
    pub(crate) counting: bool,
    /// Take the path of a GPU on the emulated device, too: for tests. Its times are not shown.
    #[arg(long, hide = true)]
    pub(crate) timed: bool,
}

impl BenchCommand {
    pub(crate) fn dtype(&self) -> DType {
        self.dtype.unwrap_or(DType::BF16)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(crate::bench::SECONDS)
    }
}
