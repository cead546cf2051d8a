//! Gives the shared library its soname: programs look for the version that they were linked with.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Set by cargo-fuzz.
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    if var("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    // As for crates: below 1.0 a new minor version breaks, from then on a new major one.
    let (major, minor) = (var("CARGO_PKG_VERSION_MAJOR"), var("CARGO_PKG_VERSION_MINOR"));
    let version = if major == "0" { format!("{major}.{minor}") } else { major };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcosmoe.so.{version}");
}
