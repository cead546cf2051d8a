//! Routers of published models by name.
//!
//! Numbers are those of each model's config.json, as copies of it give them; its repository on
//! huggingface.co is named above the entry. Gate and bias placement are those of the model's own code,
//! which reads that file.
//! Phi-3.5-MoE is not here: its router takes a softmax of its own for each choice, of the logits near
//! the best.

use cosmoe::{BiasPlacement, Gate, GroupScore};

use crate::names::ScoreName;

/// A model's router.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) experts: usize,
    pub(crate) hidden: usize,
    pub(crate) top_k: usize,
    pub(crate) score: ScoreName,
    pub(crate) gate: Gate,
    pub(crate) bias_placement: BiasPlacement,
    /// Whether the model's router has a bias.
    pub(crate) biased: bool,
    pub(crate) groups: Option<Groups>,
    pub(crate) route_scale: f32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups {
    pub(crate) count: usize,
    pub(crate) top: usize,
    pub(crate) score: GroupScore,
}

/// What most models have in common: products of the hidden state with the experts, softmax over the
/// selected, no groups, no factor. Models without a bias have the placement that a bias has by default.
const PLAIN: Preset = Preset {
    name: "",
    experts: 0,
    hidden: 0,
    top_k: 0,
    score: ScoreName::Linear,
    gate: Gate::SoftmaxSelected,
    bias_placement: BiasPlacement::InScore,
    biased: false,
    groups: None,
    route_scale: 1.0,
};

/// The router of DeepSeek-V3 without its groups and factor: weights are the sigmoids over their sum,
/// and a bias that keeps the load even (`e_score_correction_bias`) is added for selection only.
const BALANCED: Preset = Preset {
    gate: Gate::Sigmoid { renormalize: true },
    bias_placement: BiasPlacement::SelectionOnly,
    biased: true,
    ..PLAIN
};

pub(crate) const PRESETS: &[Preset] = &[
    // mistralai/Mixtral-8x7B-v0.1
    Preset { name: "mixtral-8x7b", experts: 8, hidden: 4096, top_k: 2, ..PLAIN },
    // mistralai/Mixtral-8x22B-v0.1
    Preset { name: "mixtral-8x22b", experts: 8, hidden: 6144, top_k: 2, ..PLAIN },
    // Qwen/Qwen3-30B-A3B: norm_topk_prob true
    Preset {
        name: "qwen3-30b-a3b",
        experts: 128,
        hidden: 2048,
        top_k: 8,
        gate: Gate::SoftmaxAll { renormalize: true },
        ..PLAIN
    },
    // Qwen/Qwen3-235B-A22B: norm_topk_prob true
    Preset {
        name: "qwen3-235b-a22b",
        experts: 128,
        hidden: 4096,
        top_k: 8,
        gate: Gate::SoftmaxAll { renormalize: true },
        ..PLAIN
    },
    // Qwen/Qwen1.5-MoE-A2.7B: norm_topk_prob false
    Preset {
        name: "qwen1.5-moe-a2.7b",
        experts: 60,
        hidden: 2048,
        top_k: 4,
        gate: Gate::SoftmaxAll { renormalize: false },
        ..PLAIN
    },
    // deepseek-ai/deepseek-moe-16b-base: scoring_func softmax, norm_topk_prob false
    Preset {
        name: "deepseek-moe-16b",
        experts: 64,
        hidden: 2048,
        top_k: 6,
        gate: Gate::SoftmaxAll { renormalize: false },
        ..PLAIN
    },
    // deepseek-ai/DeepSeek-V2-Lite: topk_method greedy, n_group 1, norm_topk_prob false,
    // routed_scaling_factor 1
    Preset {
        name: "deepseek-v2-lite",
        experts: 64,
        hidden: 2048,
        top_k: 6,
        gate: Gate::SoftmaxAll { renormalize: false },
        ..PLAIN
    },
    // deepseek-ai/DeepSeek-V3: topk_method noaux_tc, n_group 8, topk_group 4, norm_topk_prob true,
    // routed_scaling_factor 2.5. A group's score is the sum of its two best: inference/model.py of
    // github.com/deepseek-ai/DeepSeek-V3.
    Preset {
        name: "deepseek-v3",
        experts: 256,
        hidden: 7168,
        top_k: 8,
        groups: Some(Groups { count: 8, top: 4, score: GroupScore::SumOfTopTwo }),
        route_scale: 2.5,
        ..BALANCED
    },
    // zai-org/GLM-4.5: n_group 1, norm_topk_prob true, routed_scaling_factor 2.5
    Preset { name: "glm-4.5", experts: 160, hidden: 5120, top_k: 8, route_scale: 2.5, ..BALANCED },
    // moonshotai/Kimi-K2-Instruct: topk_method noaux_tc, n_group 1, norm_topk_prob true,
    // routed_scaling_factor 2.827
    Preset {
        name: "kimi-k2",
        experts: 384,
        hidden: 7168,
        top_k: 8,
        route_scale: 2.827,
        ..BALANCED
    },
    // allenai/OLMoE-1B-7B-0924: norm_topk_prob false
    Preset {
        name: "olmoe-1b-7b",
        experts: 64,
        hidden: 2048,
        top_k: 8,
        gate: Gate::SoftmaxAll { renormalize: false },
        ..PLAIN
    },
    // openai/gpt-oss-120b: experts_per_token 4; the router is a linear layer with a bias
    Preset { name: "gpt-oss-120b", experts: 128, hidden: 2880, top_k: 4, biased: true, ..PLAIN },
    // meta-llama/Llama-4-Maverick-17B-128E-Instruct: the sigmoid of the best logit, which the model
    // multiplies with the expert's input, not with its output
    Preset {
        name: "llama-4-maverick",
        experts: 128,
        hidden: 5120,
        top_k: 1,
        gate: Gate::Sigmoid { renormalize: false },
        ..PLAIN
    },
    // MiniMaxAI/MiniMax-M2: scoring_func sigmoid, use_routing_bias true
    Preset { name: "minimax-m2", experts: 256, hidden: 3072, top_k: 8, ..BALANCED },
];

/// How many near names the error of an unknown one lists.
const NEAREST: usize = 3;

pub(crate) fn parse(text: &str) -> Result<&'static Preset, String> {
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == text) {
        return Ok(preset);
    }
    let lower = text.to_lowercase();
    let mut near: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    // By what they share, beginnings above all: `deepseek` is nearer to its longer names than to a
    // short one of another family, though more letters are missing.
    let nearness = |name: &str| strsim::jaro_winkler(&lower, name);
    // Stable: equally near names stay in the table's order.
    near.sort_by(|a, b| nearness(b).total_cmp(&nearness(a)));
    near.truncate(NEAREST);
    let near = near.join(", ");
    Err(format!("expected a preset (nearest: {near}; all: cosmoe info), found {text:?}"))
}
