//! Says whether something that was built is up to date: a text of everything it came from, kept
//! beside it.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Whether the stamp at `path` says the same.
pub(crate) fn is_fresh(path: &Path, stamp: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|found| found == stamp)
}

/// Removes the stamp: from here on the built files may be half written.
pub(crate) fn clear(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A line per file: its size and time, which change when it does.
pub(crate) fn of_files(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        let state = std::fs::metadata(path).and_then(|meta| Ok((meta.len(), meta.modified()?)));
        let state = state.map(|(size, time)| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("{size} {}", since.as_nanos())
        });
        let state = state.unwrap_or_else(|_| "absent".to_owned());
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}: {state}", path.display());
    }
    text
}

/// A line for a text: its size and hash.
pub(crate) fn of_text(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{} {:016x}\n", text.len(), hasher.finish())
}
