//! `cargo xtask install --prefix P`: the C interface, as C and C++ programs and their build tools find it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failure, Result, cannot_start, execute, plain_cargo, root, target_dir, version};

/// Builds the libraries for all architectures (COSMOE_CUDA_ARCHS says otherwise) and puts them, the header,
/// the pkg-config file and the licences under a folder. DESTDIR, if set, goes in front of it, for packagers.
pub(crate) fn install(prefix: &str) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("install: libraries are named for Linux only"));
    }
    let prefix = std::path::absolute(prefix)
        .map_err(|error| Failure::usage(format!("install: --prefix {prefix}: {error}")))?;
    const BUILD: [&str; 6] = ["build", "--quiet", "--release", "--lib", "--package", "cosmoe-capi"];
    execute(&mut plain_cargo(BUILD))?;

    let staged = staged(&prefix);
    let version = version()?;
    let soname = soname(&version)?;
    let built = target_dir().join("release");
    let sources = root().join("crates/cosmoe-capi");
    let lib = staged.join("lib");
    let shared = format!("libcosmoe.so.{version}");
    put(&built.join("libcosmoe_capi.so"), &lib.join(&shared))?;
    put(&built.join("libcosmoe_capi.a"), &lib.join("libcosmoe.a"))?;
    link(&shared, &lib.join(&soname))?;
    link(&soname, &lib.join("libcosmoe.so"))?;
    put(&sources.join("include/cosmoe.h"), &staged.join("include/cosmoe.h"))?;
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        put(&sources.join(name), &staged.join("share/licenses/cosmoe").join(name))?;
    }
    write(&lib.join("pkgconfig/cosmoe.pc"), &pkg_config(&prefix, &version, &native_libraries()?))?;
    println!(
        "cosmoe {version} for C is under {}; PKG_CONFIG_PATH={} lets pkg-config find it",
        staged.display(),
        lib.join("pkgconfig").display()
    );
    Ok(())
}

/// Where files go: the prefix, behind DESTDIR if that is set.
fn staged(prefix: &Path) -> PathBuf {
    let Some(destination) = std::env::var_os("DESTDIR").filter(|folder| !folder.is_empty()) else {
        return prefix.to_path_buf();
    };
    let inside = prefix.strip_prefix("/").unwrap_or(prefix);
    Path::new(&destination).join(inside)
}

/// As the library's build script names it: below 1.0 a new minor version breaks, from then on a new major one.
fn soname(version: &str) -> Result<String> {
    let mut numbers = version.split('.');
    match (numbers.next(), numbers.next()) {
        (Some("0"), Some(minor)) => Ok(format!("libcosmoe.so.0.{minor}")),
        (Some(major), Some(_)) => Ok(format!("libcosmoe.so.{major}")),
        _ => Err(Failure::new(format!("install: expected a version like 0.1.0, found {version}"))),
    }
}

fn pkg_config(prefix: &Path, version: &str, private: &str) -> String {
    // A blank would end the path.
    let prefix = prefix.display().to_string().replace(' ', "\\ ");
    format!(
        "prefix={prefix}\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: cosmoe\n\
         Description: Sparse Mixture-of-Experts routing on the CPU and on CUDA devices\n\
         Version: {version}\n\
         License: MIT OR Apache-2.0\n\
         Libs: -L${{libdir}} -lcosmoe\n\
         Libs.private: {private}\n\
         Cflags: -I${{includedir}}\n"
    )
}

/// What a program that links the static library needs besides: what every Rust library does.
fn native_libraries() -> Result<String> {
    // Of its own: another install may be at the same place.
    let folder = target_dir().join("native-libraries").join(std::process::id().to_string());
    create(&folder)?;
    let source = folder.join("empty.rs");
    write(&source, "")?;
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--crate-type", "staticlib", "--print", "native-static-libs", "--out-dir"]);
    let output = rustc.arg(&folder).arg(&source).output();
    let output = output.map_err(|error| cannot_start(&rustc, &error))?;
    let _ = std::fs::remove_dir_all(&folder);
    let said = String::from_utf8_lossy(&output.stderr);
    let found = said.lines().find_map(|line| line.split_once("native-static-libs: "));
    let (_, libraries) = found.ok_or_else(|| {
        Failure::new(format!("install: rustc names no native libraries, but says: {said}"))
    })?;
    Ok(libraries.trim().to_owned())
}

/// Copies a file; programs that have the old one mapped keep it.
fn put(from: &Path, to: &Path) -> Result<()> {
    let new = beside(to)?;
    std::fs::copy(from, &new).map_err(|error| problem(from, &error))?;
    std::fs::rename(&new, to).map_err(|error| problem(to, &error))
}

fn write(to: &Path, text: &str) -> Result<()> {
    let new = beside(to)?;
    std::fs::write(&new, text).map_err(|error| problem(&new, &error))?;
    std::fs::rename(&new, to).map_err(|error| problem(to, &error))
}

#[cfg(unix)]
fn link(to: &str, from: &Path) -> Result<()> {
    let new = beside(from)?;
    // What an interrupted run may have left.
    let _ = std::fs::remove_file(&new);
    std::os::unix::fs::symlink(to, &new).map_err(|error| problem(&new, &error))?;
    std::fs::rename(&new, from).map_err(|error| problem(from, &error))
}

#[cfg(not(unix))]
fn link(_to: &str, from: &Path) -> Result<()> {
    Err(problem(from, &std::io::ErrorKind::Unsupported.into()))
}

/// A name in the same folder, which is made if it is not there.
fn beside(path: &Path) -> Result<PathBuf> {
    create(path.parent().unwrap_or(path))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    Ok(name.into())
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| problem(folder, &error))
}

fn problem(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("install: {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_that_breaks_has_a_new_soname() {
        let of = |version| soname(version).map_err(|failure| failure.to_string());
        assert_eq!(of("0.1.0"), Ok("libcosmoe.so.0.1".to_owned()));
        assert_eq!(of("0.12.3"), Ok("libcosmoe.so.0.12".to_owned()));
        assert_eq!(of("2.3.4"), Ok("libcosmoe.so.2".to_owned()));
        assert!(of("2").is_err());
    }

    #[test]
    fn blanks_in_the_prefix_are_escaped() {
        let text = pkg_config(Path::new("/opt/my libs"), "0.1.0", "-lm");
        assert!(text.starts_with("prefix=/opt/my\\ libs\n"));
        assert!(text.contains("\nLibs.private: -lm\n"));
    }
}
