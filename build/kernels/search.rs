//! Finds the CUDA compiler: the one that is named, else the one that `cargo xtask toolkit` brought, else one
//! that is installed.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder under a target folder that `cargo xtask toolkit` fills.
pub(crate) const TOOLKIT: &str = "cuda-13.0";
/// The toolkit itself in there, where the wheels put it.
const TOOLKIT_ROOT: &str = "nvidia/cu13";
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

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Nvcc(Nvcc),
    None { why: String },
}

/// What a search depends on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// A path or a program's name; empty: no compiler is wanted.
    pub(crate) nvcc: Option<OsString>,
    pub(crate) cuda_home: Option<OsString>,
    pub(crate) cuda_path: Option<OsString>,
    pub(crate) path: Option<OsString>,
    /// Target folders that may hold a toolkit.
    pub(crate) targets: Vec<PathBuf>,
    /// Where CUDA is usually installed.
    pub(crate) usual: Vec<PathBuf>,
}

impl Environment {
    /// The one of this process.
    pub(crate) fn current(targets: Vec<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name);
        Self {
            nvcc: variable("NVCC"),
            cuda_home: variable("CUDA_HOME"),
            cuda_path: variable("CUDA_PATH"),
            path: variable("PATH"),
            targets,
            usual: usual_folders(),
        }
    }

    /// The variables that the outcome hangs on.
    pub(crate) fn variables_read(&self, found: &Found) -> &'static [&'static str] {
        const ALL: &[&str] = &["NVCC", "CUDA_HOME", "CUDA_PATH", "PATH"];
        match found {
            Found::Nvcc(Nvcc { place: Place::Path | Place::UsualFolder, .. }) => ALL,
            // A name without a folder is looked up on PATH.
            Found::Nvcc(Nvcc { place: Place::Variable("NVCC"), .. }) => &["NVCC", "PATH"],
            Found::Nvcc(_) => &["NVCC", "CUDA_HOME", "CUDA_PATH"],
            Found::None { .. } if self.nvcc.is_some() => &["NVCC"],
            Found::None { .. } => ALL,
        }
    }
}

/// The first compiler that runs and is new enough. An error only where NVCC names one that is not.
pub(crate) fn search(environment: &Environment) -> Result<Found, String> {
    if let Some(named) = &environment.nvcc {
        if named.is_empty() {
            return Ok(Found::None { why: "NVCC is set to nothing".to_owned() });
        }
        let path = resolve(named, environment.path.as_deref());
        let path = path.ok_or_else(|| format!("NVCC: {} is not there", named.display()))?;
        let nvcc = probe(path, Place::Variable("NVCC"));
        return nvcc.map(Found::Nvcc).map_err(|why| format!("NVCC: {why}"));
    }
    let mut refused = Vec::new();
    for (path, place) in candidates(environment) {
        if path.is_file() {
            match probe(path, place) {
                Ok(nvcc) => return Ok(Found::Nvcc(nvcc)),
                Err(why) => refused.push(why),
            }
        }
    }
    let mut why = "no nvcc in NVCC, CUDA_HOME, CUDA_PATH, the target folder, PATH, /usr/local/cuda"
        .to_owned();
    refused.iter().for_each(|reason| why.push_str(&format!("; {reason}")));
    Ok(Found::None { why: format!("{why} (`cargo xtask toolkit` brings one)") })
}

fn candidates(environment: &Environment) -> Vec<(PathBuf, Place)> {
    let mut list = Vec::new();
    let homes = [("CUDA_HOME", &environment.cuda_home), ("CUDA_PATH", &environment.cuda_path)];
    for (name, home) in homes {
        if let Some(home) = home.as_ref().filter(|home| !home.is_empty()) {
            list.push((in_toolkit(Path::new(home)), Place::Variable(name)));
        }
    }
    for target in &environment.targets {
        list.push((in_target(target), Place::Toolkit));
    }
    for folder in environment.path.iter().flat_map(std::env::split_paths) {
        list.push((folder.join(program()), Place::Path));
    }
    for folder in &environment.usual {
        list.push((in_toolkit(folder), Place::UsualFolder));
    }
    list
}

/// The compiler of the toolkit under a target folder, there or not.
pub(crate) fn in_target(target: &Path) -> PathBuf {
    in_toolkit(&target.join(TOOLKIT).join(TOOLKIT_ROOT))
}

fn in_toolkit(root: &Path) -> PathBuf {
    root.join("bin").join(program())
}

fn program() -> String {
    format!("nvcc{}", std::env::consts::EXE_SUFFIX)
}

/// /usr/local/cuda, the newest /usr/local/cuda-*, /opt/cuda.
fn usual_folders() -> Vec<PathBuf> {
    let local = Path::new("/usr/local");
    let entries = std::fs::read_dir(local).into_iter().flatten().flatten();
    let mut versioned: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("cuda-")?.split('.').map(|part| part.parse().ok());
            Some((version.collect::<Option<Vec<u32>>>()?, entry.path()))
        })
        .collect();
    versioned.sort_by(|a, b| b.cmp(a));
    let versioned = versioned.into_iter().map(|(_, path)| path);
    [local.join("cuda")].into_iter().chain(versioned).chain(["/opt/cuda".into()]).collect()
}

/// A path as it is, a program's name from PATH.
fn resolve(named: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    let named = Path::new(named);
    if named.components().count() > 1 {
        return named.is_file().then(|| named.to_path_buf());
    }
    let folders = path.map(std::env::split_paths).into_iter().flatten();
    folders.map(|folder| folder.join(named)).find(|path| path.is_file())
}

fn probe(path: PathBuf, place: Place) -> Result<Nvcc, String> {
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
    Ok(Nvcc { version: version.to_owned(), path, place })
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

impl Nvcc {
    /// The architectures it makes machine code for.
    pub(crate) fn known_archs(&self) -> Result<Vec<u32>, String> {
        let text = ask(&self.path, "--list-gpu-code")?;
        Ok(text.lines().filter_map(|line| line.trim().strip_prefix("sm_")?.parse().ok()).collect())
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
