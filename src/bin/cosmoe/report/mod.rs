//! What a command tells the user about its result.

mod json;
mod object;
mod table;
mod typical;

use std::path::Path;

use cosmoe::{DType, RouterConfig, Score};

pub(crate) use json::json;
pub(crate) use object::{array, object, shortest, value};
pub(crate) use table::table;
pub(crate) use typical::{Typical, read_labels};

/// Of every JSON object. Names are only ever added; a change of meaning is a new number.
pub(crate) const SCHEMA: u32 = 1;

/// What is known beside the plan. `None` is what the command has not.
pub(crate) struct Facts<'a> {
    pub(crate) command: &'static str,
    pub(crate) dtype: Option<DType>,
    pub(crate) tokens: usize,
    pub(crate) real_tokens: Option<usize>,
    pub(crate) hidden: Option<usize>,
    pub(crate) top_k: usize,
    pub(crate) preset: Option<&'static str>,
    pub(crate) score: Option<Score>,
    pub(crate) config: Option<&'a RouterConfig>,
    pub(crate) bias: Option<bool>,
    /// Of the operation alone; the plan's, where that is the operation.
    pub(crate) seconds: Option<f64>,
    pub(crate) out: Option<&'a Path>,
    /// Per expert, the labels of its most typical tokens.
    pub(crate) typical: Option<Vec<Vec<String>>>,
    pub(crate) warnings: Vec<String>,
}

impl Facts<'_> {
    pub(crate) fn new(command: &'static str, tokens: usize, top_k: usize) -> Self {
        Self {
            command,
            dtype: None,
            tokens,
            real_tokens: None,
            hidden: None,
            top_k,
            preset: None,
            score: None,
            config: None,
            bias: None,
            seconds: None,
            out: None,
            typical: None,
            warnings: Vec::new(),
        }
    }
}

fn score_name(score: Score) -> Option<&'static str> {
    use crate::names::{SCORES, ScoreName};
    let name = match score {
        Score::Cosine => ScoreName::Cosine,
        Score::Laplace => ScoreName::Laplace,
        Score::Linear => ScoreName::Linear,
        Score::PerturbedCosine { .. } => ScoreName::PerturbedCosine,
        _ => return None,
    };
    SCORES.name(name)
}
