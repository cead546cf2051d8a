//! Reads from PTX what the host needs to know: kernels, their parameters and launch bounds. Cleans
//! the names of source files, so that a build does not depend on where it was made.

use std::path::{Component, Path, PathBuf};

/// A kernel as its PTX declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Bytes of each parameter.
    pub(crate) parameters: Vec<u32>,
    /// Threads of a block by `.maxntid` or `.reqntid`.
    pub(crate) max_threads: Option<u32>,
}

/// Every `.entry`, in the order of the file.
pub(crate) fn entries(ptx: &str) -> Result<Vec<Entry>, String> {
    let mut rest = ptx;
    let mut entries = Vec::new();
    while let Some((_, after)) = rest.split_once(".entry ") {
        let (head, body) = after.split_once('{').ok_or("an .entry without a body")?;
        entries
            .push(entry(head).ok_or_else(|| format!("an .entry that is not understood: {head}"))?);
        rest = body;
    }
    Ok(entries)
}

/// From the name to the body: `name(.param ..., ...) .maxntid 256, 1, 1`.
fn entry(head: &str) -> Option<Entry> {
    let (name, after) = head.split_once('(').unwrap_or((head, ")"));
    let (parameters, directives) = after.split_once(')')?;
    let declarations = parameters.split(',').map(str::trim).filter(|text| !text.is_empty());
    let parameters = declarations.map(parameter_bytes).collect::<Option<_>>()?;
    let max_threads = directives.lines().find_map(|line| {
        let line = line.trim();
        let sizes = line.strip_prefix(".maxntid").or_else(|| line.strip_prefix(".reqntid"))?;
        sizes.split(',').map(|size| size.trim().parse::<u32>().ok()).product()
    });
    Some(Entry { name: name.trim().to_owned(), parameters, max_threads })
}

/// `.param .align 8 .b8 name[16]` is 16, `.param .u32 name` 4.
fn parameter_bytes(declaration: &str) -> Option<u32> {
    let count = match declaration.split_once('[') {
        Some((_, count)) => count.strip_suffix(']')?.trim().parse().ok()?,
        None => 1,
    };
    let words = declaration.split_whitespace();
    let mut widths = words.filter_map(|word| bytes_of_type(word.strip_prefix('.')?));
    Some(widths.next()? * count)
}

fn bytes_of_type(name: &str) -> Option<u32> {
    let bits = name.strip_prefix(['b', 'u', 's', 'f'])?.parse::<u32>().ok()?;
    matches!(bits, 8 | 16 | 32 | 64).then_some(bits / 8)
}

/// Where source files lie: a package's become `kernels/...`, CUDA's headers `cuda/include/...`.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    prefixes: Vec<(PathBuf, &'static str)>,
}

impl Origins {
    pub(crate) fn new(root: &Path, nvcc: &Path) -> Self {
        let toolkit = |nvcc: &Path| nvcc.parent().and_then(Path::parent).map(Path::to_path_buf);
        let mut prefixes = Vec::new();
        let both = |path: &Path| [Some(path.to_path_buf()), path.canonicalize().ok()];
        prefixes.extend(both(root).into_iter().flatten().map(|path| (path, "")));
        let toolkits = both(nvcc).into_iter().flatten().filter_map(|path| toolkit(&path));
        prefixes.extend(toolkits.map(|path| (plain(&path), "cuda")));
        Self { prefixes }
    }

    fn short(&self, path: &str) -> String {
        let path = plain(Path::new(path));
        let mut shorts = self.prefixes.iter().filter_map(|(prefix, name)| {
            let rest = path.strip_prefix(prefix).ok()?;
            Some(Path::new(name).join(rest).display().to_string())
        });
        shorts.next().unwrap_or_else(|| path.display().to_string())
    }
}

/// Without `..` and doubled slashes.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            component => plain.push(component),
        }
    }
    plain
}

/// The PTX with its source files' names made short. Nothing else changes, and no line moves.
pub(crate) fn with_short_names(ptx: &str, origins: &Origins) -> String {
    let mut text = String::with_capacity(ptx.len());
    for line in ptx.split_inclusive('\n') {
        match file_directive(line) {
            Some((number, path)) => {
                let short = origins.short(path).replace('\\', "/");
                text.push_str(&format!("\t.file\t{number} \"{short}\"\n"));
            }
            None => text.push_str(line),
        }
    }
    text
}

/// `.file 1 "path"`: the number and the path.
pub(crate) fn file_directive(line: &str) -> Option<(u32, &str)> {
    let rest = line.trim().strip_prefix(".file")?;
    let (number, path) = rest.trim_start().split_once(' ')?;
    let (path, _) = path.trim_start().strip_prefix('"')?.split_once('"')?;
    Some((number.parse().ok()?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = "\
.visible .entry first(
\t.param .align 8 .b8 first_param_0[24],
\t.param .u32 first_param_1,
\t.param .u16 first_param_2
)
.maxntid 128, 2, 1
.minnctapersm 2
{
\tret;
}
.weak .entry _Z6secondv()
{
\tret;
}
\t.file\t1 \"/here/kernels/a.cu\"
\t.file\t2 \"/opt/cuda/bin/..//include/cuda_fp16.hpp\"
\t.file\t3 \"/usr/include/stdlib.h\"
";

    #[test]
    fn kernels_have_parameters_and_bounds() -> Result<(), String> {
        let first =
            Entry { name: "first".into(), parameters: vec![24, 4, 2], max_threads: Some(256) };
        let second = Entry { name: "_Z6secondv".into(), parameters: vec![], max_threads: None };
        assert_eq!(entries(PTX)?, [first, second]);
        assert_eq!(
            entries(".entry odd(.param .align 8 .b9 x[24]) {"),
            Err("an .entry that is not understood: odd(.param .align 8 .b9 x[24]) ".to_owned())
        );
        Ok(())
    }

    #[test]
    fn names_do_not_say_where_it_was_built() {
        let origins = Origins::new(Path::new("/here"), Path::new("/opt/cuda/bin/nvcc"));
        let text = with_short_names(PTX, &origins);
        let files: Vec<_> = text.lines().filter_map(file_directive).collect();
        let expected =
            [(1, "kernels/a.cu"), (2, "cuda/include/cuda_fp16.hpp"), (3, "/usr/include/stdlib.h")];
        assert_eq!(files, expected);
        assert_eq!(text.lines().count(), PTX.lines().count());
    }
}
