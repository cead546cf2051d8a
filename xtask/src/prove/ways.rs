//! Branches that depend on data no launch gives, such as a sum that leaves a range: each goes one way
//! throughout the launch, and all combinations of ways are proved in turn.

use std::path::PathBuf;

use super::Job;
use super::verdict::Verdict;
use super::verifier::Verifier;
use crate::run::target_dir;

/// Runs of SentryWard for one launch at most.
const RUNS: u32 = 64;

/// The verdict of all ways: race-free if all possible ones are.
pub(super) fn verdict(verifier: &Verifier, job: &Job) -> Verdict {
    let mut search = Search { verifier, job, runs: 0 };
    search.decided(&mut Vec::new())
}

struct Search<'a> {
    verifier: &'a Verifier,
    job: &'a Job,
    runs: u32,
}

impl Search<'_> {
    fn decided(&mut self, decisions: &mut Vec<(u64, bool)>) -> Verdict {
        self.runs += 1;
        if self.runs > RUNS {
            let why = format!("more than {RUNS} runs for the ways of its branches");
            return Verdict::Unsupported { why };
        }
        let found = match self.run(decisions) {
            Ok(verdict) => verdict,
            Err(why) => return Verdict::Refused { why },
        };
        let Verdict::Undecided { line } = found else { return found };
        if !self.job.ways {
            return found;
        }
        let both = [true, false].map(|taken| {
            decisions.push((line, taken));
            let verdict = self.decided(decisions);
            decisions.pop();
            verdict
        });
        match both {
            [
                Verdict::RaceFree { ways, accesses, threads },
                Verdict::RaceFree { ways: more, accesses: others, .. },
            ] => {
                let ways = ways.max(1) + more.max(1);
                Verdict::RaceFree { ways, accesses: accesses.max(others), threads }
            }
            [Verdict::RaceFree { ways, accesses, threads }, Verdict::Impossible]
            | [Verdict::Impossible, Verdict::RaceFree { ways, accesses, threads }] => {
                Verdict::RaceFree { ways: ways.max(1), accesses, threads }
            }
            [Verdict::RaceFree { .. } | Verdict::Impossible, worse] | [worse, _] => worse,
        }
    }

    fn run(&self, decisions: &[(u64, bool)]) -> Result<Verdict, String> {
        let report =
            self.verifier.run(&self.job.ptx, &self.path(), &self.job.input.json(decisions))?;
        Ok(Verdict::of(&report))
    }

    /// One file a launch: jobs run at the same time.
    fn path(&self) -> PathBuf {
        let name = self.job.name.replace([' ', ':', '/'], "-");
        target_dir().join("prove").join(format!("{name}.json"))
    }
}
