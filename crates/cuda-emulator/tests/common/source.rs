//! From a line of PTX back to the lines of the CUDA source, through `.loc` and its `inlined_at`; and
//! the marks in that source that say what must be caught where.

use std::collections::BTreeMap;

/// Lines of the file `NAME.cu` that the PTX line stands for, innermost first: the line itself and,
/// where it was inlined, the calls around it. Independent of the emulator's own reading of `.loc`.
pub fn lines_of(ptx: &str, ptx_line: u32, file: &str) -> Vec<u32> {
    let before: Vec<&str> = ptx.lines().take(ptx_line as usize).collect();
    let index = ptx.lines().find_map(|line| {
        let rest = line.trim().strip_prefix(".file")?;
        rest.contains(&format!("{file}\"")).then(|| rest.split_whitespace().next())??.parse().ok()
    });
    let index: u32 = index.unwrap_or_else(|| panic!("no .file of {file}"));
    let mut found = Vec::new();
    let mut at = before.iter().rev().find_map(|line| Location::parse(line));
    while let Some(location) = at {
        if location.place.0 == index {
            found.push(location.place.1);
        }
        let Some(outer) = location.inlined_at else { break };
        at =
            before.iter().rev().find_map(|line| Location::parse(line).filter(|l| l.place == outer));
        at.get_or_insert(Location { place: outer, inlined_at: None });
    }
    found
}

/// `.loc FILE LINE COLUMN[, function_name LABEL, inlined_at FILE LINE COLUMN]`
struct Location {
    place: (u32, u32, u32),
    inlined_at: Option<(u32, u32, u32)>,
}

impl Location {
    fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix(".loc")?;
        let (own, outer) =
            rest.split_once("inlined_at").map_or((rest, None), |(a, b)| (a, Some(b)));
        let triple = |text: &str| {
            let mut words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty());
            let mut next = || words.next()?.parse().ok();
            Some((next()?, next()?, next()?))
        };
        Some(Self { place: triple(own)?, inlined_at: outer.and_then(triple) })
    }
}

/// What one case must be caught as: kind and line, any of them.
pub type Marks = BTreeMap<String, Vec<(String, u32)>>;

/// Reads `// caught: KIND (NAME), KIND (NAME)` at the ends of lines.
pub fn marks(source: &str) -> Marks {
    let mut marks = Marks::new();
    for (line, text) in (1..).zip(source.lines()) {
        let Some((_, list)) = text.split_once("// caught: ") else { continue };
        for mark in list.split(", ") {
            let (kind, name) = mark.trim().split_once(" (").unwrap_or_else(|| panic!("{text}"));
            let name = name.strip_suffix(')').unwrap_or_else(|| panic!("{text}"));
            marks.entry(name.to_owned()).or_default().push((kind.to_owned(), line));
        }
    }
    marks
}
