//! Finds the CUDA compiler: the one that is named, else the one that `cargo xtask toolkit` brought,
//! else one that is installed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::compiler::{Nvcc, Place};

/// The folder under a target folder that `cargo xtask toolkit` fills.
pub(crate) const TOOLKIT: &str = "cuda-13.0";
/// The toolkit itself in there, where the wheels put it.
const TOOLKIT_ROOT: &str = "nvidia/cu13";
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
        let nvcc = Nvcc::probe(path, Place::Variable("NVCC"));
        return nvcc.map(Found::Nvcc).map_err(|why| format!("NVCC: {why}"));
    }
    let mut refused = Vec::new();
    for (path, place) in candidates(environment) {
        if path.is_file() {
            match Nvcc::probe(path, place) {
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

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::kernels::tests::Scratch;

    /// A program at `path` that says what nvcc of this release would.
    fn fake(path: &Path, release: &str) -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        let line = format!("Cuda compilation tools, release {release}, V{release}.7");
        // Another process writes it: a program that this one still holds open cannot be run.
        let script = format!("printf '#!/bin/sh\\necho \"{line}\"\\n' > \"$0\" && chmod +x \"$0\"");
        let status = Command::new("sh").arg("-c").arg(script).arg(path).status()?;
        assert!(status.success());
        Ok(())
    }

    fn found(environment: &Environment) -> Option<(PathBuf, Place)> {
        match search(environment) {
            Ok(Found::Nvcc(nvcc)) => Some((nvcc.path, nvcc.place)),
            Ok(Found::None { .. }) | Err(_) => None,
        }
    }

    #[test]
    fn the_first_in_order_is_taken() -> std::io::Result<()> {
        let scratch = Scratch::new("search-order")?;
        let at = |name: &str| scratch.path().join(name);
        let places = [
            (at("named/my-nvcc"), Place::Variable("NVCC")),
            (at("home/bin/nvcc"), Place::Variable("CUDA_HOME")),
            (at("path/bin/nvcc"), Place::Variable("CUDA_PATH")),
            (in_target(&at("target")), Place::Toolkit),
            (at("programs/nvcc"), Place::Path),
            (at("usual/bin/nvcc"), Place::UsualFolder),
        ];
        for (path, _) in &places {
            fake(path, "13.0")?;
        }
        let environment = Environment {
            nvcc: Some(at("named/my-nvcc").into()),
            cuda_home: Some(at("home").into()),
            cuda_path: Some(at("path").into()),
            path: Some(at("programs").into()),
            targets: vec![at("elsewhere"), at("target")],
            usual: vec![at("usual")],
        };
        assert_eq!(found(&environment), Some(places[0].clone()));
        let environment = Environment { nvcc: None, ..environment };
        for place in &places[1..] {
            assert_eq!(found(&environment).as_ref(), Some(place));
            std::fs::remove_file(&place.0)?;
        }
        assert_eq!(found(&environment), None);
        Ok(())
    }

    #[test]
    fn a_name_is_looked_up_and_nothing_means_none() -> std::io::Result<()> {
        let scratch = Scratch::new("search-name")?;
        let path = scratch.path().join("nvcc-13");
        fake(&path, "13.0")?;
        let programs = Some(scratch.path().into());
        let named = |name: &str| Environment {
            nvcc: Some(name.into()),
            path: programs.clone(),
            usual: vec![scratch.path().into()],
            ..Environment::default()
        };
        assert_eq!(found(&named("nvcc-13")), Some((path, Place::Variable("NVCC"))));
        let nothing = Found::None { why: "NVCC is set to nothing".to_owned() };
        assert_eq!(search(&named("")), Ok(nothing));
        assert_eq!(search(&named("nvcc-14")), Err("NVCC: nvcc-14 is not there".to_owned()));
        Ok(())
    }

    #[test]
    fn one_that_is_too_old_is_passed_over_but_not_in_silence() -> std::io::Result<()> {
        let scratch = Scratch::new("search-old")?;
        let (old, new) = (scratch.path().join("old"), scratch.path().join("new"));
        fake(&old.join("bin/nvcc"), "11.8")?;
        let why = format!(
            "{}: expected release 12.0 or later, found 11.8.7",
            old.join("bin/nvcc").display()
        );
        let mut environment =
            Environment { cuda_home: Some(old.clone().into()), ..Environment::default() };
        match search(&environment) {
            Ok(Found::None { why: found }) => assert!(found.contains(&why), "{found}"),
            other => panic!("expected none, found {other:?}"),
        }
        fake(&new.join("bin/nvcc"), "12.0")?;
        environment.usual = vec![new.clone()];
        assert_eq!(found(&environment), Some((new.join("bin/nvcc"), Place::UsualFolder)));
        environment.nvcc = Some(old.join("bin/nvcc").into());
        assert_eq!(search(&environment), Err(format!("NVCC: {why}")));
        Ok(())
    }
}
