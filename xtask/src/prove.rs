//! `cargo xtask prove`: SentryWard over every kernel of the library at small fixed launches, and over
//! the deliberately wrong kernels of the emulated device's tests, to see that it finds them.
//!
//! A verdict holds for one launch and every schedule of it. Where control depends on tensor data, the
//! launch gives the data, or each such branch goes one way throughout, all ways in turn ([`ways`]).

mod input;
mod kernels;
mod launches;
mod layout;
mod plain;
mod verdict;
mod verifier;
mod ways;
mod wrong;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::run::{Failure, Result, Steps};
use crate::toolkit::toolkit;
use input::Input;
use verdict::Verdict;
use verifier::Verifier;

/// One launch to prove: what it is called, where its PTX is, what must come out.
struct Job {
    name: String,
    ptx: PathBuf,
    input: Input,
    /// Branches on data that nothing decides may be tried both ways.
    ways: bool,
    expected: Expected,
}

/// What is known of a launch. Anything else fails, better news too: then the list has to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// Race-free over every schedule.
    RaceFree,
    /// A finding, at one of these lines of the source where it has a place.
    Finding(Vec<u32>),
    /// SentryWard cannot say: no pass.
    Unsupported,
    /// A mistake that SentryWard does not see.
    Missed,
}

/// Runs everything, prints the tables.
pub(crate) fn prove() -> Result<()> {
    let Some(nvcc) = toolkit()? else {
        return Err(Failure::new("there is no nvcc, so there is nothing to prove"));
    };
    let verifier = Verifier::bring()?;
    let mut steps = Steps::new("prove");
    steps.run("the library's kernels", || check(&verifier, &kernels::jobs(&nvcc)?))?;
    steps.run("deliberately wrong kernels", || check(&verifier, &wrong::jobs(&nvcc)?))?;
    steps.finish();
    Ok(())
}

/// Runs the jobs on all cores, prints a line for each, fails if one is not as expected.
fn check(verifier: &Verifier, jobs: &[Job]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Verdict, f64)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    let started = Instant::now();
                    let verdict = ways::verdict(verifier, job);
                    let taken = started.elapsed().as_secs_f64();
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, verdict, taken));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, ..)| *index);
    report(jobs, &done)
}

fn report(jobs: &[Job], done: &[(usize, Verdict, f64)]) -> Result<()> {
    let width = jobs.iter().map(|job| job.name.len()).max().unwrap_or(0);
    let mut surprises = Vec::new();
    for (job, (_, verdict, taken)) in jobs.iter().zip(done) {
        println!("{:<width$} {taken:>6.1} s  {verdict}", job.name);
        if !verdict.is(&job.expected) {
            surprises.push(format!("{}: expected {:?}, found {verdict}", job.name, job.expected));
        }
    }
    let of = |kind: fn(&Expected) -> bool| jobs.iter().filter(|job| kind(&job.expected)).count();
    println!(
        "expected: {} race-free, {} with a finding, {} unsupported, {} missed; otherwise: {}",
        of(|expected| *expected == Expected::RaceFree),
        of(|expected| matches!(expected, Expected::Finding(_))),
        of(|expected| *expected == Expected::Unsupported),
        of(|expected| *expected == Expected::Missed),
        surprises.len()
    );
    if surprises.is_empty() { Ok(()) } else { Err(Failure::new(surprises.join("\n"))) }
}
