//! What is chosen: by an option, else by the preset, else by default.

use cosmoe::{BiasPlacement, Gate};

use super::options::{RouteCommand, SelectionOptions};
use crate::names::ScoreName;
use crate::presets::Groups;

impl RouteCommand {
    pub(crate) fn score(&self) -> ScoreName {
        let preset = self.selection.preset.map(|preset| preset.score);
        self.score.or(preset).unwrap_or(ScoreName::PerturbedCosine)
    }
}

impl SelectionOptions {
    pub(crate) fn top_k(&self) -> usize {
        // The parser sees to it that one of the two is there.
        self.top_k.or(self.preset.map(|preset| preset.top_k)).unwrap_or(1)
    }

    pub(crate) fn gate(&self) -> Gate {
        self.gate.or(self.preset.map(|preset| preset.gate)).unwrap_or_default()
    }

    pub(crate) fn bias_placement(&self) -> BiasPlacement {
        let preset = self.preset.map(|preset| preset.bias_placement);
        self.bias_placement.or(preset).unwrap_or_default()
    }

    pub(crate) fn route_scale(&self) -> f32 {
        self.route_scale.or(self.preset.map(|preset| preset.route_scale)).unwrap_or(1.0)
    }

    /// How many groups, and how many of them are kept.
    pub(crate) fn group_counts(&self) -> (Option<usize>, Option<usize>) {
        let preset = self.preset.and_then(|preset| preset.groups);
        let count = self.groups.or(preset.map(|groups| groups.count));
        (count, self.top_groups.or(preset.map(|groups| groups.top)))
    }

    pub(crate) fn groups(&self) -> Option<Groups> {
        let (Some(count), Some(top)) = self.group_counts() else {
            return None;
        };
        let preset = self.preset.and_then(|preset| preset.groups);
        let score = self.group_score.or(preset.map(|groups| groups.score)).unwrap_or_default();
        Some(Groups { count, top, score })
    }

    /// What the library's errors call each value that the preset alone has chosen, and what the user
    /// gave for it.
    pub(crate) fn preset_labels(&self) -> Vec<(&'static str, String)> {
        let Some(preset) = self.preset else {
            return Vec::new();
        };
        let given = [
            ("top_k", "--top-k", self.top_k.is_some()),
            ("groups", "--groups", self.groups.is_some()),
            ("top_groups", "--top-groups", self.top_groups.is_some()),
        ];
        let chosen = given.into_iter().filter(|(.., given)| !given);
        let label = |option| format!("--preset {}: {option}", preset.name);
        chosen.map(|(argument, option, _)| (argument, label(option))).collect()
    }
}
