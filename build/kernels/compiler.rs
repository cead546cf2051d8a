//! A CUDA compiler that runs: which release it is, and what it can make.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest release whose language and options the kernels need.
const OLDEST: (u32, u32) = (12, 0);

/// A compiler that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nvcc {
    pub(crate) path: PathBuf,
    /// As in 13.0.88.
    pub(crate) version: String,
    /// Where it was found.
    pub(crate) place: Place,
}

/// Where a compiler was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A variable of this name says so.
    Variable(&'static str),
    Toolkit,
    Path,
    UsualFolder,
}

impl Nvcc {
    /// The compiler at `path`, if it runs and is new enough.
    pub(super) fn probe(path: PathBuf, place: Place) -> Result<Self, String> {
        let text = ask(&path, "--version")?;
        let Some(version) = version(&text) else {
            return Err(format!("{} --version names no release", path.display()));
        };
        let number = |part: Option<&str>| part.and_then(|part| part.parse().ok()).unwrap_or(0);
        let mut parts = version.split('.');
        if (number(parts.next()), number(parts.next())) < OLDEST {
            let (major, minor) = OLDEST;
            let expected = format!("expected release {major}.{minor} or later, found {version}");
            return Err(format!("{}: {expected}", path.display()));
        }
        Ok(Self { version: version.to_owned(), path, place })
    }

    /// The architectures it makes machine code for.
    pub(crate) fn known_archs(&self) -> Result<Vec<u32>, String> {
        let text = ask(&self.path, "--list-gpu-code")?;
        let archs = text.lines().filter_map(|line| line.trim().strip_prefix("sm_")?.parse().ok());
        let mut archs: Vec<u32> = archs.collect();
        archs.sort_unstable();
        Ok(archs)
    }
}

impl Display for Nvcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Variable(name) => name,
            Place::Toolkit => "brought by cargo xtask toolkit",
            Place::Path => "PATH",
            Place::UsualFolder => "installed",
        };
        write!(f, "nvcc {} ({place}): {}", self.version, self.path.display())
    }
}

/// 13.0.88 of "Cuda compilation tools, release 13.0, V13.0.88".
fn version(text: &str) -> Option<&str> {
    let (_, version) = text.lines().find(|line| line.contains("release"))?.rsplit_once('V')?;
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version.trim())
}

fn ask(path: &Path, option: &str) -> Result<String, String> {
    let output = Command::new(path).arg(option).output();
    let output = output.map_err(|error| format!("{} does not run: {error}", path.display()))?;
    if !output.status.success() {
        return Err(format!("{} {option} ended with {}", path.display(), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
