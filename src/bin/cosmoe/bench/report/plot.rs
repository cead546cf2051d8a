//! The result as a picture: rooflines, and below them what only moves bytes.

use std::fmt::Write;

use super::axis::{Axis, label};
use super::panel::{GREY, Panel, Point, line, marker, text};
use super::table::number;
use super::{Bench, Limits, Measured, Results, Timing, heading};
use crate::bench::op::Op;
use crate::bench::shapes::Shape;
use crate::bench::work::Work;
use crate::device::Device;

const WIDTH: f64 = 960.0;

pub(in crate::bench) fn plot(bench: &Bench, device: &Device) -> String {
    match &bench.results {
        Results::Measured { limits: Some(limits), all } => measured(bench, device, *limits, all),
        Results::Measured { limits: None, .. } => {
            let title = "emulated: times mean nothing and are not shown";
            start(60.0, title, [].into_iter()) + "</svg>\n"
        }
        #[cfg(feature = "cuda")]
        Results::Counted(all) => bounds(bench, all),
    }
}

fn measured(bench: &Bench, device: &Device, limits: Limits, all: &[Measured]) -> String {
    let timed = all.iter().filter_map(|measured| Some((measured, median(measured)?)));
    let timed: Vec<(&Measured, f64)> = timed.collect();
    let points: Vec<Point> =
        timed.iter().filter_map(|(m, s)| point(m.op, &m.shape, &m.work, *s)).collect();
    let moved: Vec<&(&Measured, f64)> = timed.iter().filter(|(m, _)| m.work.flops == 0).collect();
    let rows: Vec<Op> =
        Op::ALL.into_iter().filter(|op| moved.iter().any(|(m, _)| m.op == *op)).collect();
    let (left, right, top, bottom) = (70.0, WIDTH - 30.0, 84.0, 420.0);
    let (copy, peak) = (limits.bytes_per_second, limits.flops_per_second);
    let roofs =
        format!("copy {} GB/s, {} {}flop/s", number(copy / 1e9), limits.arithmetic, label(peak));
    let title = format!("{} on {}: median, warm", bench.dtype, device.label());
    let panel = Panel {
        title: &roofs,
        slope: copy,
        flat: peak,
        points: &points,
        x: intensities(&points, peak / copy, (left, right)),
        y: rates(&points, peak, (bottom, top)),
        names: (true, true),
    };
    let strip = bottom + 80.0;
    let height =
        if rows.is_empty() { bottom + 50.0 } else { strip + 24.0 * rows.len() as f64 + 50.0 };
    let mut svg = start(height, &title, points.iter().map(|p| (p.op, p.tokens)));
    panel.draw(&mut svg);
    if !rows.is_empty() {
        let end = strip + 24.0 * rows.len() as f64;
        let speed = |m: &Measured, seconds: f64| m.work.bytes() as f64 / seconds / 1e9;
        let limit = limits.bytes_per_second / 1e9;
        let values = moved.iter().map(|(m, s)| speed(m, *s)).chain([limit]);
        let x = Axis::around(values, (left, right));
        for value in x.ticks() {
            line(&mut svg, (x.at(value), strip), (x.at(value), end), "#e5e7eb", 1.0);
            text(&mut svg, (x.at(value), end + 16.0), "middle", 11, GREY, &label(value));
        }
        line(&mut svg, (x.at(limit), strip - 4.0), (x.at(limit), end), "#374151", 1.8);
        text(&mut svg, (x.at(limit), strip - 8.0), "middle", 11, "#374151", "copy");
        text(
            &mut svg,
            ((left + right) / 2.0, end + 34.0),
            "middle",
            12,
            GREY,
            "GB / s, no arithmetic",
        );
        for (i, op) in rows.iter().enumerate() {
            let y = strip + 24.0 * i as f64 + 12.0;
            text(&mut svg, (left - 6.0, y + 4.0), "end", 11, GREY, op.name());
            for (m, seconds) in moved.iter().filter(|(m, _)| m.op == *op) {
                let title = format!("{}: {}", op.name(), heading(&m.shape));
                marker(&mut svg, (x.at(speed(m, *seconds)), y), *op, m.shape.tokens, &title);
            }
        }
    }
    svg + "</svg>\n"
}

#[cfg(feature = "cuda")]
fn bounds(bench: &Bench, all: &[super::Counted]) -> String {
    use crate::bench::counted::{Bounds, GPUS, Gpu};

    let wide = bench.dtype != cosmoe::DType::F32;
    let peak = |gpu: &Gpu| if wide { gpu.matrix } else { gpu.f32_flops() };
    let points: Vec<Vec<Point>> = GPUS
        .iter()
        .map(|gpu| {
            let of = |c: &super::Counted| {
                let seconds = Bounds::new(gpu, &c.work, &c.kernels).warm();
                point(c.op, &c.shape, &c.work, seconds)
            };
            all.iter().filter_map(of).collect()
        })
        .collect();
    let title = format!(
        "{}, operands in L2, launches free: upper bounds of the rate from exact counts, not measurements",
        bench.dtype
    );
    let every = || points.iter().flatten();
    // All panels have the same axes.
    let most = |of: &dyn Fn(&Gpu) -> f64| GPUS.iter().map(of).fold(0.0, f64::max);
    let (ridge, highest) = (most(&|gpu| peak(gpu) / gpu.memory), most(&peak));
    let mut svg = start(720.0, &title, every().map(|p| (p.op, p.tokens)));
    for (i, (gpu, points)) in GPUS.iter().zip(&points).enumerate() {
        let (column, row) = ((i % 3) as f64, (i / 3) as f64);
        let (left, top) = (70.0 + 300.0 * column, 110.0 + 300.0 * row);
        let flat = peak(gpu);
        let memory = number(gpu.memory / 1e12);
        let title = format!("{}: {memory} TB/s, {}flop/s", gpu.name, label(flat));
        Panel {
            title: &title,
            slope: gpu.memory,
            flat,
            points,
            x: intensities(every(), ridge, (left, left + 240.0)),
            y: rates(every(), highest, (top + 220.0, top)),
            names: (row > 0.0, column == 0.0),
        }
        .draw(&mut svg);
    }
    svg + "</svg>\n"
}

/// Of the warm times, where there are some.
fn median(measured: &Measured) -> Option<f64> {
    let warm = |timing: &&Timing| timing.how == "warm";
    measured.timings.iter().find(warm)?.spread.as_ref().map(|spread| spread.median)
}

fn point(op: Op, shape: &Shape, work: &Work, seconds: f64) -> Option<Point> {
    let (intensity, rate) = (work.intensity()?, work.flops as f64 / seconds);
    let title = format!("{}: {}", op.name(), heading(shape));
    Some(Point { op, tokens: shape.tokens, intensity, rate, title })
}

fn intensities<'a>(
    points: impl IntoIterator<Item = &'a Point>,
    ridge: f64,
    places: (f64, f64),
) -> Axis {
    Axis::around(points.into_iter().map(|point| point.intensity).chain([ridge]), places)
}

fn rates<'a>(points: impl IntoIterator<Item = &'a Point>, peak: f64, places: (f64, f64)) -> Axis {
    Axis::around(points.into_iter().map(|point| point.rate).chain([peak]), places)
}

/// The picture's first lines: its size, title and legend.
fn start(height: f64, title: &str, shown: impl Iterator<Item = (Op, usize)>) -> String {
    let shown: Vec<(Op, usize)> = shown.collect();
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif">
<rect width="100%" height="100%" fill="#ffffff"/>
"##
    );
    text(&mut svg, (24.0, 28.0), "start", 16, "#111827", title);
    let mut x = 30.0;
    for op in Op::ALL.into_iter().filter(|op| shown.iter().any(|(other, _)| other == op)) {
        marker(&mut svg, (x, 48.0), op, 1, op.name());
        text(&mut svg, (x + 10.0, 52.0), "start", 12, GREY, op.name());
        x += 30.0 + 7.0 * op.name().len() as f64;
    }
    if shown.iter().any(|&(_, tokens)| tokens > 256) {
        let _ = writeln!(
            svg,
            r#"<rect x="{:.1}" y="43.5" width="9" height="9" fill="none" stroke="{GREY}"/>"#,
            x - 4.5
        );
        text(&mut svg, (x + 10.0, 52.0), "start", 12, GREY, "more than 256 tokens");
    }
    svg
}
