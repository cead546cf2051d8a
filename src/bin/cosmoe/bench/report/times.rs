//! Tables of times.

use super::table::{columns, duration, number};
use super::{Limits, Measured, heading};

pub(super) fn tables(text: &mut String, limits: Option<Limits>, all: &[Measured]) {
    if let Some(limits) = limits {
        let (unit, name) = unit(Some(limits));
        *text += &format!(
            "limits: copy {} GB/s, {} {} {name}\n",
            number(limits.bytes_per_second / 1e9),
            limits.arithmetic,
            number(limits.flops_per_second / unit),
        );
    }
    for group in all.chunk_by(|a, b| a.shape == b.shape) {
        let Some(first) = group.first() else { continue };
        *text += &format!("\n{}\n", heading(&first.shape));
        let mut rows = vec![titles(limits, group)];
        rows.extend(group.iter().flat_map(|measured| lines(limits, measured)));
        columns(text, 2, &rows);
    }
}

/// What arithmetic is told in: a GPU does a thousand times a CPU's.
fn unit(limits: Option<Limits>) -> (f64, &'static str) {
    match limits {
        Some(limits) if limits.flops_per_second >= 1e13 => (1e12, "TFLOP/s"),
        _ => (1e9, "GFLOP/s"),
    }
}

fn titles(limits: Option<Limits>, group: &[Measured]) -> Vec<String> {
    let of_arithmetic = format!("of {}", limits.map_or("arithmetic", |limits| limits.arithmetic));
    let mut titles = ["operation", "", "median", "min", "p10", "p90", "repeats", "GB/s"].to_vec();
    titles.extend(["of copy", unit(limits).1, &of_arithmetic]);
    if group.iter().any(|measured| measured.launches.is_some()) {
        titles.push("launches");
    }
    titles.into_iter().map(str::to_owned).collect()
}

fn lines(limits: Option<Limits>, measured: &Measured) -> Vec<Vec<String>> {
    let work = &measured.work;
    let of_timing = |(i, timing): (usize, &super::Timing)| {
        let name = if i == 0 { measured.op.name() } else { "" };
        let mut cells = vec![name.to_owned(), timing.how.to_owned()];
        match limits.zip(timing.spread) {
            None => cells.extend(["-"; 9].map(str::to_owned)),
            Some((limits, spread)) => {
                let times = [spread.median, spread.min, spread.p10, spread.p90];
                cells.extend(times.map(duration));
                cells.push(spread.repeats.to_string());
                let bytes = work.bytes() as f64 / spread.median;
                cells.extend([number(bytes / 1e9), percent(bytes / limits.bytes_per_second)]);
                let flops = work.flops as f64 / spread.median;
                cells.extend(match work.flops {
                    0 => ["-".to_owned(), "-".to_owned()],
                    _ => [
                        number(flops / unit(Some(limits)).0),
                        percent(flops / limits.flops_per_second),
                    ],
                });
            }
        }
        if let Some(launches) = measured.launches {
            cells.push(launches.to_string());
        }
        cells
    };
    measured.timings.iter().enumerate().map(of_timing).collect()
}

fn percent(share: f64) -> String {
    format!("{}%", number(100.0 * share))
}
