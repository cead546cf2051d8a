//! Every option, with the help text it shows.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use cosmoe::{BiasPlacement, DropPolicy, Gate, GroupScore};

use super::values;
use crate::device::DeviceChoice;
use crate::names::ScoreName;
use crate::presets::Preset;

#[derive(Debug, Args)]
pub(crate) struct RouteCommand {
    /// Token file: `tokens` [T, D] F32, F16 or BF16, or the file's only tensor.
    #[arg(long, value_name = "F", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) tokens: Option<PathBuf>,
    /// Router file: `experts` [E, D], optional `bias` [E], `projection` [R, D] and
    /// `projection_bias` [R].
    #[arg(long, value_name = "F", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) router: Option<PathBuf>,
    /// Name of the tensor to take for `tokens`.
    #[arg(long, value_name = "NAME", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) tokens_tensor: Option<String>,
    /// Name of the tensor to take for `experts`.
    #[arg(long, value_name = "NAME", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) experts_tensor: Option<String>,
    /// Name of the tensor to take for `projection`.
    #[arg(long, value_name = "NAME", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) projection_tensor: Option<String>,
    /// Score function: linear, cosine, perturbed-cosine or laplace [default: perturbed-cosine].
    #[arg(long, value_name = "NAME", value_parser = values::score(), hide_possible_values = true, help_heading = "Score")]
    pub(crate) score: Option<ScoreName>,
    /// Added to the token's norm, at least 0; with perturbed-cosine only [default: 0].
    #[arg(long, value_name = "X", value_parser = values::not_negative, allow_hyphen_values = true,
        help_heading = "Score")]
    pub(crate) tau_token: Option<f32>,
    /// Added to the expert's norm, at least 0; with perturbed-cosine only [default: 1e-3].
    #[arg(long, value_name = "X", value_parser = values::not_negative, allow_hyphen_values = true,
        help_heading = "Score")]
    pub(crate) tau_expert: Option<f32>,
    /// Factor on the score, 1 / temperature, above 0 [default: 1].
    #[arg(long, value_name = "X", value_parser = values::above_zero, allow_hyphen_values = true,
        help_heading = "Score")]
    pub(crate) scale: Option<f32>,
    #[command(flatten)]
    pub(crate) selection: SelectionOptions,
    #[command(flatten)]
    pub(crate) plan: PlanOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    /// Also write `scores` F32 [T, E]: what selection read before any gate.
    #[arg(long, help_heading = "Device and output")]
    pub(crate) scores: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SelectCommand {
    /// Logit file: `logits` [T, E] F32, F16 or BF16, optional `bias` [E].
    #[arg(long, value_name = "F", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) logits: PathBuf,
    #[command(flatten)]
    pub(crate) selection: SelectionOptions,
    #[command(flatten)]
    pub(crate) plan: PlanOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PlanCommand {
    /// Id file: `expert_ids` I32 [T, K], optional `expert_weights` F32 [T, K], which --drop weight
    /// needs.
    #[arg(long, value_name = "F", help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) ids: PathBuf,
    /// Number of experts.
    #[arg(long, value_name = "E", value_parser = values::experts, allow_hyphen_values = true,
        help_heading = "Input (safetensors, or .npy in C order)")]
    pub(crate) experts: usize,
    #[command(flatten)]
    pub(crate) plan: PlanOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyCommand {
    /// Where to compute; auto takes a CUDA device if one answers [default: auto].
    #[arg(long, value_name = "auto|cpu|cuda|cuda:N", value_parser = values::device(), hide_possible_values = true)]
    pub(crate) device: Option<DeviceChoice>,
    /// More and larger cases: minutes, not seconds.
    #[arg(long)]
    pub(crate) full: bool,
    /// Cases of each operation [default: 300, with --full 1000].
    #[arg(long, value_name = "N", value_parser = values::cases, allow_hyphen_values = true)]
    pub(crate) cases: Option<u64>,
    /// Seed of the first case; those that follow it have the next ones.
    #[arg(long, value_name = "N", value_parser = values::seed, default_value = "0", allow_hyphen_values = true)]
    pub(crate) seed: u64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InfoCommand {
    /// File of tensors: safetensors, or .npy in C order [default: none].
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsCommand {
    /// bash, elvish, fish, powershell or zsh.
    #[arg(value_name = "SHELL", value_parser = values::shell(), hide_possible_values = true)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct SelectionOptions {
    /// Route as a published model does, such as deepseek-v3: sets the score (of route), top-k, gate,
    /// bias placement, route scale and groups. An option beside it overrides. `cosmoe info` lists
    /// the names [default: none].
    #[arg(long, value_name = "NAME", value_parser = values::preset(), hide_possible_values = true)]
    pub(crate) preset: Option<&'static Preset>,
    /// Experts per token, at least 1; required without a preset.
    #[arg(long, value_name = "K", value_parser = values::top_k, allow_hyphen_values = true,
        required_unless_present = "preset")]
    pub(crate) top_k: Option<usize>,
    /// How logits become weights: softmax-selected, softmax-all, softmax-all-renorm, sigmoid,
    /// sigmoid-renorm, sqrt-softplus, sqrt-softplus-renorm or identity [default: softmax-selected].
    #[arg(long, value_name = "NAME", value_parser = values::gate(), hide_possible_values = true)]
    pub(crate) gate: Option<Gate>,
    /// Where a bias acts: in-score, after-selection or selection-only [default: in-score].
    #[arg(long, value_name = "NAME", value_parser = values::bias_placement(), hide_possible_values = true)]
    pub(crate) bias_placement: Option<BiasPlacement>,
    /// Name of the tensor to take for `bias`.
    #[arg(long, value_name = "NAME")]
    pub(crate) bias_tensor: Option<String>,
    /// Factor on every weight, at least 0 [default: 1].
    #[arg(long, value_name = "X", value_parser = values::not_negative, allow_hyphen_values = true)]
    pub(crate) route_scale: Option<f32>,
    /// Split the experts into this many equal groups.
    #[arg(long, value_name = "G", value_parser = values::groups, allow_hyphen_values = true)]
    pub(crate) groups: Option<usize>,
    /// Groups that each token keeps, at most G.
    #[arg(long, value_name = "g", value_parser = values::groups, allow_hyphen_values = true)]
    pub(crate) top_groups: Option<usize>,
    /// How a group is scored: sum-of-top-two or max [default: sum-of-top-two].
    #[arg(long, value_name = "NAME", value_parser = values::group_score(), hide_possible_values = true)]
    pub(crate) group_score: Option<GroupScore>,
    /// Only the first N tokens are real, N clamped to T; the others get id -1 and weight 0
    /// [default: all].
    #[arg(long, value_name = "N", value_parser = values::num_tokens, allow_hyphen_values = true)]
    pub(crate) num_tokens: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
pub(crate) struct PlanOptions {
    /// Pad each expert's rows up to a multiple of N [default: 1].
    #[arg(long, value_name = "N", value_parser = values::align, allow_hyphen_values = true)]
    pub(crate) align: Option<usize>,
    /// Assignments that each expert takes [default: all].
    #[arg(long, value_name = "C", value_parser = values::capacity, allow_hyphen_values = true)]
    pub(crate) capacity: Option<usize>,
    /// Capacity as a multiple of T*K/E, rounded up.
    #[arg(long, value_name = "F", value_parser = values::capacity_factor,
        allow_hyphen_values = true)]
    pub(crate) capacity_factor: Option<f64>,
    /// Which assignments beyond the capacity go: the last by position, or the lowest by weight
    /// [default: position].
    #[arg(long, value_name = "position|weight", value_parser = values::drop_policy(), hide_possible_values = true)]
    pub(crate) drop: Option<DropPolicy>,
    /// Only experts from A to B - 1 get rows [default: all].
    #[arg(long, value_name = "A:B", value_parser = values::expert_window,
        allow_hyphen_values = true)]
    pub(crate) expert_window: Option<Range<usize>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Device and output")]
pub(crate) struct OutputOptions {
    /// Where to compute; auto takes a CUDA device if one answers [default: auto].
    #[arg(long, value_name = "auto|cpu|cuda|cuda:N", value_parser = values::device(), hide_possible_values = true)]
    pub(crate) device: Option<DeviceChoice>,
    /// Write the results to this safetensors file.
    #[arg(long, value_name = "F")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    pub(crate) json: bool,
}
