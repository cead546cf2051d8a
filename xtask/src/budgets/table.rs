//! The table: a line for each operation, shape, dtype, policy and kernel.

/// What a row is about.
pub(super) const NAMES: [&str; 5] = ["op", "shape", "dtype", "policy", "kernel"];

/// Numbers of a kernel, as `cosmoe bench --json` names them.
pub(super) const FIGURES: [&str; 18] = [
    "launches",
    "blocks",
    "threads",
    "dynamic_shared",
    "registers",
    "static_shared",
    "stack",
    "spills",
    "read_sectors",
    "write_sectors",
    "read_bytes",
    "written_bytes",
    "shared_wavefronts",
    "bank_conflicts",
    "global_atomics",
    "shared_atomics",
    "barriers",
    "divergent_branches",
];

/// Warp instructions by class: the columns after those.
pub(super) const CLASSES: [&str; 19] = [
    "integer",
    "f32",
    "f16",
    "f64",
    "special-function",
    "convert",
    "move",
    "predicate",
    "load",
    "store",
    "atomic",
    "async-copy",
    "mma",
    "ldmatrix",
    "warp",
    "barrier",
    "fence",
    "control",
    "other",
];

/// Figures that say how work is laid out, not what it costs.
pub(super) const LAYOUT: [&str; 2] = ["blocks", "threads"];

const ABOUT: &str = "# Exact counts on the emulated device and ptxas' figures for sm_80; written by \
                     `cargo xtask budgets --bless`.";
const COMPILER: &str = "# Kernels by nvcc ";

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The version of the compiler that made the kernels.
    pub(super) compiler: String,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) names: [String; NAMES.len()],
    /// As many as [`columns`].
    pub(super) figures: Vec<u64>,
}

/// The names of all figures.
pub(super) fn columns() -> impl Iterator<Item = &'static str> {
    FIGURES.into_iter().chain(CLASSES)
}

impl Table {
    pub(super) fn to_text(&self) -> String {
        let titles: Vec<&str> = NAMES.into_iter().chain(columns()).collect();
        let mut text = format!("{ABOUT}\n{COMPILER}{}\n{}\n", self.compiler, titles.join("\t"));
        for row in &self.rows {
            let figures = row.figures.iter().map(u64::to_string);
            let cells: Vec<String> = row.names.iter().cloned().chain(figures).collect();
            text += &format!("{}\n", cells.join("\t"));
        }
        text
    }

    /// An error names the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for (i, line) in text.lines().enumerate() {
            let wrong = |what: &str| format!("line {}: expected {what}, found {line:?}", i + 1);
            if let Some(compiler) = line.strip_prefix(COMPILER) {
                compiler.clone_into(&mut table.compiler);
            } else if !line.starts_with('#') {
                let cells: Vec<&str> = line.split('\t').collect();
                if cells.len() != NAMES.len() + columns().count() {
                    return Err(wrong("a cell for each column"));
                }
                let (names, figures) = cells.split_at(NAMES.len());
                if names == NAMES {
                    continue;
                }
                let names: [&str; NAMES.len()] =
                    names.try_into().map_err(|_| wrong("names first"))?;
                let figures: Result<Vec<u64>, _> = figures.iter().map(|f| f.parse()).collect();
                let figures = figures.map_err(|_| wrong("whole numbers"))?;
                table.rows.push(Row { names: names.map(str::to_owned), figures });
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let figures = (0..columns().count() as u64).collect();
        let names = ["route", "1,2,3,4", "f32", "-", "k"].map(str::to_owned);
        let table = Table { compiler: "13.0.88".to_owned(), rows: vec![Row { names, figures }] };
        assert_eq!(Table::parse(&table.to_text()), Ok(table));
        let error = Table::parse("a\tb").expect_err("two cells");
        assert_eq!(error, "line 1: expected a cell for each column, found \"a\\tb\"");
    }
}
