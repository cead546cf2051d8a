//! `cosmoe bench` on the CPU: what is there, never how fast.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{command, cosmoe, json, names};

const OPS: [&str; 7] =
    ["prepare", "route", "route-and-plan", "select", "plan", "gather", "combine"];

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[test]
fn every_operation_is_timed() {
    let dir = tempdir().unwrap();
    for dtype in ["f32", "f16", "bf16"] {
        let bench =
            json(dir.path(), &format!("bench --shape 9,70,12,3 --dtype {dtype} --seconds 0"));
        assert_eq!((&bench["schema"], &bench["command"]), (&1.into(), &"bench".into()));
        assert_eq!((&bench["device"], &bench["dtype"]), (&"cpu".into(), &dtype.into()));
        assert_eq!((&bench["kind"], &bench["policy"]), (&"measured".into(), &Value::Null));
        for name in ["copy_bytes_per_second", "flops_per_second"] {
            assert!(number(&bench["limits"], name) > 1e6, "{name}");
        }
        let results = bench["results"].as_array().unwrap();
        let ops: Vec<&str> = results.iter().map(|r| r["op"].as_str().unwrap()).collect();
        assert_eq!(ops, OPS);
        for result in results {
            let [timing] = result["timings"].as_array().unwrap().as_slice() else {
                panic!("{result}")
            };
            assert_eq!((&timing["how"], &timing["repeats"]), (&"warm".into(), &5.into()));
            let names = ["min_seconds", "p10_seconds", "median_seconds", "p90_seconds"];
            let times = names.map(|name| number(timing, name));
            assert!(times[0] > 0.0 && times.is_sorted(), "{times:?}");
        }
    }
}

/// Of tokens, experts, ids and weights that are read and written once.
#[test]
fn bytes_and_flops_are_those_of_the_shape() {
    let dir = tempdir().unwrap();
    let work = |op: &str, dtype: &str| {
        let args = format!("bench --shape 10,100,20,4 --op {op} --dtype {dtype} --seconds 0");
        let bench = json(dir.path(), &args);
        let result = &bench["results"][0];
        ["read_bytes", "written_bytes", "flops"].map(|name| result[name].as_u64().unwrap())
    };
    assert_eq!(work("prepare", "f32"), [8000, 160, 4000]);
    assert_eq!(work("route", "bf16"), [6160, 320, 42_000]);
    assert_eq!(work("route-and-plan", "bf16"), [6160, 320 + 572, 42_000]);
    assert_eq!(work("select", "f16"), [400, 320, 0]);
    assert_eq!(work("plan", "f32"), [160, 572, 0]);
    assert_eq!(work("gather", "f16"), [2160, 8000, 0]);
    assert_eq!(work("combine", "f32"), [16_320, 4000, 8000]);
}

#[test]
fn the_table_has_a_line_for_each_operation() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "bench --shape 3,8,4,2 --device cpu --seconds 0");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(run.stdout.starts_with("bf16 on cpu, "), "{}", run.stdout);
    for op in OPS {
        let line = |line: &&str| line.trim_start().starts_with(&format!("{op} "));
        assert_eq!(run.stdout.lines().filter(line).count(), 1, "{op}: {}", run.stdout);
    }
}

#[test]
fn the_plot_is_a_whole_picture() {
    let dir = tempdir().unwrap();
    let args = "bench --shape 3,8,4,2 --device cpu --seconds 0 --out-plot plot.svg";
    let run = cosmoe(dir.path(), args);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(names(dir.path()), ["plot.svg"]);
    let svg = std::fs::read_to_string(dir.path().join("plot.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("flop / byte") && svg.contains("<title>route: 3,8,4,2</title>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    // One operation, without arithmetic: a picture all the same.
    let run = cosmoe(dir.path(), &args.replace("--shape", "--op plan --shape"));
    assert_eq!(run.code, Some(0));
    let svg = std::fs::read_to_string(dir.path().join("plot.svg")).unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn without_a_shape_known_models_are_measured() {
    let dir = tempdir().unwrap();
    let bench = json(dir.path(), "bench --op plan --seconds 0");
    let results = bench["results"].as_array().unwrap();
    let of = |r: &Value| format!("{} {} {}", r["model"], r["hidden"], r["experts"]);
    let shapes: Vec<String> = results.iter().map(of).collect();
    assert!(shapes.contains(&"\"deepseek-v3\" 7168 256".to_owned()), "{shapes:?}");
    assert!(shapes.contains(&"\"mixtral-8x7b\" 4096 8".to_owned()), "{shapes:?}");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let dir = tempdir().unwrap();
    let args = "bench --op plan --shape 3,8,4,2 --device cpu --seconds 0";
    let mut run = command(dir.path(), &args.split_whitespace().collect::<Vec<_>>());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = run.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
