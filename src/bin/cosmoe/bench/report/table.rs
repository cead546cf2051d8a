//! The result as tables, one for each shape.

use std::fmt::Write;

use anstyle::Style;

#[cfg(feature = "cuda")]
use super::counts;
use super::{Bench, Results, times};
use crate::device::Device;

pub(super) const HEADING: Style = Style::new().bold();

pub(in crate::bench) fn table(bench: &Bench, device: &Device) -> String {
    let mut text = format!("{HEADING}{} on {}{HEADING:#}", bench.dtype, device.label());
    if let Some(machine) = &bench.machine {
        text += &format!(", {machine}");
    }
    if let Some(policy) = &bench.policy {
        text += &format!(", policy {policy}");
    }
    text.push('\n');
    match &bench.results {
        Results::Measured { limits, all } => times::tables(&mut text, *limits, all),
        #[cfg(feature = "cuda")]
        Results::Counted(all) => counts::tables(&mut text, all),
    }
    text
}

/// Rows of cells below a heading, columns as wide as their widest cell; the first `left` of them to the left.
pub(super) fn columns(text: &mut String, left: usize, rows: &[Vec<String>]) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    for (i, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = match column < left {
                true => write!(line, "  {cell:width$}"),
                false => write!(line, "  {cell:>width$}"),
            };
        }
        let line = line.trim_end();
        *text += &match i {
            0 => format!("{HEADING}{line}{HEADING:#}\n"),
            _ => format!("{line}\n"),
        };
    }
}

/// Two or three digits, and a unit.
pub(super) fn duration(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds >= 1e-6 {
        format!("{:.1} us", seconds * 1e6)
    } else {
        format!("{:.0} ns", seconds * 1e9)
    }
}

/// Three digits at least.
pub(super) fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0.123, 12.34, 1234.5].map(number), ["0.12", "12.3", "1234"]);
        let times = [42e-9, 2e-6, 3.5e-3, 2.0].map(duration);
        assert_eq!(times, ["42 ns", "2.0 us", "3.50 ms", "2.00 s"]);
    }
}
