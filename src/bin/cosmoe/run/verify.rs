//! `cosmoe verify`: the backend of a device against the f64 oracle.

use std::fmt::Write;
use std::time::Instant;

use anstyle::Style;
use cosmoe::verify::{self, Effort, Mismatch, OpReport, Report};
use serde_json::{Value, json};

use super::Outcome;
use crate::args::VerifyCommand;
use crate::device::{self, Device};
use crate::error::Failure;

const HEADING: Style = Style::new().bold();

pub(crate) fn run(command: &VerifyCommand) -> Result<Outcome, Failure> {
    let device = device::choose(command.device)?;
    let mut effort = if command.full { Effort::full() } else { Effort::quick() };
    effort.cases = command.cases.unwrap_or(effort.cases);
    effort.seed = command.seed;
    let start = Instant::now();
    let report = device::on!(device, backend => verify::backend(backend, &effort));
    let report = report.map_err(|error| device.named(Failure::Device(error)))?;
    let seconds = start.elapsed().as_secs_f64();
    let stdout = match command.json {
        true => format!("{}\n", object(&report, &effort, &device, seconds)),
        false => table(&report, &device, seconds),
    };
    let wrong: u64 = report.ops.iter().map(|op| op.wrong).sum();
    let verdict = (wrong > 0).then(|| {
        let names = report.ops.iter().filter(|op| op.wrong > 0).map(|op| op.op.name());
        let names: Vec<&str> = names.collect();
        Failure::input(
            format_args!("verify on {}", device.label()),
            "every case as the oracle has it",
            format_args!("{wrong} cases that are not, in {}", names.join(", ")),
        )
    });
    Ok(Outcome { stdout, notes: device.note.into_iter().collect(), verdict, ..Outcome::default() })
}

fn table(report: &Report, device: &Device, seconds: f64) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{HEADING}{:<16} {:>7} {:>12}  {:>12}  {:>12}  result{HEADING:#}",
        "operation", "cases", "numbers", "worst score", "worst weight"
    );
    for op in &report.ops {
        let result = match op.wrong {
            0 => "right".to_owned(),
            wrong => format!("{wrong} WRONG"),
        };
        let _ = writeln!(
            text,
            "{:<16} {:>7} {:>12}  {:>12}  {:>12}  {result}",
            op.op.name(),
            op.cases,
            op.worst.compared,
            of_bound(op, op.worst.scores),
            of_bound(op, op.worst.weights),
        );
    }
    for mismatch in report.ops.iter().filter_map(|op| op.first.as_ref().map(|first| (op, first))) {
        let (op, first) = mismatch;
        let _ = writeln!(text, "\n{}: first mismatch: {first}", op.op.name());
    }
    let _ = writeln!(
        text,
        "\nworst errors are parts of their bounds, exact results have none; {seconds:.1} s on {}",
        device.label()
    );
    text
}

/// What is held to no bound but to its bits shows none.
fn of_bound(op: &OpReport, worst: f64) -> String {
    use verify::Op;
    match op.op {
        Op::Route | Op::Select if worst > 0.0 => format!("{worst:.3}"),
        _ => "-".to_owned(),
    }
}

fn object(report: &Report, effort: &Effort, device: &Device, seconds: f64) -> Value {
    let ops: Vec<Value> = report.ops.iter().map(operation).collect();
    json!({
        "schema": 1,
        "command": "verify",
        "version": env!("CARGO_PKG_VERSION"),
        "device": device.id,
        "device_name": device.name,
        "device_reason": device.reason,
        "cases": effort.cases,
        "seed": effort.seed,
        "ok": report.is_ok(),
        "operations": ops,
        "seconds": seconds,
    })
}

fn operation(op: &OpReport) -> Value {
    json!({
        "operation": op.op.name(),
        "cases": op.cases,
        "wrong": op.wrong,
        "numbers": op.worst.compared,
        "worst_score": op.worst.scores,
        "worst_weight": op.worst.weights,
        "first_mismatch": op.first.as_ref().map(mismatch),
    })
}

fn mismatch(mismatch: &Mismatch) -> Value {
    json!({
        "what": mismatch.what,
        "case": mismatch.case,
        "token": mismatch.token,
        "expert": mismatch.expert,
        "found": number(mismatch.found),
        "expected": number(mismatch.expected),
        "margin": mismatch.margin,
    })
}

/// JSON has no infinities and no NaN.
fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}
