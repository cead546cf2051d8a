//! Old and new figures side by side.

use super::table::{LAYOUT, Row, Table, columns};
use crate::run::{Failure, Result};

/// What changed.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// A line for each figure that changed, and for each row that came or went.
    pub(super) text: String,
    /// Figures that rose, and rows that are new.
    pub(super) rises: usize,
    pub(super) falls: usize,
    /// The table is for another compiler, whose PTX counts otherwise.
    compilers: Option<(String, String)>,
}

pub(super) fn compare(old: &Table, new: &Table) -> Verdict {
    let mut verdict = Verdict::default();
    if old.compiler != new.compiler {
        verdict.compilers = Some((old.compiler.clone(), new.compiler.clone()));
    }
    for row in &new.rows {
        match old.rows.iter().find(|other| other.names == row.names) {
            Some(other) => verdict.figures(other, row),
            None => {
                verdict.rises += 1;
                verdict.text += &format!("new   {}\n", row.names.join(" "));
            }
        }
    }
    for row in &old.rows {
        if !new.rows.iter().any(|other| other.names == row.names) {
            verdict.falls += 1;
            verdict.text += &format!("gone  {}\n", row.names.join(" "));
        }
    }
    verdict
}

impl Verdict {
    fn figures(&mut self, old: &Row, new: &Row) {
        let about = new.names.join(" ");
        for (name, (&old, &new)) in columns().zip(old.figures.iter().zip(&new.figures)) {
            let kind = match new > old {
                _ if new == old => continue,
                _ if LAYOUT.contains(&name) => "other",
                true => "rise",
                false => "fall",
            };
            self.rises += usize::from(kind == "rise");
            self.falls += usize::from(kind == "fall");
            let share = match old {
                0 => String::new(),
                _ => format!(" ({:+.2}%)", 100.0 * (new as f64 / old as f64 - 1.0)),
            };
            self.text += &format!("{kind:5} {about}: {name} {old} -> {new}{share}\n");
        }
    }

    pub(super) fn result(&self) -> Result<()> {
        let bless = "`cargo xtask budgets --bless` writes it anew";
        if let Some((old, new)) = &self.compilers {
            let message = format!("budgets.tsv: expected kernels by nvcc {old}, found {new}");
            return Err(Failure::new(format!("{message}; {bless}")));
        }
        if self.rises > 0 {
            let rises = self.rises;
            let message =
                format!("{rises} figures above budgets.tsv; where that is meant, {bless}");
            return Err(Failure::new(message));
        }
        if self.falls > 0 {
            println!("{} figures below budgets.tsv: {bless}", self.falls);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kernels: &[(&str, u64)]) -> Table {
        let row = |&(kernel, figure): &(&str, u64)| Row {
            names: ["route", "1,2,3,4", "f32", "-", kernel].map(str::to_owned),
            figures: vec![figure; columns().count()],
        };
        Table { compiler: "13".to_owned(), rows: kernels.iter().map(row).collect() }
    }

    #[test]
    fn only_rises_fail() {
        let same = compare(&table(&[("a", 100)]), &table(&[("a", 100)]));
        assert_eq!((same.text.as_str(), same.result().is_ok()), ("", true));
        let fall = compare(&table(&[("a", 100), ("b", 1)]), &table(&[("a", 99)]));
        assert!(fall.result().is_ok());
        assert!(fall.text.contains("fall  route 1,2,3,4 f32 - a: launches 100 -> 99 (-1.00%)\n"));
        assert!(fall.text.contains("other route 1,2,3,4 f32 - a: blocks 100 -> 99"));
        assert!(fall.text.contains("gone  route 1,2,3,4 f32 - b\n"));
        let rise = compare(&table(&[("a", 0)]), &table(&[("a", 1)]));
        assert!(rise.result().is_err());
        assert!(rise.text.contains("rise  route 1,2,3,4 f32 - a: launches 0 -> 1\n"));
        let new = compare(&table(&[]), &table(&[("a", 1)]));
        assert!(new.result().is_err());
        assert_eq!(new.text, "new   route 1,2,3,4 f32 - a\n");
    }

    #[test]
    fn a_table_of_another_compiler_is_no_comparison() {
        let other = Table { compiler: "12".to_owned(), ..table(&[]) };
        assert!(compare(&other, &table(&[])).result().is_err());
    }
}
