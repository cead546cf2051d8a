//! An installed prefix, and programs built against it with what pkg-config says.

pub(crate) mod device;
pub(crate) mod numbers;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn root() -> PathBuf {
    here().join("../..").canonicalize().unwrap()
}

/// What `cargo xtask install` makes, for this process to use.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &PREFIX
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let prefix = folder.path().join("prefix");
            succeed(&mut install(&prefix));
            (folder, prefix)
        })
        .1
}

/// The command that installs.
pub(crate) fn install(prefix: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["xtask", "install", "--prefix"]).arg(prefix).current_dir(root());
    cargo.env_remove("DESTDIR");
    cargo
}

/// Runs a command, which must succeed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What pkg-config answers, as words.
pub(crate) fn pkg_config(question: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    let output = succeed(command.args(question).arg("cosmoe"));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

/// A compiler with all the warnings that a careful user turns on, as errors.
pub(crate) fn strict(compiler: &str, standard: &str) -> Command {
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}"));
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-O1"]);
    // The tests compare bits with those of Rust, which fuses nothing.
    command.arg("-ffp-contract=off");
    command
}

/// A program made of one source file and the shared library.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Program {
    pub(crate) fn new(mut compiler: Command, source: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        compiler.arg(source).arg("-o").arg(&path).args(pkg_config(&["--cflags", "--libs"]));
        compiler.arg(format!("-Wl,-rpath,{}", prefix().join("lib").display()));
        succeed(compiler.arg("-ldl"));
        Self { path, _folder: folder }
    }

    /// The engine of the examples: what it writes.
    pub(crate) fn results(&self, device: &str) -> Vec<u8> {
        let file = self.path.with_extension("out");
        let mut command = Command::new(&self.path);
        if device == "cuda" {
            // Drivers map memory where AddressSanitizer has its gap, and keep their contexts.
            command.env("ASAN_OPTIONS", "protect_shadow_gap=0:detect_leaks=0");
        }
        let output = succeed(command.arg(device).arg(&file));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("on {device}: 37 tokens, 74 rows of 8 experts")), "{said}");
        std::fs::read(&file).unwrap()
    }
}
