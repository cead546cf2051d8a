//! What SentryWard's report comes to. Its exit code is no verdict, and a result without complete checks
//! is none either.

use serde_json::Value;

use super::Expected;

/// One launch's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No race and no barrier trouble in any schedule; in so many ways of branches on unknown data,
    /// 0 if there are none.
    RaceFree { ways: u32, accesses: u64, threads: u64 },
    /// A race or a barrier that does not work, with the lines of the CUDA source if known.
    Finding { what: String, lines: Vec<u32> },
    /// Nothing is known, and why.
    Unsupported { why: String },
    /// The launch is not described as SentryWard wants it.
    Refused { why: String },
    /// A branch on data, at this line of the PTX, that nothing decides.
    Undecided { line: u64 },
    /// A branch was decided otherwise than what is known of it: there is no such launch.
    Impossible,
}

impl Verdict {
    pub(super) fn of(report: &Value) -> Self {
        let result = report["result"].as_str().unwrap_or("no result");
        let passed = |check: &str| report["checks"][check] == "passed";
        let first = &report["diagnostics"][0];
        let code = first["code"].as_str().unwrap_or("no code");
        let message = first["message"].as_str().unwrap_or("").lines().next().unwrap_or("");
        match result {
            "race_free" if passed("synchronization") && passed("memory") => {
                let count = |name: &str| report["counts"][name].as_u64().unwrap_or(0);
                let (accesses, threads) = (count("memory_accesses"), count("threads"));
                Verdict::RaceFree { ways: 0, accesses, threads }
            }
            "potential_race" | "not_wellsynced" | "invalid_lifecycle" => {
                let (what, lines) = witness(report);
                Verdict::Finding { what: format!("{result}{what}"), lines }
            }
            _ if code == "control_predicate_not_static" => {
                match first["details"]["location"]["line"].as_u64() {
                    Some(line) => Verdict::Undecided { line },
                    None => Verdict::Unsupported { why: code.to_owned() },
                }
            }
            _ if message.contains("disagrees with fixed-input branch contract") => {
                Verdict::Impossible
            }
            // nvcc declares a function before it defines it.
            "invalid_input" if message.contains("duplicate function") => {
                Verdict::Unsupported { why: "it reads no module with calls in it".to_owned() }
            }
            "invalid_input" | "missing_input" | "no result" => {
                Verdict::Refused { why: format!("{result}: {code}: {message}") }
            }
            _ => Verdict::Unsupported { why: format!("{result}: {code}: {message}") },
        }
    }

    /// Is it what was expected?
    pub(super) fn is(&self, expected: &Expected) -> bool {
        match (self, expected) {
            (Verdict::RaceFree { .. }, Expected::RaceFree | Expected::Missed)
            | (Verdict::Unsupported { .. } | Verdict::Undecided { .. }, Expected::Unsupported) => {
                true
            }
            (Verdict::Finding { lines, .. }, Expected::Finding(expected)) => {
                lines.is_empty() || lines.iter().any(|line| expected.contains(line))
            }
            _ => false,
        }
    }
}

/// The two accesses of the first race: a phrase and their lines.
fn witness(report: &Value) -> (String, Vec<u32>) {
    let race = &report["races"][0];
    let place = |which: &str| {
        let location = &race[which]["location"];
        let line = u32::try_from(location["line"].as_u64()?).ok()?;
        let file = location["file"].as_str()?.rsplit('/').next()?.to_owned();
        let (mode, actor) = (race[which]["mode"].as_str()?, race[which]["actor"].as_u64()?);
        Some((format!("{mode} by thread {actor} at {file}:{line}"), line))
    };
    match (place("first"), place("second")) {
        (Some((first, a)), Some((second, b))) => (format!(": {first}, {second}"), vec![a, b]),
        _ => (String::new(), Vec::new()),
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::RaceFree { ways, accesses, threads } => {
                write!(f, "race_free ({threads} threads, {accesses} accesses")?;
                if *ways > 0 {
                    write!(f, ", {ways} way(s) of branches on data")?;
                }
                f.write_str(")")
            }
            Verdict::Finding { what, .. } => write!(f, "FINDING {what}"),
            Verdict::Unsupported { why } => write!(f, "unsupported: {why}"),
            Verdict::Refused { why } => write!(f, "REFUSED: {why}"),
            Verdict::Undecided { line } => {
                write!(f, "unsupported: the branch at PTX line {line} depends on data")
            }
            Verdict::Impossible => {
                f.write_str("unsupported: no way of its branches on data is possible")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_complete_checks_are_a_pass() {
        let report = |memory: &str| json!({ "result": "race_free", "checks": { "synchronization": "passed", "memory": memory } });
        assert!(Verdict::of(&report("passed")).is(&Expected::RaceFree));
        assert!(Verdict::of(&report("incomplete")).is(&Expected::Unsupported));
        assert!(!Verdict::of(&report("incomplete")).is(&Expected::RaceFree));
        assert!(!Verdict::of(&json!({})).is(&Expected::Unsupported));
    }

    #[test]
    fn a_race_has_the_lines_of_its_accesses() {
        let at = |line: u32| json!({ "location": { "file": "a/b.cu", "line": line }, "mode": "read", "actor": 3 });
        let report =
            json!({ "result": "potential_race", "races": [{ "first": at(7), "second": at(9) }] });
        let verdict = Verdict::of(&report);
        let says = "FINDING potential_race: read by thread 3 at b.cu:7, read by thread 3 at b.cu:9";
        assert_eq!(verdict.to_string(), says);
        assert!(verdict.is(&Expected::Finding(vec![9])));
        assert!(!verdict.is(&Expected::Finding(vec![8])));
        assert!(!verdict.is(&Expected::RaceFree));
    }
}
