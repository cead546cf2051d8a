//! The shapes that are measured where none is asked for: routers of models that people run.

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

/// Name, D, E, K: `hidden_size`, the number of routed experts and of experts a token, from the `config.json` of the
/// models' public repositories: mistralai/Mixtral-8x7B-v0.1, Qwen/Qwen3-235B-A22B, deepseek-ai/DeepSeek-V3,
/// zai-org/GLM-4.5, moonshotai/Kimi-K2-Instruct.
const MODELS: [(&str, usize, usize, usize); 5] = [
    ("Mixtral-8x7B", 4096, 8, 2),
    ("Qwen3-235B", 4096, 128, 8),
    ("GLM-4.5", 5120, 160, 8),
    ("DeepSeek-V3", 7168, 256, 8),
    ("Kimi-K2", 7168, 384, 8),
];

/// A batch of a decoder, and a slice of a prompt.
const TOKENS: [usize; 2] = [64, 1024];

pub(crate) fn defaults() -> Vec<Shape> {
    let shape = |tokens, (model, hidden, experts, top_k)| Shape {
        model: Some(model),
        tokens,
        hidden,
        experts,
        top_k,
    };
    TOKENS.iter().flat_map(|&tokens| MODELS.map(|model| shape(tokens, model))).collect()
}
