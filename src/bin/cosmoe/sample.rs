//! The sample data, part of the program so that it has something to show without any file.

/// Hidden states of a sentence encoder, with the wordpieces as labels.
pub(crate) const TOKENS: &[u8] = include_bytes!("../../../data/sample_tokens.safetensors");

/// Sixteen experts: centroids of those states.
pub(crate) const ROUTER: &[u8] = include_bytes!("../../../data/sample_router.safetensors");

/// What the two are.
pub(crate) const DESCRIPTION: &str = "all-MiniLM-L6-v2 states of public-domain English, 16 experts";

/// What messages call the two.
pub(crate) const TOKENS_NAME: &str = "sample tokens";
pub(crate) const ROUTER_NAME: &str = "sample router";
