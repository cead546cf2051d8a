//! The result as a table: one line per expert, and a summary.

use std::fmt::Write;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use cosmoe::PlanConfig;
use unicode_width::UnicodeWidthStr;

use super::{Facts, score_name};
use crate::device::Device;
use crate::error::one_line;
use crate::names::{BIAS_PLACEMENTS, GATES};
use crate::run::Dispatch;

const BAR: usize = 24;
const WIDTH: usize = 96;

/// Experts that get a line. More would be read by nobody; JSON has all.
const LISTED: usize = 1024;

const HEADING: Style = Style::new().bold();
const BARS: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Cyan)));
const QUIET: Style = Style::new().dimmed();

pub(crate) fn table(
    facts: &Facts<'_>,
    plan: &PlanConfig,
    dispatch: &Dispatch,
    device: &Device,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{HEADING}{}{HEADING:#}\n", title(facts, plan));
    experts(&mut text, facts, dispatch);
    let _ = write!(text, "\n{QUIET}");
    for line in summary(facts, plan, dispatch, device) {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "{QUIET:#}");
    text
}

fn title(facts: &Facts<'_>, plan: &PlanConfig) -> String {
    let mut title = format!("{} tokens", facts.tokens);
    if let Some(hidden) = facts.hidden {
        title += &format!(" x {hidden}");
    }
    if let Some(dtype) = facts.dtype {
        title += &format!(" {dtype}");
    }
    title += &format!(" -> {} experts, top {}", plan.num_experts(), facts.top_k);
    let mut choices: Vec<&str> = Vec::new();
    choices.extend(facts.score.and_then(score_name));
    choices.extend(facts.config.and_then(|config| GATES.name(config.gate())));
    if facts.bias == Some(true) {
        choices.extend(facts.config.and_then(|c| BIAS_PLACEMENTS.name(c.bias_placement())));
    }
    if !choices.is_empty() {
        title += &format!(" ({})", choices.join(", "));
    }
    title
}

fn experts(text: &mut String, facts: &Facts<'_>, dispatch: &Dispatch) {
    let most = dispatch.counts.iter().copied().max().unwrap_or(0);
    let placed = dispatch.placed();
    let id_width = digits(dispatch.counts.len()).max("expert".len());
    let widest = dispatch.demand.iter().copied().max().unwrap_or(0);
    let load_width = digits(widest.unsigned_abs() as usize).max("demand".len());
    // Demand is told where it is not the load.
    let with_demand = dispatch.dropped > 0;

    let mut heading = format!("{:>id_width$}  {:>load_width$}", "expert", "load");
    if with_demand {
        heading += &format!("  {:>load_width$}", "demand");
    }
    heading += &format!("  {:>6}", "share");
    let used = heading.len() + 2 + BAR + 2;
    let typical = facts.typical.as_deref().unwrap_or_default();
    if typical.iter().any(|list| !list.is_empty()) {
        heading += &format!("  {:BAR$}  typical tokens", "");
    }
    let _ = writeln!(text, "{HEADING}{heading}{HEADING:#}");

    let loads = dispatch.counts.iter().zip(&dispatch.demand);
    for (expert, (&count, &demand)) in loads.enumerate().take(LISTED) {
        let _ = write!(text, "{expert:>id_width$}  {count:>load_width$}");
        if with_demand {
            let _ = write!(text, "  {demand:>load_width$}");
        }
        let share = match placed {
            0 => 0.0,
            placed => 100.0 * f64::from(count) / placed as f64,
        };
        let bar = bar(count, most);
        let _ = write!(text, "  {share:>5.1}%");
        let words = typical.get(expert).map(|list| fit(list, WIDTH.saturating_sub(used)));
        let words = words.unwrap_or_default();
        let gap = match words.is_empty() {
            true => 0,
            false => BAR - bar.chars().count(),
        };
        if !bar.is_empty() || gap > 0 {
            let _ = write!(text, "  {BARS}{bar}{BARS:#}{:gap$}", "");
        }
        if !words.is_empty() {
            let _ = write!(text, "  {words}");
        }
        text.push('\n');
    }
    if let Some(more @ 1..) = dispatch.counts.len().checked_sub(LISTED) {
        let _ = writeln!(text, "... and {more} more");
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Blocks in eighths of a cell on a terminal, plain characters elsewhere.
fn bar(count: i32, most: i32) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if count <= 0 || most <= 0 {
        return String::new();
    }
    let cells = f64::from(count) / f64::from(most) * BAR as f64;
    if std::io::stdout().is_terminal() {
        let eighths = ((cells * 8.0).round() as usize).max(1);
        return "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    }
    "#".repeat((cells.round() as usize).max(1))
}

/// As many words as fit into `width` columns of a terminal, where a character takes none to two.
fn fit(words: &[String], width: usize) -> String {
    let mut line = String::new();
    let mut used = 0;
    for word in words {
        let len = word.width() + if line.is_empty() { 0 } else { 1 };
        if used + len > width {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        used += len;
    }
    line
}

fn summary(
    facts: &Facts<'_>,
    plan: &PlanConfig,
    dispatch: &Dispatch,
    device: &Device,
) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(format!(
        "assignments  {} placed, {} dropped, {} invalid, {} masked",
        dispatch.placed(),
        dispatch.dropped,
        dispatch.invalid,
        dispatch.masked(),
    ));
    let mut rows =
        format!("rows         {}, {} of them padding", dispatch.rows(), dispatch.padding());
    if plan.align() > 1 {
        rows += &format!(" to multiples of {}", plan.align());
    }
    if let Some(capacity) = dispatch.capacity {
        rows += &format!("; capacity {capacity} per expert");
    }
    lines.push(rows);
    if let Some(entropy) = dispatch.load_entropy() {
        // Experts outside a window get no rows by design.
        let window = plan.expert_window();
        let even = (window.len() as f64).ln();
        let mean = dispatch.placed() as f64 / window.len() as f64;
        let counts = dispatch.counts.get(window.clone()).unwrap_or_default();
        let most = counts.iter().copied().max().unwrap_or(0);
        let least = counts.iter().copied().min().unwrap_or(0);
        let mut load = format!(
            "load         {least} to {most}, mean {mean:.1}; entropy {entropy:.3} of {even:.3} nats"
        );
        if window.len() < plan.num_experts() {
            load += &format!("; experts {} to {}", window.start, window.end.saturating_sub(1));
        }
        lines.push(load);
    }
    let seconds = facts.seconds.unwrap_or(dispatch.seconds);
    lines.push(format!("time         {} on {}", duration(seconds), device.label()));
    if let Some(out) = facts.out {
        lines.push(format!("written      {}", one_line(&out.to_string_lossy())));
    }
    lines
}

fn duration(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{:.1} us", seconds * 1e6)
    }
}
