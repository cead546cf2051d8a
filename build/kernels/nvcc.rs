//! Runs nvcc and turns what it says into a message that helps.

use std::path::Path;
use std::process::Command;

use super::Settings;

/// What nvcc reads from its surroundings beside its arguments.
const VARIABLES: [&str; 3] = ["NVCC_CCBIN", "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"];

/// Said at both stages: no fused multiply-add that is not written, and lines for the profiler.
const COMMON: [&str; 2] = ["-fmad=false", "-lineinfo"];

/// From CUDA C++ to PTX. Run in the package's root, so that names in messages and in the PTX are
/// short.
pub(crate) fn to_ptx(
    settings: &Settings,
    source: &str,
    ptx: &Path,
    dependencies: &Path,
) -> Command {
    let mut command = Command::new(&settings.nvcc.path);
    command.args(["--ptx", "-arch=compute_80", "-std=c++17"]).args(COMMON);
    command.args(["-ftz=false", "-prec-div=true", "-prec-sqrt=true", "-I", "kernels"]);
    command.arg("-MD").arg("-MF").arg(dependencies).arg(source).arg("-o").arg(ptx);
    command.current_dir(&settings.root);
    command
}

/// From PTX to machine code for every architecture, the PTX beside it. Run in the file's own
/// folder.
pub(crate) fn to_fatbin(settings: &Settings, name: &str, threads: usize, folder: &Path) -> Command {
    let mut command = Command::new(&settings.nvcc.path);
    command.args(["--fatbin", "--no-compress"]).args(COMMON).args(["-Xptxas", "-v", "-gencode"]);
    let codes = settings.archs.iter().map(|arch| format!("sm_{arch}"));
    let codes: Vec<_> = codes.chain(["compute_80".to_owned()]).collect();
    command.arg(format!("arch=compute_80,code=[{}]", codes.join(",")));
    command.arg("--threads").arg(threads.to_string());
    command.arg(format!("{name}.ptx")).arg("-o").arg(format!("{name}.fatbin"));
    command.current_dir(folder);
    command
}

/// The command line and everything else that decides what the compiler does, for a stamp.
pub(crate) fn identity(settings: &Settings, command: &Command) -> String {
    let variables = VARIABLES.map(|name| format!("{name}={:?}\n", std::env::var_os(name)));
    let version = &settings.nvcc.version;
    let file = super::stamp::of_files(std::slice::from_ref(&settings.nvcc.path));
    format!("{command:?}\n{version}\n{file}{}", variables.concat())
}

/// What the compiler printed. Its temporary files go to `folder`.
pub(crate) fn run(mut command: Command, source: &str, folder: &Path) -> Result<String, String> {
    for name in ["TMPDIR", "TMP", "TEMP"] {
        command.env(name, folder);
    }
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let mut says = String::from_utf8_lossy(&output.stdout).into_owned();
    says.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(says);
    }
    let hint = hint(&says).map_or(String::new(), |hint| format!("\n{hint}"));
    let says = says.trim_end();
    Err(format!(
        "{source}: nvcc ended with {}:\n{says}{hint}\nThe command was {command:?}",
        output.status
    ))
}

/// What to do about the failures that are not the source's fault.
fn hint(says: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 2] = [
        (
            "Failed to preprocess host compiler properties",
            "nvcc needs a C++ compiler of the host: install g++, or name one with NVCC_CCBIN.",
        ),
        (
            "unsupported GNU version",
            "This nvcc does not take this g++: name an older one with NVCC_CCBIN.",
        ),
    ];
    HINTS.iter().find(|(sign, _)| says.contains(sign)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_host_compiler_is_named() {
        let says = "gcc: No such file or directory\n\
                    nvcc fatal   : Failed to preprocess host compiler properties.";
        assert!(hint(says).is_some_and(|hint| hint.contains("install g++")));
        assert_eq!(hint("kernels/a.cu(3): error: expected a \";\""), None);
    }
}
