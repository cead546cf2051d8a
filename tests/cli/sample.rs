//! The sample that the program holds: what a newcomer sees first.

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{command, cosmoe, device_note, finished, json, no_cuda};

const TOKENS: usize = 1960;
const EXPERTS: usize = 16;

#[test]
fn the_table_has_a_line_per_expert() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "route --top-k 2");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr, device_note());
    let lines: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| words.first().is_some_and(|w| w.parse::<usize>().is_ok()))
        .filter(|words| words[1].parse::<usize>().is_ok())
        .collect();
    assert_eq!(lines.len(), EXPERTS, "{}", run.stdout);
    let loads: usize = lines.iter().map(|words| words[1].parse::<usize>().unwrap()).sum();
    assert_eq!(loads, TOKENS * 2);
    // A share, a bar of plain characters, and words.
    for words in &lines {
        assert!(words[2].ends_with('%'), "{words:?}");
        assert!(words[3].chars().all(|c| c == '#'), "{words:?}");
        assert!(words.len() > 4, "{words:?}");
    }
    assert!(lines.iter().any(|words| words.contains(&"government")));
    // The device with its name, where it has one.
    let device = device_note().replace("device: ", " on ");
    let device = if device.starts_with(" on cpu") { " on cpu\n" } else { &device };
    assert!(run.stdout.contains(device), "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{}", run.stdout);
    assert!(!run.stdout.contains('\x1b'));
}

#[test]
fn json_has_every_key_in_order() {
    let dir = tempdir().unwrap();
    let value = json(dir.path(), "route --top-k 2");
    let run = cosmoe(dir.path(), "route --top-k 2 --json");
    let keys = [
        "schema",
        "command",
        "version",
        "device",
        "device_name",
        "device_reason",
        "dtype",
        "tokens",
        "real_tokens",
        "hidden",
        "experts",
        "top_k",
        "preset",
        "score",
        "tau_token",
        "tau_expert",
        "scale",
        "gate",
        "bias",
        "bias_placement",
        "route_scale",
        "groups",
        "top_groups",
        "group_score",
        "align",
        "capacity",
        "drop",
        "rows",
        "padding",
        "dropped",
        "invalid",
        "masked",
        "expert_counts",
        "load_entropy",
        "seconds",
        "out",
    ];
    let mut rest = run.stdout.as_str();
    for key in keys {
        let place = rest.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key}"));
        rest = &rest[place..];
    }
    assert_eq!(value.as_object().unwrap().len(), keys.len());

    assert_eq!(value["schema"], 1);
    assert_eq!(value["command"], "route");
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(value["device"], "cpu");
    assert_eq!(
        (&value["device_name"], &value["device_reason"]),
        (&Value::Null, &"asked for".into())
    );
    // The one that the program takes by itself.
    let chosen: Value = serde_json::from_str(&run.stdout).unwrap();
    match chosen["device"].as_str().unwrap() {
        "cpu" => {
            assert_eq!(chosen["device_name"], Value::Null);
            assert_eq!(chosen["device_reason"], no_cuda());
        }
        device => {
            let name = chosen["device_name"].as_str().unwrap();
            assert_eq!(device_note(), format!("device: {device} ({name})\n"));
            assert_eq!(chosen["device_reason"], "a CUDA device answers");
        }
    }
    assert_eq!(value["dtype"], "f16");
    assert_eq!(value["tokens"], TOKENS);
    assert_eq!(value["real_tokens"], TOKENS);
    assert_eq!(value["hidden"], 384);
    assert_eq!(value["experts"], EXPERTS);
    assert_eq!(value["score"], "perturbed-cosine");
    assert_eq!(value["tau_token"], 0.0);
    assert_eq!(value["tau_expert"], 1e-3);
    assert_eq!(value["scale"], 1.0);
    assert_eq!(value["gate"], "softmax-selected");
    assert_eq!(value["bias"], false);
    assert_eq!(value["rows"], TOKENS * 2);
    let counts = value["expert_counts"].as_array().unwrap();
    assert_eq!(counts.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), 2 * TOKENS as u64);
    assert!((2.0..16_f64.ln()).contains(&value["load_entropy"].as_f64().unwrap()));
    assert!(value["seconds"].as_f64().unwrap() > 0.0);
    for key in ["preset", "groups", "top_groups", "group_score", "capacity", "drop", "out"] {
        assert_eq!(value[key], Value::Null, "{key}");
    }
}

#[test]
fn options_change_what_they_say() {
    let dir = tempdir().unwrap();
    let value = json(
        dir.path(),
        "route --top-k 3 --score cosine --scale 4 --gate sigmoid-renorm --route-scale 2.5 \
         --bias-placement selection-only --groups 4 --top-groups 2 --group-score max \
         --num-tokens 100 --align 16 --capacity-factor 0.05 --drop weight --expert-window 2:12",
    );
    assert_eq!(value["score"], "cosine");
    assert_eq!(value["tau_token"], Value::Null);
    assert_eq!(value["tau_expert"], Value::Null);
    assert_eq!(value["scale"], 4.0);
    assert_eq!(value["gate"], "sigmoid-renorm");
    assert_eq!(value["route_scale"], 2.5);
    assert_eq!(value["groups"], 4);
    assert_eq!(value["top_groups"], 2);
    assert_eq!(value["group_score"], "max");
    assert_eq!(value["real_tokens"], 100);
    assert_eq!(value["masked"], (TOKENS - 100) * 3);
    assert_eq!(value["align"], 16);
    // ceil(1960 * 3 * 0.05 / 16 - 1e-9)
    assert_eq!(value["capacity"], 19);
    assert_eq!(value["drop"], "weight");
    let counts: Vec<u64> =
        value["expert_counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert!(counts.iter().all(|&count| count <= 19));
    assert!(counts[..2].iter().chain(&counts[12..]).all(|&count| count == 0));
    let placed: u64 = counts.iter().sum();
    let number = |key: &str| value[key].as_u64().unwrap();
    assert_eq!(placed + number("dropped") + number("invalid") + number("masked"), 1960 * 3);
    assert_eq!(number("rows"), placed + number("padding"));
    assert_eq!(number("rows") % 16, 0);

    // More than there are: all are real.
    assert_eq!(json(dir.path(), "route --top-k 1 --num-tokens 4000000000")["real_tokens"], 1960);
    let nobody = json(dir.path(), "route --top-k 1 --capacity 0");
    assert_eq!(nobody["dropped"], 1960);
    assert_eq!(nobody["load_entropy"], Value::Null);
}

#[test]
fn colour_is_for_those_who_want_it() {
    let dir = tempdir().unwrap();
    let mut forced = command(dir.path(), &["route", "--top-k", "1"]);
    forced.env("CLICOLOR_FORCE", "1");
    let forced = finished(forced);
    assert!(forced.stdout.contains("\x1b["), "{}", forced.stdout);
    let mut refused = command(dir.path(), &["route", "--top-k", "1"]);
    refused.env("NO_COLOR", "1");
    assert!(!finished(refused).stdout.contains('\x1b'));
}

#[test]
fn help_version_and_info_go_to_standard_output() {
    let dir = tempdir().unwrap();
    let cases = [
        ("--help", "Usage: cosmoe <COMMAND>"),
        ("--help", "what this program and machine offer"),
        ("--version", concat!("cosmoe ", env!("CARGO_PKG_VERSION"), "\n")),
        ("route --help", "--expert-window <A:B>"),
        ("select --help", "--logits <F>"),
        ("plan --help", "--experts <E>"),
        ("info --help", "the smallest and the largest"),
        ("info", "devices    cpu\n"),
    ];
    for (args, expected) in cases {
        let run = cosmoe(dir.path(), args);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args}");
        assert!(run.stdout.contains(expected), "{args}: {}", run.stdout);
    }
}

/// What `info` says of kernels and devices is what the library says.
#[test]
#[cfg(feature = "cuda")]
fn info_lists_kernels_and_devices() {
    let dir = tempdir().unwrap();
    let text = cosmoe(dir.path(), "info").stdout;
    for kernel in cosmoe::cuda::kernels() {
        let line = text.lines().find(|line| line.split_whitespace().any(|w| w == kernel.name));
        let line = line.unwrap_or_else(|| panic!("{} is missing:\n{text}", kernel.name));
        for build in kernel.builds {
            let cell = format!("sm_{} {:3}, {} B", build.arch, build.registers, build.shared);
            assert!(line.contains(&cell), "{line}: {cell}");
        }
    }
    // Last, as there are many.
    let last = text.lines().rfind(|line| !line.starts_with(' ')).unwrap();
    if cosmoe::cuda::kernels().next().is_none() {
        assert_eq!(last, "kernels    none: this build holds no CUDA kernels");
    } else {
        assert!(last.starts_with("kernels    ") && last.ends_with("static shared memory:"));
    }
    match cosmoe::cuda::devices() {
        Ok(devices) => {
            for device in devices {
                let line = format!("cuda:{} {}, compute capability", device.ordinal, device.name);
                let found = text.lines().find(|found| found.contains(&line));
                let found = found.unwrap_or_else(|| panic!("{line}:\n{text}"));
                assert_eq!(found.contains("there is no GPU behind it"), device.is_emulated());
            }
        }
        Err(error) => assert!(text.contains(&format!("no cuda: {error}\n")), "{text}"),
    }
}
