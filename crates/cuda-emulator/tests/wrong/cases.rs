//! Runs a family of wrong kernels against the marks in its source.

use cuda_emulator::config::Config;
use cuda_emulator::report::Report;

use crate::common::device::Device;
use crate::common::{compile, configurations, source};

/// One wrong kernel and its twin.
pub(crate) struct Case {
    /// The template's name in the source.
    pub(crate) name: &'static str,
    /// Sets up memory and launches; the flag says whether it is the wrong kernel's run.
    pub(crate) run: fn(&mut Device, &Kernel) -> Result<(), Report>,
    /// Resident blocks at least, where blocks wait for one another.
    pub(crate) resident: u32,
    /// Changes to the configuration.
    pub(crate) configure: fn(&mut Config),
}

/// What a case's setup is told.
pub(crate) struct Kernel {
    /// `NAME_wrong` or `NAME_right`.
    pub(crate) name: String,
    /// Is it the wrong one?
    pub(crate) wrong: bool,
}

/// A case with nothing special.
pub(crate) const fn case(
    name: &'static str,
    run: fn(&mut Device, &Kernel) -> Result<(), Report>,
) -> Case {
    Case { name, run, resident: 1, configure: |_| {} }
}

impl Case {
    /// Needs so many blocks at a time.
    pub(crate) const fn resident(self, resident: u32) -> Self {
        Self { resident, ..self }
    }

    /// With a changed configuration.
    pub(crate) const fn configure(self, configure: fn(&mut Config)) -> Self {
        Self { configure, ..self }
    }
}

/// Runs all cases of `wrong/FAMILY.cu` and demands that they are all that the source marks.
pub(crate) fn family(family: &str, cases: &[Case]) {
    let Some(ptx) = compile::ptx("wrong", family) else { return };
    let marks = source::marks(&compile::source("wrong", family));
    let marked: Vec<&str> = marks.keys().map(String::as_str).collect();
    let mut named: Vec<&str> = cases.iter().map(|case| case.name).collect();
    named.sort_unstable();
    assert_eq!(marked, named, "the marks in {family}.cu and the cases here");

    let mut failures = Vec::new();
    for case in cases {
        for config in configurations(case.resident) {
            // Without checks a mistake is anything: only the right twin is run.
            for wrong in [true, false].into_iter().filter(|&wrong| config.checks || !wrong) {
                if let Err(what) = run(&ptx, family, case, wrong, config.clone(), &marks) {
                    let Config { seed, checks, resident_blocks, .. } = config;
                    let run = format!("seed {seed}, checks {checks}, resident {resident_blocks}");
                    failures.push(format!("{} ({run}): {what}", case.name));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn run(
    ptx: &str,
    family: &str,
    case: &Case,
    wrong: bool,
    mut config: Config,
    marks: &source::Marks,
) -> Result<(), String> {
    (case.configure)(&mut config);
    let mut device = Device::new(ptx, config);
    let kernel =
        Kernel { name: format!("{}_{}", case.name, if wrong { "wrong" } else { "right" }), wrong };
    let result = (case.run)(&mut device, &kernel);
    match (result, wrong) {
        (Ok(()), false) => Ok(()),
        (Ok(()), true) => Err("was not caught".to_owned()),
        (Err(report), false) => Err(format!("the right twin is reported: {report}")),
        (Err(report), true) => {
            let lines = source::lines_of(ptx, report.ptx_line, &format!("/{family}.cu"));
            let expected = &marks[case.name];
            let found = expected
                .iter()
                .any(|(kind, line)| *kind == report.kind.name() && lines.contains(line));
            // The report says both ends of the way there: the innermost line and the kernel's own.
            let ends = |text: &Option<String>, line: Option<&u32>| {
                text.as_deref()
                    .zip(line)
                    .is_some_and(|(text, line)| text.ends_with(&format!("{family}.cu:{line}")))
            };
            let said =
                ends(&report.source, lines.first()) || ends(&report.inlined_at, lines.last());
            // Of two accesses of a launch the other one has a place too.
            let other = report.other.is_some() || report.kind.name() != "race";
            if found && other && said && report.kernel.ends_with("_wrong") {
                return Ok(());
            }
            Err(format!("expected {expected:?}, found lines {lines:?}, report: {report}"))
        }
    }
}
