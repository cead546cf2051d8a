//! `cosmoe bench` on the device. On the emulated one: counts that are what the shapes say, and no times.

use std::process::{Command, Output};

use serde_json::Value;

use crate::program::emulated;

crate::tests!("bench":
    launches_and_matrix_instructions_are_those_of_the_shape,
    a_policy_is_followed,
    a_table_of_counts_has_no_times,
    bounds_are_labelled,
    a_failure_of_the_device_is_one_line,
    a_gpus_path_runs_and_shows_no_times_of_an_emulated_device,
);

/// The kernels' own tests are those that check them.
fn cosmoe(args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cosmoe"));
    command.args(args.split_whitespace()).env("CUDA_EMULATOR_CHECKS", "off").output().unwrap()
}

fn stdout(args: &str) -> String {
    let output = cosmoe(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{args}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn results(args: &str) -> Vec<Value> {
    let text = stdout(&format!("bench --device cuda --json {args}"));
    let bench: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bench["schema"], &bench["kind"]), (&1.into(), &"counted".into()));
    bench["results"].as_array().unwrap().clone()
}

fn kernels(result: &Value) -> Vec<&str> {
    let kernels = result["kernels"].as_array().unwrap().iter();
    kernels.map(|kernel| kernel["kernel"].as_str().unwrap()).collect()
}

fn launches_and_matrix_instructions_are_those_of_the_shape() {
    if !emulated() {
        return;
    }
    let results = results("--shape 16,1024,64,4");
    let of = |op: &str| results.iter().find(|r| r["op"] == op).unwrap();
    for (op, launches) in [("prepare", 1), ("route", 1), ("route-and-plan", 1), ("select", 1)] {
        assert_eq!(of(op)["launches"], launches, "{op}");
    }
    // 64 steps of 16 columns: two instructions for each tile of 16 experts, two for the squares of each of four.
    let route = &of("route")["kernels"][0];
    let mma: u64 = route["mma"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(mma, 64 * (8 + 2));
    // Every byte of tokens and experts, and little else.
    let (read, least) = (&route["read_bytes"], &of("route")["read_bytes"]);
    assert!(read.as_u64() >= least.as_u64(), "{read} of {least}");
    assert!(route["registers"].as_u64().is_some_and(|n| n > 0));
    assert_eq!(route["spills"], 0);
    assert_eq!(kernels(of("gather")), ["cosmoe_gather_16"]);
}

fn a_policy_is_followed() {
    if !emulated() {
        return;
    }
    let route = |policy: &str| {
        results(&format!("--op route --shape 64,2048,64,4 --policy {policy}")).remove(0)
    };
    assert_eq!(kernels(&route("tile=64x64")), ["cosmoe_route_bf16_64x64"]);
    let separate = route("tile=16x16,split=yes,fused=no");
    assert_eq!(kernels(&separate), ["cosmoe_score_bf16_16x16", "cosmoe_finish"]);
    assert_eq!(separate["kernels"][0]["blocks"], 4 * 4 * 2);
    let rows = results("--op gather --shape 8,256,4,2 --policy lanes=16,vector=4,columns=2");
    assert_eq!(kernels(&rows[0]), ["cosmoe_gather_4"]);
    // Without an operation: those that it lays out.
    let both = results("--shape 8,256,16,2 --policy tile=16x16");
    assert_eq!(both.iter().map(|r| &r["op"]).collect::<Vec<_>>(), ["route", "route-and-plan"]);
}

fn a_table_of_counts_has_no_times() {
    if !emulated() {
        return;
    }
    let text = stdout("bench --device cuda --shape 8,256,16,2");
    assert!(text.contains("exact counts and no times"), "{text}");
    assert!(!text.contains("median") && !text.contains("GB/s"), "{text}");
    for gpu in ["A100", "H100", "H200", "B200", "RTX 4090", "RTX 5090"] {
        assert!(text.contains(gpu), "{gpu}");
    }
}

fn bounds_are_labelled() {
    if !emulated() {
        return;
    }
    let text = stdout("bench --device cuda --op route --shape 8,256,16,2");
    assert!(text.contains("lower bound, not a measurement"), "{text}");
    let results = results("--op route --shape 8,256,16,2");
    let bounds = results[0]["lower_bounds_not_measurements"].as_array().unwrap();
    assert_eq!(bounds.len(), 6);
    for bound in bounds {
        let of = |name: &str| bound[name].as_f64().unwrap();
        assert!(of("warm_seconds") > 0.0, "{bound}");
        assert!(of("alone_warm_seconds") >= of("launch_seconds"), "{bound}");
        assert!(of("cold_seconds") >= of("warm_seconds"), "{bound}");
    }
}

fn a_failure_of_the_device_is_one_line() {
    if !emulated() {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_cosmoe"));
    // More than this device has of memory.
    command.args(["bench", "--device", "cuda", "--op", "route", "--shape", "1024,1024,64,2"]);
    let output = command.env("CUDA_EMULATOR_MEMORY", "1M").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{errors}");
    let last = errors.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: --device cuda:0: expected "), "{errors}");
    assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
}

/// Events, graphs of a hundred calls, operands in turn, the rates of copies and of arithmetic: all of it runs here, too.
fn a_gpus_path_runs_and_shows_no_times_of_an_emulated_device() {
    if !emulated() {
        return;
    }
    for (args, launches) in [
        ("--op route --shape 4,512,4,2", 1),
        ("--op route-and-plan --dtype f32 --shape 3,256,5,2", 1),
        ("--op plan --dtype f16 --shape 4,8,4,2", 3),
        ("--op combine --shape 4,512,4,2 --policy lanes=32,vector=8", 1),
    ] {
        let text = stdout(&format!("bench --device cuda --timed --seconds 0 --json {args}"));
        let bench: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&bench["kind"], &bench["limits"]), (&"measured".into(), &Value::Null));
        let result = &bench["results"][0];
        assert_eq!(result["launches"], launches, "{args}");
        let timings = result["timings"].as_array().unwrap();
        assert_eq!(
            timings.iter().map(|t| &t["how"]).collect::<Vec<_>>(),
            ["warm", "cold", "eager"]
        );
        for timing in timings {
            // A plan of four tokens would need too many sets to leave any cache.
            let small = timing["how"] == "cold" && args.contains("plan --dtype f16");
            let repeats = if small { Value::Null } else { 5.into() };
            assert_eq!(timing["repeats"], repeats, "{args}: {timing}");
            assert_eq!(timing["median_seconds"], Value::Null, "{args}");
        }
    }
    let text = stdout("bench --device cuda --timed --seconds 0 --op gather --shape 2,8,2,1");
    assert!(text.contains("emulated: times mean nothing and are not shown"), "{text}");
    assert!([" ns", " us", " ms"].iter().all(|unit| !text.contains(unit)), "{text}");
}
