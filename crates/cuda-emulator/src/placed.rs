//! From findings to reports: where in PTX and source, which block and thread.

use crate::exec::program::Program;
use crate::exec::run::Fault;
use crate::machine::Launch;
use crate::module::Module;
use crate::report::{Finding, Kind, Report};

/// A finding of a copy, memset or free.
pub(crate) fn host_report(finding: Finding) -> Report {
    nowhere(finding.kind, finding.kind.code(), String::new(), finding.detail)
}

/// A launch that does not start.
pub(crate) fn refused(launch: &Launch<'_>, code: i32, why: String) -> Report {
    nowhere(Kind::Unsupported, code, launch.kernel.to_owned(), why)
}

/// A report without a place.
fn nowhere(kind: Kind, code: i32, kernel: String, detail: String) -> Report {
    Report {
        kind,
        code,
        kernel,
        ptx_line: 0,
        instruction: String::new(),
        source: None,
        inlined_at: None,
        block: [0; 3],
        thread: [0; 3],
        detail,
        other: None,
    }
}

/// A fault with its place in the PTX and in the source.
pub(crate) fn placed(
    module: &Module,
    program: &Program,
    launch: &Launch<'_>,
    fault: Fault,
) -> Report {
    let describe = |pc: u32| {
        let place = program.places.get(pc as usize)?;
        let source = place.source.and_then(|source| module.source(source.file, source.line));
        let call = place.source.and_then(|source| source.call);
        let call = call.and_then(|(file, line)| module.source(file, line));
        Some((place.line, module.line(place.line), source, call))
    };
    let (ptx_line, instruction, source, inlined_at) = describe(fault.pc).unwrap_or_default();
    let other = fault.finding.other_pc.and_then(describe).map(|(line, text, source, call)| {
        let call = call.map_or(String::new(), |call| format!(", inlined at {call}"));
        let source = source.map_or(String::new(), |source| format!(" ({source}{call})"));
        format!("PTX line {line}: {text}{source}")
    });
    let [x, y, _] = launch.grid.map(u64::from);
    let block = [fault.block % x, fault.block / x % y, fault.block / x / y].map(|i| i as u32);
    let linear = fault.warp * 32 + fault.finding.lane;
    let [bx, by, _] = launch.block;
    Report {
        kind: fault.finding.kind,
        code: fault.finding.kind.code(),
        kernel: program.name.clone(),
        ptx_line,
        instruction,
        source,
        inlined_at,
        block,
        thread: [linear % bx, linear / bx % by, linear / bx / by],
        detail: fault.finding.detail,
        other,
    }
}
