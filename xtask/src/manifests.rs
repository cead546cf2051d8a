//! The manifests that the documentation shows: versions and features must be there to be had.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::run::{Failure, Result, cannot_start, plain_cargo, root, succeeded, target_dir};

const FILES: [&str; 5] = [
    "README.md",
    "docs/building.md",
    "docs/linking.md",
    "crates/cosmoe-candle/README.md",
    "crates/cosmoe-capi/README.md",
];

/// What is not published yet is taken from here.
const OURS: [(&str, &str); 3] = [
    ("cosmoe", ""),
    ("cosmoe-candle", "crates/cosmoe-candle"),
    ("cosmoe-capi", "crates/cosmoe-capi"),
];

/// Cargo resolves every block of TOML as the dependencies of a package.
pub(crate) fn check() -> Result<()> {
    let folder = target_dir().join("manifests");
    let mut count = 0;
    for file in FILES {
        let text = read(&root().join(file))?;
        for block in blocks(&text) {
            let package = folder.join(count.to_string());
            write(&package.join("Cargo.toml"), &manifest(block))?;
            write(&package.join("src/lib.rs"), "")?;
            // The versions that all else is tested with.
            write(&package.join("Cargo.lock"), &read(&root().join("Cargo.lock"))?)?;
            println!("{file}: {}", block.trim().replace('\n', " "));
            resolve(&package)?;
            count += 1;
        }
    }
    if count == 0 {
        return Err(Failure::new(format!("{}: expected blocks of TOML", FILES.join(", "))));
    }
    println!("{count} manifests");
    Ok(())
}

/// The fenced blocks of TOML.
fn blocks(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// A package with those dependencies: a block may have the table's name or not.
fn manifest(block: &str) -> String {
    let table = if block.contains("[dependencies]") { "" } else { "[dependencies]\n" };
    let patches: Vec<String> = OURS
        .iter()
        .filter(|(name, _)| block.contains(name))
        .map(|(name, folder)| format!("{name}.path = {:?}\n", root().join(folder).display()))
        .collect();
    format!(
        "[package]\nname = \"shown\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n{table}{block}\n\
         [patch.crates-io]\n{}\n[workspace]\n",
        patches.concat()
    )
}

fn resolve(package: &Path) -> Result<()> {
    let mut tree = plain_cargo(["tree", "--quiet", "--edges", "features", "--all-features"]);
    tree.current_dir(package).stdout(Stdio::null());
    let status = tree.status().map_err(|error| cannot_start(&tree, &error))?;
    succeeded(&tree, status)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| problem(path, &error))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&folder).map_err(|error| problem(&folder, &error))?;
    std::fs::write(path, text).map_err(|error| problem(path, &error))
}

fn problem(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_and_without_the_tables_name() {
        let text = "a\n```toml\n[dependencies]\nx = \"1\"\n```\nb\n```toml\ny = \"2\"\n```\n```sh\nno\n```\n";
        let found: Vec<&str> = blocks(text).collect();
        assert_eq!(found, ["[dependencies]\nx = \"1\"\n", "y = \"2\"\n"]);
        assert_eq!(manifest(found[0]).matches("[dependencies]").count(), 1);
        assert!(manifest(found[1]).contains("[dependencies]\ny = \"2\"\n"));
    }

    #[test]
    fn features_that_are_not_there_are_found() {
        let package = target_dir().join("manifests/wrong");
        let block = "cosmoe = { version = \"0.1\", features = [\"absent\"] }\n";
        write(&package.join("Cargo.toml"), &manifest(block)).expect("a manifest");
        write(&package.join("src/lib.rs"), "").expect("a source");
        assert!(resolve(&package).is_err());
    }
}
