//! Builds one source file in two stages, each skipped when its inputs are as they were: CUDA C++ to
//! PTX, which is checked, and that PTX to a fatbin.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::usage::{self, Report, Usage};
use super::{Settings, depfile, fatbin, nvcc, ptx, rules, stamp};

/// One file of `kernels/`, built.
#[derive(Debug)]
pub(crate) struct Module {
    /// The file's stem.
    pub(crate) name: String,
    pub(crate) fatbin: PathBuf,
    pub(crate) fatbin_len: usize,
    /// Where in the fatbin the PTX lies.
    pub(crate) ptx: Range<usize>,
    pub(crate) archs: Vec<u32>,
    pub(crate) kernels: Vec<Kernel>,
}

/// One kernel of it.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) parameters: Vec<u32>,
    pub(crate) max_threads: Option<u32>,
    /// By architecture.
    pub(crate) usage: Vec<Usage>,
}

/// A module, what it was built from, and what the compilers had to say.
pub(crate) struct Output {
    pub(crate) module: Module,
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

/// Builds `kernels/NAME.cu`; `threads` compilers may run at once.
pub(crate) fn build(settings: &Settings, name: &str, threads: usize) -> Result<Output, String> {
    let stage = Stage {
        settings,
        source: format!("kernels/{name}.cu"),
        folder: settings.out.join(name),
        name,
    };
    std::fs::create_dir_all(&stage.folder).map_err(|error| problem(&stage.folder, &error))?;
    let (text, inputs, mut warnings) = stage.ptx()?;
    let broken = rules::violations(&text);
    if !broken.is_empty() {
        let source = &stage.source;
        return Err(format!("{source}: its PTX breaks a rule:\n{}", broken.join("\n")));
    }
    let (fatbin, report) = stage.fatbin(&text, threads)?;
    let prefixed = |text: &String| format!("{}: {text}", stage.source);
    warnings.extend(report.warnings.iter().map(prefixed));
    let module = stage.module(&text, fatbin, &report)?;
    Ok(Output { module, inputs, warnings })
}

/// The file that is being built.
struct Stage<'a> {
    settings: &'a Settings,
    source: String,
    folder: PathBuf,
    name: &'a str,
}

impl Stage<'_> {
    /// The checked text, the files it came from, the compiler's warnings.
    fn ptx(&self) -> Result<(String, Vec<PathBuf>, Vec<String>), String> {
        let file = |name| self.folder.join(name);
        let (compiled, dependencies) = (file("compiled.ptx"), file("compiled.d"));
        let (log, mark) = (file("compiled.log"), file("compiled.stamp"));
        let command = nvcc::to_ptx(self.settings, &self.source, &compiled, &dependencies);
        let identity = nvcc::identity(self.settings, &command);
        // The files that the last compilation read: if none of them changed, it would read the same
        // ones again.
        let inputs = || {
            let text = std::fs::read_to_string(&dependencies).unwrap_or_default();
            depfile::files(&text, &self.settings.root)
        };
        let now = |inputs: &[PathBuf]| format!("{identity}{}", stamp::of_files(inputs));
        let last = inputs();
        if last.is_empty() || !stamp::is_fresh(&mark, &now(&last)) {
            stamp::clear(&mark)?;
            // Taken before: a file that changes meanwhile counts as changed.
            let before = std::time::SystemTime::now();
            write(&log, &nvcc::run(command, &self.source, &self.folder)?)?;
            let read = inputs();
            if !read.iter().any(|path| changed_since(path, before)) {
                write(&mark, &now(&read))?;
            }
        }
        let origins = ptx::Origins::new(&self.settings.root, &self.settings.nvcc.path);
        let text = ptx::with_short_names(&read(&compiled)?, &origins);
        let says = read(&log)?;
        let warnings = (!says.trim().is_empty()).then(|| says.trim_end().to_owned());
        Ok((text, inputs(), warnings.into_iter().collect()))
    }

    /// The fatbin's bytes and ptxas's report.
    fn fatbin(&self, text: &str, threads: usize) -> Result<(Vec<u8>, Report), String> {
        let file = |name: &str| self.folder.join(name);
        let (log, mark) = (file("fatbin.log"), file("fatbin.stamp"));
        let command = nvcc::to_fatbin(self.settings, self.name, threads, &self.folder);
        let stamp = format!("{}{}", nvcc::identity(self.settings, &command), stamp::of_text(text));
        if !stamp::is_fresh(&mark, &stamp) {
            stamp::clear(&mark)?;
            write(&file(&format!("{}.ptx", self.name)), text)?;
            write(&log, &nvcc::run(command, &self.source, &self.folder)?)?;
            write(&mark, &stamp)?;
        }
        let path = self.fatbin_path();
        let bytes = std::fs::read(&path).map_err(|error| problem(&path, &error))?;
        Ok((bytes, usage::read(&read(&log)?)))
    }

    fn fatbin_path(&self) -> PathBuf {
        self.folder.join(format!("{}.fatbin", self.name))
    }

    fn module(&self, text: &str, fatbin: Vec<u8>, report: &Report) -> Result<Module, String> {
        let ptx = fatbin::find(&fatbin, text).ok_or_else(|| {
            let version = &self.settings.nvcc.version;
            format!("{}: the fatbin of nvcc {version} does not hold the PTX as it is", self.source)
        })?;
        let entries = ptx::entries(text).map_err(|why| format!("{}: {why}", self.source))?;
        let kernels = entries.into_iter().map(|entry| {
            let mut usage: Vec<_> =
                report.usage.iter().filter(|usage| usage.kernel == entry.name).cloned().collect();
            usage.sort_by_key(|usage| usage.arch);
            let found: Vec<u32> = usage.iter().map(|usage| usage.arch).collect();
            if found != self.settings.archs || usage.iter().any(|usage| usage.registers == 0) {
                let expected = &self.settings.archs;
                let kernel = &entry.name;
                let says = format!("expected ptxas -v to report on {expected:?}, found {found:?}");
                return Err(format!("{}: {kernel}: {says}", self.source));
            }
            let ptx::Entry { name, parameters, max_threads } = entry;
            Ok(Kernel { name, parameters, max_threads, usage })
        });
        Ok(Module {
            name: self.name.to_owned(),
            fatbin: self.fatbin_path(),
            fatbin_len: fatbin.len(),
            ptx,
            archs: self.settings.archs.clone(),
            kernels: kernels.collect::<Result<_, _>>()?,
        })
    }
}

fn changed_since(path: &Path, time: std::time::SystemTime) -> bool {
    std::fs::metadata(path).and_then(|meta| meta.modified()).is_ok_and(|changed| changed >= time)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| problem(path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| problem(path, &error))
}

fn problem(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
