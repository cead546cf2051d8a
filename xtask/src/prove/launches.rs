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
    /// Bytes of shared memory beside what the kernel declares.
    pub(super) shared: u32,
    pub(super) numbers: Numbers,
    pub(super) expected: Expected,
}

/// An index beyond every row: -1 and it take the same path, and SentryWard takes no negative numbers.
const NONE: u32 = i32::MAX as u32;

/// How the rows of gather and combine are shared, as src/cuda/policy/rows.rs may choose: threads a row and
/// blocks that share its columns. The usual, and both ends.
#[derive(Debug, Clone, Copy)]
struct Sharing {
    what: &'static str,
    lanes_log2: u32,
    column_blocks: u32,
}
const USUAL: Sharing = Sharing { what: "", lanes_log2: 4, column_blocks: 1 };
const ENDS: [Sharing; 4] = [
    Sharing { what: "columns by 2", lanes_log2: 4, column_blocks: 2 },
    Sharing { what: "a thread a row", lanes_log2: 0, column_blocks: 1 },
    Sharing { what: "a warp a row", lanes_log2: 5, column_blocks: 3 },
    Sharing { what: "a block a row", lanes_log2: 8, column_blocks: 2 },
];

/// All of them, of the library's `kernels`. `threads` says how many threads a kernel's launch bounds allow: what
/// the host launches gather and combine with, and prepare at most.
pub(super) fn launches(kernels: &[&str], threads: &dyn Fn(&str) -> u32) -> Vec<Launch> {
    let gather = |width, sharing| gather(width, sharing, threads);
    let mut all: Vec<Launch> = [1, 2, 4, 8, 16].map(|width| gather(width, USUAL)).into();
    all.extend(ENDS.map(|sharing| gather(16, sharing)));
    for (dtype, bytes) in [("f32", 4), ("f16", 2), ("bf16", 2)] {
        let combine = |width, kind, sharing| combine((dtype, bytes), width, kind, sharing, threads);
        let widths = [2, 4, 8, 16].into_iter().filter(|width| *width >= bytes);
        all.extend(widths.map(|width| combine(width, Rows::Plain, USUAL)));
        all.extend([Rows::Tail, Rows::Dropped].map(|kind| combine(16, kind, USUAL)));
        if dtype != "f16" {
            all.extend(ENDS.map(|sharing| combine(16, Rows::Plain, sharing)));
        }
        all.push(select(dtype, threads));
        all.push(prepare(dtype, bytes, "cosine", "", 32));
        all.extend(SCORES.map(|score| prepare(dtype, 16, score, score, 32)));
        let most = threads(&format!("cosmoe_prepare_{dtype}_16"));
        all.push(prepare(dtype, 16, "cosine", "most threads", most));
    }
    let scorers = scorers(kernels);
    all.extend(scorers.iter().map(|scorer| score(scorer, threads)));
    let wide = scorers.iter().filter(|scorer| !scorer.name.ends_with("narrow"));
    all.extend(wide.map(|scorer| route(scorer, threads)));
    all.push(finish(threads));
    all.push(project(threads));
    all.extend(["count", "scan", "place", "drop"].map(|step| plan(step, threads)));
    all
}

fn whole(value: u32) -> Scalar {
    Scalar::Whole(i64::from(value))
}

/// 20 rows of which every fifth is padding.
fn gather(width: u32, sharing: Sharing, threads: &dyn Fn(&str) -> u32) -> Launch {
    let (rows, top_k, lanes_log2) = (20u32, 2, sharing.lanes_log2);
    let kernel = format!("cosmoe_gather_{width}");
    let block = threads(&kernel);
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
        kernel,
        what: sharing.what,
        grid: [rows.div_ceil(block >> lanes_log2), sharing.column_blocks, 1],
        block,
        shared: 0,
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

/// 20 tokens. Weights cannot be given: SentryWard decides once for each k whether weights are zero. So in launches
/// that drop rows, whose weight counts as a known zero, all weights are zero.
fn combine(
    (dtype, bytes): (&str, u32),
    width: u32,
    kind: Rows,
    sharing: Sharing,
    threads: &dyn Fn(&str) -> u32,
) -> Launch {
    let (tokens, lanes_log2) = (20u32, sharing.lanes_log2);
    let kernel = format!("cosmoe_combine_{dtype}_{width}");
    let block = threads(&kernel);
    let (top_k, what) = match kind {
        Rows::Plain => (2, sharing.what),
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
        kernel,
        what,
        grid: [tokens.div_ceil(block >> lanes_log2), sharing.column_blocks, 1],
        block,
        shared: 0,
        numbers: Numbers {
            scalars,
            arrays: vec![("row_of_assignment", (0..rows).map(row).collect())],
        },
        expected: Expected::RaceFree,
    }
}

/// Five tokens, 40 experts. Beyond SentryWard: which experts are counted, and how many rank equal, depends
/// on the logits at every step; and it calls functions.
fn select(dtype: &str, threads: &dyn Fn(&str) -> u32) -> Launch {
    let kernel = format!("cosmoe_select_{dtype}");
    let block = threads(&kernel);
    let (tokens, experts, top_k) = (5u32, 40, 4);
    let scalars = vec![
        ("logit_stride", whole(experts)),
        ("id_stride", whole(top_k)),
        ("weight_stride", whole(top_k)),
        ("tokens", whole(tokens)),
        ("experts", whole(experts)),
        ("top_k", whole(top_k)),
        ("groups", whole(0)),
        ("top_groups", whole(0)),
        ("sum_of_top_two", whole(0)),
        ("gate", whole(3)),
        ("renormalize", whole(1)),
        ("placement", whole(1)),
        ("route_scale", Scalar::Float(1.0)),
    ];
    Launch {
        kernel,
        what: "",
        grid: [2, 1, 1],
        block,
        shared: 0,
        numbers: Numbers { scalars, arrays: vec![("num_tokens", vec![tokens])] },
        expected: Expected::Unsupported,
    }
}

/// How a scoring kernel lays its work out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scorer {
    /// What follows `cosmoe_score_`.
    name: String,
    /// Whether tensor cores multiply.
    mma: bool,
    tokens: u32,
    experts: u32,
    stages: u32,
}

/// The kernels that score, by their names and by the tilings of `kernels/score/`.
fn scorers(kernels: &[&str]) -> Vec<Scorer> {
    let of = |kernel: &&str| {
        let name = kernel.strip_prefix("cosmoe_score_")?;
        let mma = !name.contains("f32");
        let size = name.split('_').find(|word| word.contains('x'))?;
        let text = if mma { TILE_MMA } else { TILE_FMA };
        let using = format!("using Tiles{size} = ");
        let line = text.lines().find_map(|line| line.strip_prefix(&using))?;
        let (_, numbers) = line.trim_end_matches(">;").split_once('<')?;
        let numbers: Vec<u32> = numbers.split(", ").filter_map(|n| n.parse().ok()).collect();
        let (&[tokens, experts, ..], &stages) = (numbers.as_slice(), numbers.last()?) else {
            return None;
        };
        Some(Scorer { name: name.to_owned(), mma, tokens, experts, stages })
    };
    kernels.iter().filter_map(of).collect()
}

const TILE_MMA: &str = include_str!("../../../kernels/score/tile_mma.cuh");
const TILE_FMA: &str = include_str!("../../../kernels/score/tile_fma.cuh");

/// Two tiles of tokens, the second of them not full, and one of experts; of the largest tiles one, as each of
/// their blocks takes SentryWard long.
fn score(scorer: &Scorer, threads: &dyn Fn(&str) -> u32) -> Launch {
    let Scorer { name, mma, tokens, experts, stages } = scorer;
    let kernel = format!("cosmoe_score_{name}");
    let block = threads(&kernel);
    // Stages of 128 bytes a row, 16 bytes between them where they are padded.
    let (stage, gap) = if *mma { (64, 0) } else { (32, 16) };
    let large = *experts > 64;
    let width = stage * (if large { 1 } else { 2 }) + 6;
    let rows = if large { tokens - 3 } else { tokens + 3 };
    let scalars = vec![
        ("token_stride", whole(width + 2)),
        ("expert_stride", whole(width + 2)),
        ("width", whole(width)),
        ("pitch", whole(experts.next_multiple_of(4))),
        ("first_token", whole(0)),
        ("rows", whole(rows)),
        ("experts_count", whole(experts - 1)),
        ("units", whole(1)),
        ("split", whole(0)),
        ("token_bytes", whole(4)),
        ("expert_bytes", whole(4)),
        ("reserved", whole(0)),
    ];
    Launch {
        kernel,
        what: "",
        grid: [rows.div_ceil(*tokens), 1, 1],
        block,
        shared: stages * (tokens + experts) * (128 + gap),
        numbers: Numbers { scalars, arrays: vec![("num_tokens", vec![rows])] },
        expected: Expected::RaceFree,
    }
}

/// The same with the selection, which is beyond SentryWard: the products before it are those that `score` has
/// proved, from the same source. What is given here is not read.
fn route(scorer: &Scorer, threads: &dyn Fn(&str) -> u32) -> Launch {
    let mut launch = score(scorer, threads);
    launch.kernel = format!("cosmoe_route_{}", scorer.name);
    launch.block = threads(&launch.kernel);
    let known: Vec<_> = launch.numbers.scalars.iter().map(|(name, _)| *name).collect();
    let mut more = finish(threads).numbers.scalars;
    more.extend(plan("place", threads).numbers.scalars);
    more.extend(["plan_arrivals", "plan_mode", "token_tiles"].map(|name| (name, whole(1))));
    more.retain(|(name, _)| !known.contains(name));
    launch.numbers.scalars.extend(more);
    launch.expected = Expected::Unsupported;
    launch
}

/// Five tokens, 40 experts, one slot: it selects, which is beyond SentryWard.
fn finish(threads: &dyn Fn(&str) -> u32) -> Launch {
    let mut launch = select("f32", threads);
    let (width, experts) = (20, 40);
    launch.kernel = "cosmoe_finish".to_owned();
    launch.block = threads(&launch.kernel);
    launch.numbers.scalars.retain(|(name, _)| *name != "logit_stride");
    launch.numbers.scalars.extend([
        ("token_stride", whole(width)),
        ("expert_stride", whole(width)),
        ("score_stride", whole(experts)),
        ("width", whole(width)),
        ("pitch", whole(experts)),
        ("first_token", whole(0)),
        ("slots", whole(1)),
        ("token_dtype", whole(0)),
        ("expert_dtype", whole(0)),
        ("score", whole(0)),
        ("scale", Scalar::Float(1.0)),
        ("offset", Scalar::Float(0.0)),
        ("reserved", whole(0)),
    ]);
    launch
}

/// 20 rows of 30, two slots.
fn project(threads: &dyn Fn(&str) -> u32) -> Launch {
    let kernel = "cosmoe_project".to_owned();
    let block = threads(&kernel);
    let (rows, columns) = (20u32, 30);
    let scalars = vec![
        ("pitch", whole(32)),
        ("first_token", whole(0)),
        ("rows", whole(rows)),
        ("columns", whole(columns)),
        ("slots", whole(2)),
        ("pairwise", whole(1)),
        ("reserved", whole(0)),
    ];
    Launch {
        kernel,
        what: "",
        grid: [2, 1, 1],
        block,
        shared: 0,
        numbers: Numbers { scalars, arrays: vec![("num_tokens", vec![rows])] },
        expected: Expected::RaceFree,
    }
}

/// 40 assignments in two tiles, six experts. What scatters by numbers that it counted in memory is beyond
/// SentryWard, which cannot tell then which allocation is written.
fn plan(step: &str, threads: &dyn Fn(&str) -> u32) -> Launch {
    let kernel = format!("cosmoe_plan_{step}");
    let block = threads(&kernel);
    let (tokens, top_k, experts) = (20u32, 2, 6);
    let assignments = tokens * top_k;
    let scalars = vec![
        ("id_stride", whole(top_k)),
        ("weight_stride", whole(top_k)),
        ("assignments", whole(assignments)),
        ("top_k", whole(top_k)),
        ("experts", whole(experts)),
        ("window_start", whole(0)),
        ("window_len", whole(experts)),
        ("capacity", whole(NONE)),
        ("align", whole(1)),
        ("max_rows", whole(assignments)),
        ("blocks", whole(0)),
        ("tiles", whole(2)),
        ("tile_len", whole(32)),
        ("by_weight", whole(u32::from(step == "drop"))),
    ];
    // Assignment a is of expert a mod 6: seven of each of the first four, six of the others.
    let demand = |expert: u32| (assignments - expert).div_ceil(experts);
    let ids = (0..assignments).map(|a| a % experts).collect();
    let demands: Vec<u32> = (0..experts).map(demand).collect();
    let starts = (0..=experts).map(|expert| (0..expert).map(demand).sum());
    let offsets: Vec<u32> = starts.collect();
    let list =
        (0..experts).flat_map(|expert| (0..demand(expert)).map(move |i| expert + i * experts));
    let arrays = vec![
        ("ids", ids),
        ("demand", demands),
        ("offsets", offsets.clone()),
        ("list_offsets", offsets),
        ("list", list.collect()),
    ];
    let read: &[&str] = match step {
        "count" => &["ids"],
        "scan" => &[],
        "place" => &["ids", "offsets"],
        _ => &["demand", "offsets", "list_offsets", "list"],
    };
    let arrays = arrays.into_iter().filter(|(name, _)| read.contains(name)).collect();
    let expected = match step {
        "place" | "drop" => Expected::Unsupported,
        _ => Expected::RaceFree,
    };
    Launch {
        kernel,
        what: "",
        grid: [1, 1, 1],
        block,
        shared: 0,
        numbers: Numbers { scalars, arrays },
        expected,
    }
}

/// In the order of the kernel's `Score`.
const SCORES: [&str; 4] = ["linear", "laplace", "cosine", "perturbed-cosine"];

/// Two experts: for f32 more chunks than a warp has threads, three chunks for the others.
fn prepare(dtype: &str, width: u32, score: &str, what: &'static str, block: u32) -> Launch {
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
        what,
        grid: [2, 1, 1],
        block,
        shared: 0,
        numbers: Numbers { scalars, arrays: Vec::new() },
        expected: Expected::RaceFree,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilings_are_read_from_the_kernels_headers() {
        let found =
            scorers(&["cosmoe_score_f16_64x128", "cosmoe_score_f16_f32_32x32_narrow", "other"]);
        let of = |name: &str, mma, tokens, experts| Scorer {
            name: name.to_owned(),
            mma,
            tokens,
            experts,
            stages: 4,
        };
        assert_eq!(
            found,
            [of("f16_64x128", true, 64, 128), of("f16_f32_32x32_narrow", false, 32, 32)]
        );
    }
}
