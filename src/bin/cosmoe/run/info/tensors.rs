//! What a file of tensors holds: a line or a JSON object for each.

use std::fmt::Write;
use std::path::Path;

use anstyle::Style;
use rayon::prelude::*;
use unicode_width::UnicodeWidthStr;

use crate::error::{Failure, one_line};
use crate::input::{Measure, Tensor, TensorFile};
use crate::report::{SCHEMA, array, object, value};

const HEADING: Style = Style::new().bold();

const COLUMNS: [&str; 7] =
    ["tensor", "dtype", "shape", "smallest row", "largest row", "NaN", "infinite"];

/// What a column holds where there is nothing to say.
const NOTHING: &str = "-";

/// A tensor and what its rows measure, where they are floats.
struct Listed<'a> {
    name: Option<&'a str>,
    tensor: Tensor<'a>,
    measure: Option<Measure>,
}

pub(super) fn list(path: &Path, json: bool) -> Result<String, Failure> {
    let file = TensorFile::open_to_list(path)?;
    // A checkpoint has thousands of small tensors: they are shared out, and so are large ones' rows.
    let measured = file.tensors().into_par_iter().map(|(name, tensor)| {
        let measure = tensor.measure();
        Listed { name, tensor, measure }
    });
    let tensors: Vec<Listed<'_>> = measured.collect();
    Ok(match json {
        true => to_json(&file, &tensors),
        false => table(&file, &tensors),
    })
}

fn to_json(file: &TensorFile, tensors: &[Listed<'_>]) -> String {
    let items = tensors.iter().map(|listed| {
        let measure = listed.measure;
        let norms = measure.and_then(|measure| measure.norms);
        object([
            ("name", value(listed.name)),
            ("dtype", value(listed.tensor.dtype().to_string())),
            ("shape", value(listed.tensor.shape())),
            ("smallest_row", value(norms.map(|(smallest, _)| smallest))),
            ("largest_row", value(norms.map(|(_, largest)| largest))),
            ("nan", value(measure.map(|measure| measure.nans))),
            ("infinite", value(measure.map(|measure| measure.infinities))),
        ])
    });
    let fields = [
        ("schema", value(SCHEMA)),
        ("command", value("info")),
        ("file", value(file.name())),
        ("tensors", array(items)),
    ];
    object(fields) + "\n"
}

fn table(file: &TensorFile, tensors: &[Listed<'_>]) -> String {
    let rows: Vec<[String; 7]> = tensors.iter().map(cells).collect();
    let widths = std::array::from_fn::<usize, 7, _>(|column| {
        let cells = rows.iter().map(|row| row[column].width());
        cells.chain([COLUMNS[column].width()]).max().unwrap_or(0)
    });
    let count = match tensors.len() {
        1 => "1 tensor".to_owned(),
        n => format!("{n} tensors"),
    };
    let title = format!("{}: {count}, {} bytes", one_line(file.name()), file.bytes());
    let mut text = format!("{HEADING}{title}{HEADING:#}\n");
    if tensors.is_empty() {
        return text;
    }
    // Writing to a string cannot fail.
    let heading = line(&COLUMNS.map(str::to_owned), &widths);
    let _ = writeln!(text, "\n{HEADING}{heading}{HEADING:#}");
    for row in &rows {
        let _ = writeln!(text, "{}", line(row, &widths));
    }
    text
}

fn cells(listed: &Listed<'_>) -> [String; 7] {
    let measure = listed.measure;
    let norms = measure.and_then(|measure| measure.norms);
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    [
        or_nothing(listed.name.map(one_line)),
        listed.tensor.dtype().to_string(),
        format!("{:?}", listed.tensor.shape()),
        or_nothing(norms.map(|(smallest, _)| norm(smallest))),
        or_nothing(norms.map(|(_, largest)| norm(largest))),
        or_nothing(measure.map(|measure| measure.nans.to_string())),
        or_nothing(measure.map(|measure| measure.infinities.to_string())),
    ]
}

/// Words to the left, numbers to the right.
fn line(cells: &[String; 7], widths: &[usize; 7]) -> String {
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        // By columns of a terminal, of which a character takes none to two.
        let gap = " ".repeat(width.saturating_sub(cell.width()));
        match column {
            0..=2 => format!("{cell}{gap}"),
            _ => format!("{gap}{cell}"),
        }
    });
    padded.collect::<Vec<_>>().join("  ")
}

fn norm(norm: f64) -> String {
    match norm {
        0.0 => "0".to_owned(),
        1e-3..1e6 => format!("{norm:.4}"),
        _ => format!("{norm:.4e}"),
    }
}
