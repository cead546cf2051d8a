//! What launches leave for the reader: counts as JSON, reports as text.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::library::say;
use super::settings::Settings;
use crate::counts::Counts;
use crate::machine::Launch;
use crate::report::Report;

/// One line of the counts file.
#[derive(Serialize)]
struct Line<'a> {
    kernel: &'a str,
    device: u32,
    stream: u32,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    cooperative: bool,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<&'a Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
}

/// How a launch failed.
#[derive(Serialize)]
struct Error<'a> {
    code: i32,
    kind: &'a str,
}

thread_local! {
    /// The last launch of this thread, as JSON.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The last report of the process.
static REPORT: Mutex<Option<String>> = Mutex::new(None);

/// Keeps a launch's counts, and writes them if there is a file for them.
pub(crate) fn keep_launch(
    settings: &Settings,
    device: u32,
    launch: &Launch<'_>,
    result: &Result<Counts, Report>,
) {
    let line = Line {
        kernel: launch.kernel,
        device,
        stream: launch.stream.0,
        grid: launch.grid,
        block: launch.block,
        dynamic_shared: launch.dynamic_shared,
        cooperative: launch.cooperative,
        seed: settings.config.seed,
        counts: result.as_ref().ok(),
        error: result.as_ref().err().map(|r| Error { code: r.code, kind: r.kind.name() }),
    };
    let text = match serde_json::to_string(&line) {
        Ok(text) => text,
        Err(error) => return say(&format!("counts cannot be written: {error}")),
    };
    if let Some(path) = &settings.counts {
        append(path, &text);
    }
    LAST.set(Some(text));
}

/// Keeps a report, and writes it if there is a file for it.
pub(crate) fn keep_report(settings: &Settings, text: &str) {
    if let Some(path) = &settings.report {
        append(path, text);
    }
    *REPORT.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
}

/// The last launch of this thread.
pub(crate) fn last_launch() -> Option<String> {
    LAST.with_borrow(Clone::clone)
}

/// The last report.
pub(crate) fn last_report() -> Option<String> {
    REPORT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Forgets them.
pub(crate) fn clear() {
    LAST.set(None);
    *REPORT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Adds a line in one write, so that lines of several processes do not mix.
fn append(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let result = file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
    if let Err(error) = result {
        say(&format!("{} cannot be written: {error}", path.display()));
    }
}
