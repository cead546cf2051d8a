//! Parsers of single option values. Their errors say what was expected and what was found.

use std::fmt::Display;
use std::ops::Range;

use cosmoe::{BiasPlacement, DType, DropPolicy, Gate, GroupScore, MAX_EXPERTS};

use crate::bench::{Op, Shape};
use crate::device::DeviceChoice;
use crate::names::{
    BIAS_PLACEMENTS, DROP_POLICIES, DTYPES, GATES, GROUP_SCORES, OPS, SCORES, ScoreName,
};

fn refuse<T>(expected: impl Display, text: &str) -> Result<T, String> {
    Err(format!("expected {expected}, found {text:?}"))
}

fn integer(text: &str, min: u64, max: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => refuse(format_args!("an integer from {min} to {max}"), text),
    }
}

/// At most what row indices hold: no count of rows or experts is higher.
fn count(text: &str, min: u64) -> Result<usize, String> {
    integer(text, min, i32::MAX as u64).map(|count| count as usize)
}

pub(super) fn top_k(text: &str) -> Result<usize, String> {
    count(text, 1)
}

pub(super) fn groups(text: &str) -> Result<usize, String> {
    count(text, 1)
}

pub(super) fn capacity(text: &str) -> Result<usize, String> {
    count(text, 0)
}

pub(super) fn align(text: &str) -> Result<usize, String> {
    count(text, 1)
}

pub(super) fn experts(text: &str) -> Result<usize, String> {
    integer(text, 1, MAX_EXPERTS as u64).map(|experts| experts as usize)
}

pub(super) fn num_tokens(text: &str) -> Result<u32, String> {
    integer(text, 0, u64::from(u32::MAX)).map(|tokens| tokens as u32)
}

pub(super) fn above_zero(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => refuse("a finite number above 0", text),
    }
}

pub(super) fn not_negative(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => refuse("a finite number of at least 0", text),
    }
}

pub(super) fn capacity_factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => refuse("a finite number of at least 0", text),
    }
}

pub(super) fn expert_window(text: &str) -> Result<Range<usize>, String> {
    let ends = text.split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match ends {
        Some((start, end)) if start <= end && end <= MAX_EXPERTS => Ok(start..end),
        _ => refuse(format_args!("A:B, integers with 0 <= A <= B <= {MAX_EXPERTS}"), text),
    }
}

pub(super) fn device(text: &str) -> Result<DeviceChoice, String> {
    let cuda = text.strip_prefix("cuda:").map(str::parse::<u32>);
    match (text, cuda) {
        ("auto", _) => Ok(DeviceChoice::Auto),
        ("cpu", _) => Ok(DeviceChoice::Cpu),
        ("cuda", _) => Ok(DeviceChoice::Cuda(None)),
        (_, Some(Ok(index))) => Ok(DeviceChoice::Cuda(Some(index))),
        (_, Some(Err(_))) => {
            refuse(format_args!("auto, cpu, cuda or cuda:N, N from 0 to {}", u32::MAX), text)
        }
        _ => refuse("auto, cpu, cuda or cuda:N", text),
    }
}

pub(super) fn score(text: &str) -> Result<ScoreName, String> {
    SCORES.parse(text)
}

pub(super) fn gate(text: &str) -> Result<Gate, String> {
    GATES.parse(text)
}

pub(super) fn bias_placement(text: &str) -> Result<BiasPlacement, String> {
    BIAS_PLACEMENTS.parse(text)
}

pub(super) fn group_score(text: &str) -> Result<GroupScore, String> {
    GROUP_SCORES.parse(text)
}

pub(super) fn drop_policy(text: &str) -> Result<DropPolicy, String> {
    DROP_POLICIES.parse(text)
}

pub(super) fn op(text: &str) -> Result<Op, String> {
    OPS.parse(text)
}

pub(super) fn dtype(text: &str) -> Result<DType, String> {
    DTYPES.parse(text)
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=3600.0).contains(&value) => Ok(value),
        _ => refuse("a number of seconds from 0 to 3600", text),
    }
}

pub(super) fn shape(text: &str) -> Result<Shape, String> {
    let extents: Option<Vec<usize>> = text.split(',').map(|extent| count(extent, 1).ok()).collect();
    match extents.as_deref() {
        Some(&[tokens, hidden, experts, top_k])
            if top_k <= experts
                && tokens.checked_mul(top_k).is_some_and(|all| all <= i32::MAX as usize) =>
        {
            Ok(Shape { model: None, tokens, hidden, experts, top_k })
        }
        _ => {
            let most = i32::MAX;
            let expected = format!("T,D,E,K: integers from 1, K at most E, T*K at most {most}");
            refuse(expected, text)
        }
    }
}
