//! include/cosmoe.h is what cbindgen makes of the sources today.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let numbers: Vec<&str> = version.split('.').collect();
    let mut macros = format!("\n#define COSMOE_VERSION \"{version}\"\n");
    for (name, number) in ["MAJOR", "MINOR", "PATCH"].iter().zip(numbers) {
        macros.push_str(&format!("#define COSMOE_VERSION_{name} {number}\n"));
    }
    config.after_includes = config.after_includes.map(|text| macros + &text);
    let bindings = cbindgen::Builder::new().with_crate(root).with_config(config).generate();
    let mut text = Vec::new();
    bindings.unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_header_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/cosmoe.h");
    let new = generated();
    if std::env::var_os("COSMOE_BLESS").is_some() {
        std::fs::write(&path, &new).unwrap();
        return;
    }
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let line = old.lines().zip(new.lines()).position(|(old, new)| old != new);
    assert!(
        old == new,
        "include/cosmoe.h is stale from line {} on; make it anew with COSMOE_BLESS=1",
        line.map_or(old.lines().count().min(new.lines().count()), |line| line + 1)
    );
}
