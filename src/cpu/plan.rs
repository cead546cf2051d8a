//! The dispatch plan: a stable counting sort of assignments by expert.

use crate::backend::{PlanArgs, PlanOut, stats};
use crate::chain::rank;
use crate::config::{DropPolicy, PlanConfig};
use crate::view::MatrixRef;

/// No row, no assignment, no expert.
const NONE: i32 = -1;

/// The experts that get rows.
#[derive(Clone, Copy)]
struct Window {
    start: u32,
    len: u32,
}

impl Window {
    fn new(config: &PlanConfig) -> Self {
        // Experts fit an i32.
        let window = config.expert_window();
        Self { start: window.start as u32, len: window.len() as u32 }
    }

    /// The expert of an id, if it is in the window: negative ids are large as u32.
    #[inline]
    fn expert(self, id: i32) -> Option<usize> {
        let id = id as u32;
        (id.wrapping_sub(self.start) < self.len).then_some(id as usize)
    }
}

/// Calls `visit` with each assignment, ascending, and its id.
#[inline]
fn for_each(ids: MatrixRef<'_, i32>, mut visit: impl FnMut(usize, i32)) {
    // Rows without columns hold nothing to look at, however many there are.
    if ids.cols() == 0 {
        return;
    }
    let ids = ids.flattened();
    for row in 0..ids.rows() {
        let first = row * ids.cols();
        for (k, &id) in ids.row(row).iter().enumerate() {
            visit(first + k, id);
        }
    }
}

/// Arguments have been checked: all sums below fit an i32, as `max_rows` does.
pub(super) fn plan(config: &PlanConfig, args: PlanArgs<'_>, out: PlanOut<'_>) {
    let (tokens, top_k) = (args.ids.rows(), args.ids.cols());
    let window = Window::new(config);
    let capacity = config.resolve_capacity(tokens, top_k).unwrap_or(usize::MAX);
    let capacity = i32::try_from(capacity).unwrap_or(i32::MAX);
    let demand = out.expert_demand.into_slice();
    let counts = out.expert_counts.into_slice();
    let offsets = out.expert_offsets.into_slice();
    let row_of_assignment = out.row_of_assignment.into_slice();
    let assignment_of_row = out.assignment_of_row.into_slice();

    demand.fill(0);
    let mut invalid = 0;
    for_each(args.ids, |_, id| match window.expert(id) {
        Some(expert) => demand[expert] += 1,
        None => invalid += i32::from(id != NONE),
    });

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
    let stats = out.stats.into_slice();
    stats[stats::DROPPED] = dropped;
    stats[stats::INVALID] = invalid;

    let by_weight = config.drop_policy() == DropPolicy::Weight && dropped > 0;
    let weights = args.weights.filter(|_| by_weight);
    if let Some(weights) = weights {
        row_of_assignment.fill(KEPT);
        let weight = |a: i32| weights.row(a as usize / top_k)[a as usize % top_k];
        let lists = list_by_expert(&args, window, demand, counts, assignment_of_row);
        for (list, &demand) in lists.zip(&*demand) {
            if demand > capacity {
                // The capacity's best first: by weight, then by lower assignment.
                let key = |&a: &i32| (std::cmp::Reverse(rank(weight(a))), a);
                let split = capacity as usize;
                list.select_nth_unstable_by_key(split, key);
                for &a in &list[split..] {
                    row_of_assignment[a as usize] = DROPPED;
                }
            }
        }
    }

    assignment_of_row.fill(NONE);
    // Counts are next rows until all are given out.
    counts.copy_from_slice(&offsets[..counts.len()]);
    let rows = Rows { window, offsets, counts, row_of_assignment, assignment_of_row };
    if dropped == 0 {
        rows.assign(args.ids, |_, _, _| true);
    } else if weights.is_some() {
        rows.assign(args.ids, |_, _, mark| mark == KEPT);
    } else {
        rows.assign(args.ids, |next, first, _| next - first < capacity);
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

/// Marks in `row_of_assignment` until rows are given out.
const KEPT: i32 = 0;
const DROPPED: i32 = 1;

/// Where rows are given out.
struct Rows<'a> {
    window: Window,
    offsets: &'a [i32],
    /// The next row of each expert; in the end, how many it got.
    counts: &'a mut [i32],
    row_of_assignment: &'a mut [i32],
    assignment_of_row: &'a mut [i32],
}

impl Rows<'_> {
    /// Gives each valid assignment, ascending, the next row of its expert, if `has_row` of that
    /// row, the expert's first row and the assignment's mark.
    #[inline]
    fn assign(self, ids: MatrixRef<'_, i32>, has_row: impl Fn(i32, i32, i32) -> bool) {
        let Self { window, offsets, counts, row_of_assignment, assignment_of_row } = self;
        for_each(ids, |assignment, id| {
            let entry = &mut row_of_assignment[assignment];
            let mark = std::mem::replace(entry, NONE);
            let Some(expert) = window.expert(id) else { return };
            let next = counts[expert];
            if has_row(next, offsets[expert], mark) {
                *entry = next;
                counts[expert] = next + 1;
                assignment_of_row[next as usize] = assignment as i32;
            }
        });
        for (count, first) in counts.iter_mut().zip(offsets) {
            *count -= first;
        }
    }
}

/// Lists each expert's assignments, ascending, in `lists` (as long as all assignments at least).
/// `cursors` holds one entry per expert.
fn list_by_expert<'a>(
    args: &PlanArgs<'_>,
    window: Window,
    demand: &'a [i32],
    cursors: &mut [i32],
    lists: &'a mut [i32],
) -> impl Iterator<Item = &'a mut [i32]> {
    let mut start = 0;
    for (cursor, &demand) in cursors.iter_mut().zip(demand) {
        *cursor = start;
        start += demand;
    }
    for_each(args.ids, |assignment, id| {
        if let Some(expert) = window.expert(id) {
            lists[cursors[expert] as usize] = assignment as i32;
            cursors[expert] += 1;
        }
    });
    let mut rest = lists;
    demand.iter().map(move |&demand| {
        let (list, tail) = std::mem::take(&mut rest).split_at_mut(demand as usize);
        rest = tail;
        list
    })
}
