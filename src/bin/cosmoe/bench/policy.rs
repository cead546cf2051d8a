//! `--policy`: how work is laid out on a CUDA device, where the library is not to choose.

use cosmoe::DType;

use super::op::Op;
use crate::error::Failure;

const OPTION: &str = "--policy";

/// What the option says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyOptions {
    /// As it was given.
    pub(crate) text: String,
    tile: Option<(u32, u32)>,
    split: Option<bool>,
    fused: Option<bool>,
    lanes: Option<u32>,
    vector: Option<u32>,
    columns: Option<u32>,
}

impl PolicyOptions {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self {
            text: text.to_owned(),
            tile: None,
            split: None,
            fused: None,
            lanes: None,
            vector: None,
            columns: None,
        };
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key {
                "tile" => once(key, &mut options.tile, tile(value)?)?,
                "split" => once(key, &mut options.split, yes(key, value)?)?,
                "fused" => once(key, &mut options.fused, yes(key, value)?)?,
                "lanes" => once(key, &mut options.lanes, number(key, value)?)?,
                "vector" => once(key, &mut options.vector, number(key, value)?)?,
                "columns" => once(key, &mut options.columns, number(key, value)?)?,
                _ => {
                    let keys = "tile, split, fused, lanes, vector or columns";
                    return Err(format!("expected {keys}, each with =VALUE, found {part:?}"));
                }
            }
        }
        Ok(options)
    }

    /// Whether products of tokens and experts are laid out by it.
    fn scores(&self) -> bool {
        self.tile.is_some() || self.split.is_some() || self.fused.is_some()
    }

    /// Whether rows are.
    fn rows(&self) -> bool {
        self.lanes.is_some() || self.vector.is_some() || self.columns.is_some()
    }

    /// Whether it has an effect on an operation.
    pub(super) fn concerns(&self, op: Op) -> bool {
        match op {
            Op::Route | Op::RouteAndPlan => self.scores(),
            Op::Gather | Op::Combine => self.rows(),
            Op::Prepare | Op::Select | Op::Plan => false,
        }
    }
}

fn once<T>(key: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("expected {key} at most once, found it repeated")),
    }
}

fn tile(value: &str) -> Result<(u32, u32), String> {
    let sides = value.split_once('x').and_then(|(t, e)| Some((t.parse().ok()?, e.parse().ok()?)));
    sides.ok_or_else(|| {
        format!("expected tile=TOKENSxEXPERTS, such as tile=64x128, found \"tile={value}\"")
    })
}

fn yes(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("expected {key}=yes or {key}=no, found \"{key}={value}\"")),
    }
}

fn number(key: &str, value: &str) -> Result<u32, String> {
    let parsed = value.parse();
    parsed.map_err(|_| format!("expected {key}=N, an integer, found \"{key}={value}\""))
}

/// That every operation that is asked for by name is laid out by it, and that such kernels exist: all of it is known
/// without a device.
pub(crate) fn check(options: &PolicyOptions, op: Option<Op>, dtype: DType) -> Result<(), Failure> {
    if let Some(op) = op.filter(|&op| !options.concerns(op)) {
        let expected = match op {
            Op::Route | Op::RouteAndPlan => "tile, split or fused for --op route",
            Op::Gather | Op::Combine => "lanes, vector or columns for --op gather and combine",
            _ => "--op route, route-and-plan, gather or combine beside it",
        };
        let found = match op {
            Op::Prepare | Op::Select | Op::Plan => format!("--op {}", op.name()),
            _ => format!("{:?}", options.text),
        };
        return Err(Failure::usage(OPTION, expected, found));
    }
    if options.scores() && options.tile.is_none() {
        let expected = "tile=TOKENSxEXPERTS beside split and fused";
        return Err(Failure::usage(OPTION, expected, format_args!("{:?}", options.text)));
    }
    kernels(options, dtype)
}

#[cfg(not(feature = "cuda"))]
fn kernels(_options: &PolicyOptions, _dtype: DType) -> Result<(), Failure> {
    Err(Failure::usage(OPTION, "a build with the CUDA backend", "one without"))
}

#[cfg(feature = "cuda")]
fn kernels(options: &PolicyOptions, dtype: DType) -> Result<(), Failure> {
    policies(options, dtype).map(drop)
}

/// The library's policies.
#[cfg(feature = "cuda")]
fn policies(
    options: &PolicyOptions,
    dtype: DType,
) -> Result<(Option<cosmoe::cuda::ScorePolicy>, Option<cosmoe::cuda::RowPolicy>), Failure> {
    use cosmoe::cuda::{RowPolicy, ScorePolicy};

    let score = match options.tile {
        None => None,
        Some((tokens, experts)) => {
            let tile = |policy: &ScorePolicy| (policy.tokens(), policy.experts());
            let mut tiles: Vec<_> = ScorePolicy::all(dtype, dtype).map(|p| tile(&p)).collect();
            tiles.sort_unstable();
            tiles.dedup();
            let split = options.split.unwrap_or(false);
            match ScorePolicy::new(tokens, experts, split) {
                Ok(policy) if tiles.contains(&(tokens, experts)) => {
                    let fused = options.fused.unwrap_or(true);
                    Some(if fused { policy } else { policy.with_separate_selection() })
                }
                _ => {
                    let tiles: Vec<String> =
                        tiles.iter().map(|(t, e)| format!("{t}x{e}")).collect();
                    let expected = format!("for {dtype} tile={}", tiles.join(", "));
                    let found = format!("\"tile={tokens}x{experts}\"");
                    return Err(Failure::usage(OPTION, expected, found));
                }
            }
        }
    };
    let rows = match options.rows() {
        false => None,
        true => {
            let (vector, columns) = (options.vector.unwrap_or(16), options.columns.unwrap_or(1));
            let policy = RowPolicy::new(vector, options.lanes.unwrap_or(32), columns);
            Some(policy.map_err(refused)?)
        }
    };
    Ok((score, rows))
}

/// A refusal by the library, in the words of the option.
#[cfg(feature = "cuda")]
fn refused(error: cosmoe::Error) -> Failure {
    match error {
        cosmoe::Error::InvalidArgument { argument, expected, found } => {
            let key = match argument {
                "vector_bytes" => "vector",
                "column_blocks" => "columns",
                other => other,
            };
            Failure::usage(OPTION, format_args!("{key}=N, {expected}"), format_args!("{found:?}"))
        }
        other => Failure::usage(OPTION, "a policy that the library has", other),
    }
}

/// A backend with this layout.
#[cfg(feature = "cuda")]
pub(super) fn apply(
    mut cuda: cosmoe::cuda::Cuda,
    options: Option<&PolicyOptions>,
    dtype: DType,
) -> Result<cosmoe::cuda::Cuda, Failure> {
    if let Some(options) = options {
        let (score, rows) = policies(options, dtype)?;
        cuda = match score {
            Some(score) => cuda.with_score_policy(score),
            None => cuda,
        };
        cuda = match rows {
            Some(rows) => cuda.with_row_policy(rows),
            None => cuda,
        };
    }
    Ok(cuda)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let text = "tile=64x128,split=yes,fused=no,lanes=64,vector=8,columns=2";
        let options = PolicyOptions::parse(text).unwrap();
        assert_eq!(options.tile, Some((64, 128)));
        assert_eq!((options.split, options.fused), (Some(true), Some(false)));
        assert_eq!((options.lanes, options.vector, options.columns), (Some(64), Some(8), Some(2)));
        assert!(options.concerns(Op::Route) && options.concerns(Op::Combine));
        assert!(!options.concerns(Op::Plan));
    }
}
