//! `cosmoe verify`.

use serde_json::Value;
use tempfile::tempdir;

use crate::support::cosmoe;

#[test]
fn the_cpu_is_verified() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "verify --device cpu --cases 20");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    for name in ["route ", "route_and_plan", "select", "plan ", "gather", "combine"] {
        let line = run.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(" 20 ") && line.ends_with("  right"), "{line}");
    }
    assert!(run.stdout.ends_with(" s on cpu\n"), "{}", run.stdout);
}

#[test]
fn json_has_the_same() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "verify --device cpu --cases 3 --seed 9 --json");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["schema"], &json["command"]), (&1.into(), &"verify".into()));
    assert_eq!((&json["cases"], &json["seed"], &json["ok"]), (&3.into(), &9.into(), &true.into()));
    let operations = json["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 6);
    for operation in operations {
        assert_eq!(operation["wrong"], 0);
        assert!(operation["first_mismatch"].is_null());
    }
}

#[test]
fn wrong_options_are_refused() {
    let dir = tempdir().unwrap();
    for (args, error) in [
        ("--cases 0", "error: --cases: expected an integer from 1 to 4294967295, found \"0\"\n"),
        (
            "--seed -1",
            "error: --seed: expected an integer from 0 to 18446744073709551615, found \"-1\"\n",
        ),
        ("--device gpu", "error: --device: expected auto, cpu, cuda or cuda:N, found \"gpu\"\n"),
    ] {
        let run = cosmoe(dir.path(), &format!("verify {args}"));
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(2), "", error));
    }
}
