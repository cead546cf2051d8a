//! One roofline: what memory and arithmetic allow at each intensity, and where operations are.

use std::fmt::Write;

use super::axis::{Axis, label};
use crate::bench::op::Op;

/// An operation of a shape.
pub(super) struct Point {
    pub(super) op: Op,
    pub(super) tokens: usize,
    /// Flops a byte.
    pub(super) intensity: f64,
    /// Flops a second.
    pub(super) rate: f64,
    /// What is shown beside the mouse.
    pub(super) title: String,
}

pub(super) struct Panel<'a> {
    /// The roofs, in words.
    pub(super) title: &'a str,
    /// Bytes a second.
    pub(super) slope: f64,
    /// Flops a second.
    pub(super) flat: f64,
    pub(super) points: &'a [Point],
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Whether the axes are named here, or by a neighbour.
    pub(super) names: (bool, bool),
}

pub(super) const GREY: &str = "#6b7280";
const GRID: &str = "#e5e7eb";
const ROOF: &str = "#374151";

/// Colours that the colour-blind can tell apart.
pub(super) fn colour(op: Op) -> &'static str {
    match op {
        Op::Prepare => "#555555",
        Op::Route => "#0072b2",
        Op::RouteAndPlan => "#d55e00",
        Op::Select => "#e69f00",
        Op::Plan => "#56b4e9",
        Op::Gather => "#cc79a7",
        Op::Combine => "#009e73",
    }
}

impl Panel<'_> {
    pub(super) fn draw(&self, svg: &mut String) {
        self.grid(svg);
        self.roofs(svg);
        for point in self.points {
            let (x, y) = (self.x.at(point.intensity), self.y.at(point.rate));
            marker(svg, (x, y), point.op, point.tokens, &point.title);
        }
    }

    fn grid(&self, svg: &mut String) {
        let ((left, right), (bottom, top)) = (self.x.places(), self.y.places());
        for value in self.x.ticks() {
            let x = self.x.at(value);
            line(svg, (x, bottom), (x, top), GRID, 1.0);
            text(svg, (x, bottom + 16.0), "middle", 11, GREY, &label(value));
        }
        for value in self.y.ticks() {
            let y = self.y.at(value);
            line(svg, (left, y), (right, y), GRID, 1.0);
            text(svg, (left - 6.0, y + 4.0), "end", 11, GREY, &label(value));
        }
        text(svg, (left, top - 8.0), "start", 13, "#111827", self.title);
        if self.names.0 {
            let middle = (left + right) / 2.0;
            text(svg, (middle, bottom + 34.0), "middle", 12, GREY, "flop / byte");
        }
        if self.names.1 {
            let at = format!("{:.1} {:.1}", left - 52.0, (top + bottom) / 2.0);
            let _ = writeln!(
                svg,
                r#"<text transform="translate({at}) rotate(-90)" text-anchor="middle" font-size="12" fill="{GREY}">flop / s</text>"#
            );
        }
    }

    fn roofs(&self, svg: &mut String) {
        let ((low, high), (least, _)) = (self.x.values(), self.y.values());
        let (bandwidth, peak) = (self.slope, self.flat);
        let ridge = (peak / bandwidth).clamp(low, high);
        let place = |intensity: f64| {
            let rate = (intensity * bandwidth).min(peak);
            (self.x.at(intensity), self.y.at(rate))
        };
        line(svg, place(low.max(least / bandwidth)), place(ridge), ROOF, 1.8);
        line(svg, place(ridge), place(high), ROOF, 1.8);
    }
}

/// A round marker for few tokens, a square for more than 256. A plan beside a route is a ring around the route's, as
/// both have all but the same place.
pub(super) fn marker(svg: &mut String, at: (f64, f64), op: Op, tokens: usize, title: &str) {
    let (x, y, colour) = (at.0, at.1, colour(op));
    let (radius, style) = match op {
        Op::RouteAndPlan => (6.5, format!(r#"fill="none" stroke="{colour}" stroke-width="1.5""#)),
        _ => (4.0, format!(r##"fill="{colour}" fill-opacity="0.75" stroke="#ffffff""##)),
    };
    let (corner, side) = (|place: f64| place - radius, 2.0 * radius);
    let title = escaped(title);
    let _ = match tokens {
        ..=256 => writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" {style}><title>{title}</title></circle>"#
        ),
        _ => writeln!(
            svg,
            r#"<rect x="{:.1}" y="{:.1}" width="{side}" height="{side}" {style}><title>{title}</title></rect>"#,
            corner(x),
            corner(y)
        ),
    };
}

pub(super) fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
    let _ = writeln!(
        svg,
        r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}" stroke-width="{width}"/>"#,
        from.0, from.1, to.0, to.1
    );
}

pub(super) fn text(
    svg: &mut String,
    at: (f64, f64),
    anchor: &str,
    size: u32,
    colour: &str,
    words: &str,
) {
    let words = escaped(words);
    let _ = writeln!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{words}</text>"#,
        at.0, at.1
    );
}

/// A device's name may hold anything.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
