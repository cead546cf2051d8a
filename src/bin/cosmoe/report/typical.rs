//! The tokens that an expert stands for: of those whose first choice it is, the highest scores.

use crate::error::one_line;
use crate::input::TensorFile;

/// Labels kept per expert: more than a line shows.
const KEPT: usize = 12;

const KEY: &str = "token_labels";

/// The labels in a token file's metadata. Malformed ones give a warning, not an error: only the
/// table shows them.
pub(crate) fn read_labels(
    file: &TensorFile,
    tokens: usize,
    warnings: &mut Vec<String>,
) -> Option<Vec<String>> {
    let text = file.metadata(KEY)?;
    let found = match serde_json::from_str::<Vec<String>>(text) {
        Ok(labels) if labels.len() == tokens => return Some(labels),
        Ok(labels) => format!("{} strings", labels.len()),
        Err(error) => format!("\"{error}\""),
    };
    warnings.push(format!(
        "warning: {}: {KEY}: expected a JSON array of {tokens} strings, found {found}",
        file.name()
    ));
    None
}

/// The best labels of every expert so far.
pub(crate) struct Typical<'a> {
    labels: &'a [String],
    /// Score and label, best first, each label once.
    best: Vec<Vec<(f32, &'a str)>>,
}

impl<'a> Typical<'a> {
    pub(crate) fn new(labels: &'a [String], experts: usize) -> Self {
        Self { labels, best: vec![Vec::new(); experts] }
    }

    /// Takes in a slab of tokens from `first` on: their ids `[rows, top_k]`, their scores
    /// `[rows, experts]`.
    pub(crate) fn add(&mut self, first: usize, ids: &[i32], top_k: usize, scores: &[f32]) {
        let experts = self.best.len();
        let labels = self.labels.iter().skip(first);
        let rows = ids.chunks_exact(top_k).zip(scores.chunks_exact(experts));
        for ((ids, scores), label) in rows.zip(labels) {
            let Some(expert) = ids.first().and_then(|&id| usize::try_from(id).ok()) else {
                continue;
            };
            if let (Some(best), Some(&score)) = (self.best.get_mut(expert), scores.get(expert)) {
                insert(best, score, label);
            }
        }
    }

    pub(crate) fn into_lists(self) -> Vec<Vec<String>> {
        let list = |best: Vec<(f32, &str)>| best.iter().map(|(_, label)| one_line(label)).collect();
        self.best.into_iter().map(list).collect()
    }
}

/// Among equal scores the earlier token stays in front.
fn insert<'a>(best: &mut Vec<(f32, &'a str)>, score: f32, label: &'a str) {
    if score.is_nan() || best.len() == KEPT && best.last().is_some_and(|last| last.0 >= score) {
        return;
    }
    if let Some(place) = best.iter().position(|&(_, other)| other == label) {
        if best[place].0 >= score {
            return;
        }
        best.remove(place);
    }
    let place = best.partition_point(|&(other, _)| other >= score);
    best.insert(place, (score, label));
    best.truncate(KEPT);
}
