//! The dispatch plan: a stable counting sort of assignments by expert.

use crate::backend::{PlanArgs, PlanOut, stats};
use crate::chain::rank;
use crate::config::{DropPolicy, PlanConfig};

/// No row, no assignment, no expert.
const NONE: i32 = -1;

/// The expert of an id, if the plan serves it.
enum Target {
    Expert(usize),
    Invalid,
    Masked,
}

fn target(id: i32, window: &std::ops::Range<usize>) -> Target {
    match usize::try_from(id) {
        Ok(expert) if window.contains(&expert) => Target::Expert(expert),
        _ if id == NONE => Target::Masked,
        _ => Target::Invalid,
    }
}

/// Arguments have been checked: all sums below fit an i32, as `max_rows` does.
pub(super) fn plan(config: &PlanConfig, args: PlanArgs<'_>, out: PlanOut<'_>) {
    let top_k = args.ids.cols();
    // Rows without columns hold nothing to look at, however many there are.
    let tokens = if top_k == 0 { 0 } else { args.ids.rows() };
    let window = config.expert_window();
    let capacity = config.resolve_capacity(tokens, top_k).unwrap_or(usize::MAX);
    let capacity = i32::try_from(capacity).unwrap_or(i32::MAX);
    let demand = out.expert_demand.into_slice();
    let counts = out.expert_counts.into_slice();
    let offsets = out.expert_offsets.into_slice();
    let row_of_assignment = out.row_of_assignment.into_slice();
    let assignment_of_row = out.assignment_of_row.into_slice();

    demand.fill(0);
    let mut invalid = 0;
    for token in 0..tokens {
        for &id in args.ids.row(token) {
            match target(id, &window) {
                Target::Expert(expert) => demand[expert] += 1,
                Target::Invalid => invalid += 1,
                Target::Masked => {}
            }
        }
    }

    let mut dropped = 0;
    let mut rows = 0;
    for (expert, &demand) in demand.iter().enumerate() {
        let kept = demand.min(capacity);
        dropped += demand - kept;
        offsets[expert] = rows;
        // Align fits an i32, and max_rows bounds the padded sum.
        rows += (kept as usize).next_multiple_of(config.align()) as i32;
    }
    offsets[demand.len()] = rows;
    out.stats.into_slice().copy_from_slice(&{
        let mut all = [0; stats::LEN];
        all[stats::DROPPED] = dropped;
        all[stats::INVALID] = invalid;
        all
    });

    // row_of_assignment says who is out before it says where the others go.
    const KEPT: i32 = 0;
    row_of_assignment.fill(KEPT);
    let by_weight = config.drop_policy() == DropPolicy::Weight && dropped > 0;
    if let Some(weights) = args.weights.filter(|_| by_weight) {
        let weight = |a: i32| weights.row(a as usize / top_k)[a as usize % top_k];
        let lists = list_by_expert(&args, &window, demand, counts, assignment_of_row);
        for (list, &demand) in lists.zip(&*demand) {
            if demand > capacity {
                // The capacity's best first: by weight, then by lower assignment.
                let key = |&a: &i32| (std::cmp::Reverse(rank(weight(a))), a);
                let split = capacity as usize;
                list.select_nth_unstable_by_key(split, key);
                for &a in &list[split..] {
                    row_of_assignment[a as usize] = NONE;
                }
            }
        }
    }

    assignment_of_row.fill(NONE);
    counts.fill(0);
    let mut assignment = 0;
    for token in 0..tokens {
        for &id in args.ids.row(token) {
            let row = &mut row_of_assignment[assignment];
            match target(id, &window) {
                Target::Expert(expert) if *row == KEPT && counts[expert] < capacity => {
                    *row = offsets[expert] + counts[expert];
                    assignment_of_row[*row as usize] = assignment as i32;
                    counts[expert] += 1;
                }
                _ => *row = NONE,
            }
            assignment += 1;
        }
    }

    if let Some(blocks) = out.expert_of_block {
        let blocks = blocks.into_slice();
        blocks.fill(NONE);
        for (expert, segment) in offsets.windows(2).enumerate() {
            let block = |row: i32| row as usize / config.align();
            blocks[block(segment[0])..block(segment[1])].fill(expert as i32);
        }
    }
}

/// Lists each expert's assignments, ascending, in `lists` (as long as all assignments at least).
/// `cursors` holds one entry per expert.
fn list_by_expert<'a>(
    args: &PlanArgs<'_>,
    window: &std::ops::Range<usize>,
    demand: &'a [i32],
    cursors: &mut [i32],
    lists: &'a mut [i32],
) -> impl Iterator<Item = &'a mut [i32]> {
    let mut start = 0;
    for (cursor, &demand) in cursors.iter_mut().zip(demand) {
        *cursor = start;
        start += demand;
    }
    let mut assignment = 0;
    for token in 0..args.ids.rows() {
        for &id in args.ids.row(token) {
            if let Target::Expert(expert) = target(id, window) {
                lists[cursors[expert] as usize] = assignment;
                cursors[expert] += 1;
            }
            assignment += 1;
        }
    }
    let mut rest = lists;
    demand.iter().map(move |&demand| {
        let (list, tail) = std::mem::take(&mut rest).split_at_mut(demand as usize);
        rest = tail;
        list
    })
}
