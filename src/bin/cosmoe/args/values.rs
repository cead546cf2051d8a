//! Parsers of single option values. Their errors say what was expected and what was found.

use std::ffi::OsStr;
use std::fmt::Display;
use std::ops::Range;

use clap::builder::{PossibleValue, TypedValueParser};
use clap_complete::Shell;
use cosmoe::{BiasPlacement, DType, DropPolicy, Gate, GroupScore, MAX_EXPERTS};

use crate::bench::{Op, Shape};
use crate::device::DeviceChoice;
use crate::names::{
    BIAS_PLACEMENTS, DROP_POLICIES, DTYPES, GATES, GROUP_SCORES, OPS, SCORES, SHELLS, ScoreName,
};
use crate::presets::{self, PRESETS, Preset};

/// A parser that also tells the names it takes: to completions, its errors are its own.
#[derive(Clone)]
pub(super) struct Named<T> {
    parse: fn(&str) -> Result<T, String>,
    names: fn() -> Vec<&'static str>,
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Named<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        self.parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.names)().into_iter().map(PossibleValue::new)))
    }
}

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

pub(super) fn cases(text: &str) -> Result<u64, String> {
    integer(text, 1, u64::from(u32::MAX))
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    integer(text, 0, u64::MAX)
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

fn parse_device(text: &str) -> Result<DeviceChoice, String> {
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

pub(super) fn device() -> Named<DeviceChoice> {
    // Of numbers there is no end.
    Named { parse: parse_device, names: || vec!["auto", "cpu", "cuda"] }
}

pub(super) fn preset() -> Named<&'static Preset> {
    Named { parse: presets::parse, names: || PRESETS.iter().map(|preset| preset.name).collect() }
}

pub(super) fn score() -> Named<ScoreName> {
    Named { parse: |text| SCORES.parse(text), names: || SCORES.names().collect() }
}

pub(super) fn gate() -> Named<Gate> {
    Named { parse: |text| GATES.parse(text), names: || GATES.names().collect() }
}

pub(super) fn bias_placement() -> Named<BiasPlacement> {
    Named { parse: |text| BIAS_PLACEMENTS.parse(text), names: || BIAS_PLACEMENTS.names().collect() }
}

pub(super) fn group_score() -> Named<GroupScore> {
    Named { parse: |text| GROUP_SCORES.parse(text), names: || GROUP_SCORES.names().collect() }
}

pub(super) fn drop_policy() -> Named<DropPolicy> {
    Named { parse: |text| DROP_POLICIES.parse(text), names: || DROP_POLICIES.names().collect() }
}

pub(super) fn shell() -> Named<Shell> {
    Named { parse: |text| SHELLS.parse(text), names: || SHELLS.names().collect() }
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
