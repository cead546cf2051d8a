//! The shapes that are measured where none is asked for: routers of models that people run.

use crate::presets::{PRESETS, Preset};

/// T tokens of width D, E experts of which each token selects K.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Whose D, E and K these are.
    pub(crate) model: Option<&'static str>,
    pub(crate) tokens: usize,
    pub(crate) hidden: usize,
    pub(crate) experts: usize,
    pub(crate) top_k: usize,
}

impl Shape {
    /// As `--shape` takes it.
    pub(crate) fn label(&self) -> String {
        let Self { tokens, hidden, experts, top_k, .. } = self;
        format!("{tokens},{hidden},{experts},{top_k}")
    }

    pub(crate) fn assignments(&self) -> usize {
        self.tokens * self.top_k
    }
}

/// The models whose routers are measured, of all presets: few and many experts, narrow and wide.
const MODELS: [&str; 5] = ["mixtral-8x7b", "qwen3-235b-a22b", "glm-4.5", "deepseek-v3", "kimi-k2"];

/// A batch of a decoder, and a slice of a prompt.
const TOKENS: [usize; 2] = [64, 1024];

/// Of a preset, or of the models above.
pub(crate) fn of(preset: Option<&'static Preset>) -> Vec<Shape> {
    let models: Vec<&Preset> = match preset {
        Some(preset) => vec![preset],
        None => PRESETS.iter().filter(|preset| MODELS.contains(&preset.name)).collect(),
    };
    let shape = |tokens, model: &'static Preset| Shape {
        model: Some(model.name),
        tokens,
        hidden: model.hidden,
        experts: model.experts,
        top_k: model.top_k,
    };
    TOKENS.iter().flat_map(|&tokens| models.iter().map(move |model| shape(tokens, model))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_a_preset() {
        assert_eq!(of(None).len(), MODELS.len() * TOKENS.len());
    }
}
