//! The launches at which the library's kernels are proved: small, and with every kind of row in them.
//! Arguments go by the names of the kernel's struct.

use super::Expected;
use super::input::{Numbers, Scalar};

/// One launch of a kernel.
pub(super) struct Launch {
    pub(super) kernel: String,
    /// Tells launches of one kernel apart.
    pub(super) what: &'static str,
    pub(super) grid: [u32; 3],
    pub(super) block: u32,
    pub(super) numbers: Numbers,
    pub(super) expected: Expected,
}

/// An index beyond every row: -1 and it take the same path, and SentryWard takes no negative numbers.
const NONE: u32 = i32::MAX as u32;

/// All of them.
pub(super) fn launches() -> Vec<Launch> {
    let mut all: Vec<Launch> = [1, 2, 4, 8, 16].map(gather).into();
    for (dtype, bytes) in [("f32", 4), ("f16", 2), ("bf16", 2)] {
        let widths = [2, 4, 8, 16].into_iter().filter(|width| *width >= bytes);
        all.extend(widths.map(|width| combine(dtype, bytes, width, Rows::Plain)));
        all.extend([Rows::Tail, Rows::Dropped].map(|kind| combine(dtype, bytes, 16, kind)));
        all.push(prepare(dtype, bytes, "cosine"));
        all.extend(SCORES.map(|score| prepare(dtype, 16, score)));
    }
    all
}

fn whole(value: u32) -> Scalar {
    Scalar::Whole(i64::from(value))
}

/// 20 rows of which every fifth is padding, 16 threads each, columns shared by two blocks.
fn gather(width: u32) -> Launch {
    let (rows, top_k, lanes_log2) = (20u32, 2, 4);
    let row_bytes: u32 = 9 * 16 + 5;
    let stride = row_bytes.next_multiple_of(16);
    let from = (0..rows).map(|row| if row % 5 == 3 { NONE } else { row * 7 % rows }).collect();
    let scalars = vec![
        ("token_stride", whole(stride)),
        ("grouped_stride", whole(stride)),
        ("row_bytes", whole(row_bytes)),
        ("rows", whole(rows)),
        ("assignments", whole(rows)),
        ("top_k", whole(top_k)),
        ("lanes_log2", whole(lanes_log2)),
    ];
    Launch {
        kernel: format!("cosmoe_gather_{width}"),
        what: "",
        grid: [rows.div_ceil(256 >> lanes_log2), 2, 1],
        block: 256,
        numbers: Numbers { scalars, arrays: vec![("assignment_of_row", from)] },
        expected: Expected::RaceFree,
    }
}

/// What is special about a launch of combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Two experts a token, all there, columns in whole vectors.
    Plain,
    /// One expert a token, a last column on its own.
    Tail,
    /// Three experts a token, some dropped, a last column on its own.
    Dropped,
}

/// 20 tokens, 16 threads each. Weights are f32, which SentryWard cannot be given: each of a token's
/// weights is zero in all tokens or in none, where no row is dropped (whose weight counts as a known
/// zero, so that all are).
fn combine(dtype: &str, bytes: u32, width: u32, kind: Rows) -> Launch {
    let (tokens, lanes_log2) = (20u32, 4);
    let (top_k, what) = match kind {
        Rows::Plain => (2, ""),
        Rows::Tail => (1, "tail"),
        Rows::Dropped => (3, "some dropped"),
    };
    let columns = 18 * width / bytes + u32::from(kind != Rows::Plain);
    let rows = tokens * top_k;
    let row = |a| if kind == Rows::Dropped && a % 7 == 2 { NONE } else { a * 11 % rows };
    let scalars = vec![
        ("grouped_stride", whole(columns.next_multiple_of(8))),
        ("weight_stride", whole(top_k)),
        ("out_stride", whole(columns.next_multiple_of(8))),
        ("width", whole(columns)),
        ("tokens", whole(tokens)),
        ("rows", whole(rows)),
        ("top_k", whole(top_k)),
        ("lanes_log2", whole(lanes_log2)),
        ("reserved", whole(0)),
    ];
    Launch {
        kernel: format!("cosmoe_combine_{dtype}_{width}"),
        what,
        grid: [tokens.div_ceil(256 >> lanes_log2), 1, 1],
        block: 256,
        numbers: Numbers {
            scalars,
            arrays: vec![("row_of_assignment", (0..rows).map(row).collect())],
        },
        expected: Expected::RaceFree,
    }
}

/// In the order of the kernel's `Score`.
const SCORES: [&str; 4] = ["linear", "laplace", "cosine", "perturbed-cosine"];

/// Two experts, one warp each: more chunks than threads for f32, three chunks for the others.
fn prepare(dtype: &str, width: u32, score: &'static str) -> Launch {
    let columns = if dtype == "f32" { 33 * 128 + 6 } else { 2 * 1024 + 10 };
    let number = SCORES.iter().position(|name| *name == score).unwrap_or(0);
    let scalars = vec![
        ("stride", whole(columns)),
        ("width", whole(columns)),
        ("score", Scalar::Whole(number as i64)),
        ("offset", Scalar::Float(0.001)),
    ];
    Launch {
        kernel: format!("cosmoe_prepare_{dtype}_{width}"),
        what: score,
        grid: [2, 1, 1],
        block: 32,
        numbers: Numbers { scalars, arrays: Vec::new() },
        expected: Expected::RaceFree,
    }
}
