//! The dispatch plan: for every expert the list of its assignments, written down one after another.

use std::borrow::Cow;

use super::order::compare;
use crate::config::{Capacity, DropPolicy, PlanConfig};

/// A plan with its own memory. The fields mean what those of [`PlanOut`](crate::PlanOut) do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `[E]`.
    pub expert_demand: Vec<i32>,
    /// `[E]`.
    pub expert_counts: Vec<i32>,
    /// `[E + 1]`.
    pub expert_offsets: Vec<i32>,
    /// `[T*K]`.
    pub row_of_assignment: Vec<i32>,
    /// `[T*K + min(E, T*K) * (align - 1)]`.
    pub assignment_of_row: Vec<i32>,
    /// `[rows / align]`; none with align 1.
    pub expert_of_block: Option<Vec<i32>>,
    /// Valid assignments beyond their expert's capacity.
    pub dropped: i32,
    /// Ids outside the experts or the window; -1 is not counted.
    pub invalid: i32,
}

impl Plan {
    /// Every array by its name; `expert_of_block` is empty with align 1, `stats` are `dropped` and `invalid`.
    #[must_use]
    pub fn arrays(&self) -> [(&'static str, Cow<'_, [i32]>); 7] {
        [
            ("expert_demand", Cow::Borrowed(&self.expert_demand)),
            ("expert_counts", Cow::Borrowed(&self.expert_counts)),
            ("expert_offsets", Cow::Borrowed(&self.expert_offsets)),
            ("row_of_assignment", Cow::Borrowed(&self.row_of_assignment)),
            ("assignment_of_row", Cow::Borrowed(&self.assignment_of_row)),
            ("expert_of_block", Cow::Borrowed(self.expert_of_block.as_deref().unwrap_or_default())),
            ("stats", Cow::Owned(vec![self.dropped, self.invalid])),
        ]
    }
}

/// The plan of `ids`, `[T*K]` in row-major order. `weights` has the same shape and is read only where
/// assignments are dropped by weight.
#[must_use]
pub fn plan(config: &PlanConfig, ids: &[i32], weights: Option<&[f32]>) -> Plan {
    let (experts, align, window) = (config.num_experts(), config.align(), config.expert_window());
    let mut lists = vec![Vec::new(); experts];
    let mut invalid = 0;
    for (assignment, &id) in ids.iter().enumerate() {
        match usize::try_from(id) {
            Ok(expert) if window.contains(&expert) => lists[expert].push(assignment),
            _ if id == -1 => {}
            _ => invalid += 1,
        }
    }
    let demand: Vec<i32> = lists.iter().map(|list| list.len() as i32).collect();
    if let Some(capacity) = capacity(config, ids.len()) {
        for list in &mut lists {
            if let (DropPolicy::Weight, Some(weights)) = (config.drop_policy(), weights) {
                let weight = |a: usize| f64::from(weights[a]);
                list.sort_by(|&a, &b| compare(weight(a), weight(b)).then(a.cmp(&b)));
            }
            list.truncate(capacity);
            list.sort_unstable();
        }
    }

    let mut rows: Vec<i32> = Vec::new();
    let mut blocks: Vec<i32> = Vec::new();
    let mut offsets = vec![0];
    for (expert, list) in lists.iter().enumerate() {
        rows.extend(list.iter().map(|&a| a as i32));
        while !rows.len().is_multiple_of(align) {
            rows.push(-1);
        }
        blocks.resize(rows.len() / align, expert as i32);
        offsets.push(rows.len() as i32);
    }
    let mut row_of_assignment = vec![-1; ids.len()];
    for (row, &assignment) in rows.iter().enumerate() {
        if let Ok(assignment) = usize::try_from(assignment) {
            row_of_assignment[assignment] = row as i32;
        }
    }
    let max_rows = ids.len() + experts.min(ids.len()) * (align - 1);
    rows.resize(max_rows, -1);
    blocks.resize(max_rows / align, -1);
    let counts: Vec<i32> = lists.iter().map(|list| list.len() as i32).collect();
    Plan {
        dropped: demand.iter().sum::<i32>() - counts.iter().sum::<i32>(),
        expert_demand: demand,
        expert_counts: counts,
        expert_offsets: offsets,
        row_of_assignment,
        assignment_of_row: rows,
        expert_of_block: (align > 1).then_some(blocks),
        invalid,
    }
}

/// C, none if unlimited: given, or `ceil(T*K*F/E - 1e-9)`.
fn capacity(config: &PlanConfig, assignments: usize) -> Option<usize> {
    match config.capacity() {
        Capacity::Unlimited => None,
        Capacity::PerExpert(capacity) => Some(capacity),
        Capacity::Factor(factor) => {
            let share = assignments as f64 * factor / config.num_experts() as f64;
            Some((share - 1e-9).ceil() as usize)
        }
    }
}
