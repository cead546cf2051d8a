//! Tables of counts, and of the bounds that follow from them.
#![cfg(feature = "cuda")]

use anstyle::Style;

use super::table::{HEADING, columns, duration};
use super::{Counted, heading};
use crate::bench::counted::{Bounds, GPUS, Kernel, LAUNCH};

const QUIET: Style = Style::new().dimmed();

pub(super) fn tables(text: &mut String, all: &[Counted]) {
    *text += "emulated: exact counts and no times; registers and the like as ptxas says for ";
    let arch = cosmoe::cuda::architectures().first().copied().unwrap_or(0);
    *text += &format!("sm_{arch}\n");
    for group in all.chunk_by(|a, b| a.shape == b.shape) {
        let Some(first) = group.first() else { continue };
        *text += &format!("\n{}\n", heading(&first.shape));
        let titles = [
            "operation",
            "kernel",
            "launches",
            "blocks",
            "threads",
            "registers",
            "sectors read",
            "written",
            "MB read",
            "written",
            "conflicts",
            "mma",
            "instructions",
        ];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        rows.extend(group.iter().flat_map(kernels));
        columns(text, 2, &rows);
        *text += &format!("{HEADING}  lower bound, not a measurement{HEADING:#}\n");
        let names = GPUS.iter().map(|gpu| gpu.name);
        let titles = ["operation", "L2"].into_iter().chain(names).map(str::to_owned);
        let mut rows = vec![titles.collect()];
        rows.extend(group.iter().flat_map(bounds));
        columns(text, 2, &rows);
    }
    *text += &format!(
        "\n{QUIET}A bound is the time of what binds, were all else free: memory, L2, mma, f32 or issue. *: below {0}, the\n\
         launch of a graph; calls of one graph share it. docs/benchmarking.md has the rates and what they are from.{QUIET:#}\n",
        duration(LAUNCH)
    );
}

fn kernels(counted: &Counted) -> Vec<Vec<String>> {
    let of_kernel = |(i, kernel): (usize, &Kernel)| {
        let name = if i == 0 { counted.op.name() } else { "" };
        let usage = usage(kernel);
        let figure = |name: &str| grouped(kernel.figure(name));
        let megabytes = |name: &str| format!("{:.3}", kernel.figure(name) as f64 / 1e6);
        vec![
            name.to_owned(),
            kernel.name.trim_start_matches("cosmoe_").to_owned(),
            kernel.launches.to_string(),
            grouped(kernel.blocks),
            kernel.threads.to_string(),
            usage.map_or_else(|| "-".to_owned(), |build| build.registers.to_string()),
            figure("read_sectors"),
            figure("write_sectors"),
            megabytes("read_bytes"),
            megabytes("written_bytes"),
            figure("bank_conflicts"),
            grouped(kernel.mma.values().sum()),
            grouped(kernel.all_instructions()),
        ]
    };
    counted.kernels.iter().enumerate().map(of_kernel).collect()
}

/// Warm and, where it is another anywhere, cold.
fn bounds(counted: &Counted) -> Vec<Vec<String>> {
    let all = GPUS.iter().map(|gpu| Bounds::new(gpu, &counted.work, &counted.kernels));
    let all: Vec<Bounds> = all.collect();
    let row = |name: &str, how: &str, cells: &mut dyn Iterator<Item = String>| {
        [name.to_owned(), how.to_owned()].into_iter().chain(cells).collect()
    };
    let time = |seconds: f64, limit: &str| {
        let mark = if seconds < LAUNCH { "*" } else { "" };
        format!("{} {limit}{mark}", duration(seconds))
    };
    let warm = all.iter().map(|bounds| time(bounds.warm(), bounds.limit()));
    let mut rows = vec![row(counted.op.name(), "warm", &mut { warm })];
    if all.iter().any(|bounds| bounds.cold() > bounds.warm()) {
        let cold = all.iter().map(|bounds| match bounds.cold() > bounds.warm() {
            true => time(bounds.cold(), "memory"),
            false => "as warm".to_owned(),
        });
        rows.push(row("", "cold", &mut { cold }));
    }
    rows
}

/// What ptxas says of a kernel for the first architecture of the build.
pub(super) fn usage(kernel: &Kernel) -> Option<&'static cosmoe::cuda::Build> {
    let mut all = cosmoe::cuda::kernels();
    all.find(|known| known.name == kernel.name).and_then(|known| known.builds.first())
}

/// With a comma every three digits.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        let counts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
    }
}
