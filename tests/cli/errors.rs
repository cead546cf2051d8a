//! Every kind of error: one line, its exit code, nothing else.
//!
//! The tables are text: a command line, and below it the error that it must give.

use std::path::Path;

use safetensors::Dtype;
use tempfile::tempdir;

use crate::support::{Tensor, command, cosmoe, finished, names, no_device, save, save_npy};

/// Runs every case of a table in `dir`. Nothing may appear on standard output or in the directory.
fn check(dir: &Path, table: &str, code: i32) {
    let before = names(dir);
    let lines: Vec<&str> = table.lines().collect();
    for case in lines.chunks(2) {
        let args = case[0].strip_prefix("cosmoe").unwrap();
        let expected = case[1].strip_prefix("    ").unwrap();
        let asked = args.rsplit("--device ").next().unwrap();
        let expected = expected.replace("NO_DEVICE", &no_device(asked));
        let run = cosmoe(dir, args);
        assert_eq!(run.stderr, format!("error: {expected}\n"), "cosmoe{args}");
        assert_eq!(run.code, Some(code), "cosmoe{args}");
        assert_eq!(run.stdout, "", "cosmoe{args}");
    }
    assert_eq!(names(dir), before);
}

#[test]
fn what_the_command_line_alone_decides() {
    check(tempdir().unwrap().path(), include_str!("errors/usage.txt"), 2);
}

/// Which policies there are is known to builds with the CUDA backend.
#[cfg(feature = "cuda")]
#[test]
fn what_a_policy_may_be() {
    check(tempdir().unwrap().path(), include_str!("errors/policy.txt"), 2);
}

#[test]
fn what_takes_a_file_or_a_device() {
    check(files().path(), include_str!("errors/files.txt"), 1);
}

/// A directory with good and bad files.
fn files() -> tempfile::TempDir {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let zeros = |shape: &[usize]| Tensor::f32(shape, &vec![0.0; shape.iter().product()]);
    let good = ("tokens", zeros(&[3, 4]));
    save(&at("t"), std::slice::from_ref(&good));
    save(&at("r"), &[("experts", zeros(&[6, 4]))]);
    save(&at("r5"), &[("experts", zeros(&[6, 5]))]);
    save(&at("r1"), &[("experts", zeros(&[1, 4]))]);
    save(&at("r0"), &[("experts", zeros(&[0, 4]))]);
    save(&at("rb"), &[("experts", zeros(&[6, 4])), ("bias", zeros(&[5]))]);
    save(&at("rb2"), &[("experts", zeros(&[6, 4])), ("bias", zeros(&[6, 1]))]);
    let half = Tensor::new(Dtype::F16, &[6], &[0_u16; 6]);
    save(&at("rbh"), &[("experts", zeros(&[6, 4])), ("bias", half)]);
    let brain = Tensor::new(Dtype::BF16, &[6, 4], &[0_u16; 24]);
    save(&at("rbf"), &[("experts", brain.clone())]);
    let half = Tensor::new(Dtype::F16, &[3, 4], &[0_u16; 12]);
    save(&at("th"), &[("tokens", half)]);
    save(&at("rp"), &[("experts", zeros(&[6, 2])), ("projection", zeros(&[2, 3]))]);
    save(
        &at("rp2"),
        &[
            ("experts", zeros(&[6, 2])),
            ("projection", zeros(&[2, 4])),
            ("projection_bias", zeros(&[3])),
        ],
    );
    save(&at("rpb"), &[("experts", brain), ("projection", zeros(&[4, 4]))]);
    let wide = Tensor::new(Dtype::I64, &[3, 4], &[0_i64; 12]);
    save(&at("ti"), &[("tokens", wide)]);
    save(&at("t1"), &[("tokens", zeros(&[12]))]);
    save(&at("t0"), &[("tokens", zeros(&[3, 0]))]);
    let gates: Vec<(&str, Tensor)> = ["gate.0", "gate.1", "gate.2", "other", "gate.3"]
        .into_iter()
        .map(|name| (name, zeros(&[6, 4])))
        .collect();
    save(&at("many"), &gates);
    save(&at("none"), &[]);
    save(&at("l"), &[("logits", zeros(&[3, 6]))]);
    save(&at("i"), &[("expert_ids", Tensor::i32(&[3, 2], &[0; 6]))]);
    save(
        &at("iw"),
        &[("expert_ids", Tensor::i32(&[3, 2], &[0; 6])), ("expert_weights", zeros(&[3, 1]))],
    );
    save(&at("if"), &[("expert_ids", zeros(&[3, 2]))]);
    save_npy(&at("t.npy"), "<f4", false, &zeros(&[3, 4]));
    save_npy(&at("big.npy"), ">f4", false, &zeros(&[3, 4]));
    save_npy(&at("fortran.npy"), "<f4", true, &zeros(&[3, 4]));
    save_npy(&at("f8.npy"), "<f8", false, &zeros(&[3, 8]));
    save_npy(&at("i.npy"), "<i4", false, &Tensor::i32(&[3, 2], &[0; 6]));
    let mut short = zeros(&[3, 4]);
    short.bytes.pop();
    save_npy(&at("short.npy"), "<f4", false, &short);
    short.shape = vec![usize::MAX, 2];
    save_npy(&at("huge.npy"), "<f4", false, &short);
    std::fs::write(at("cut.npy"), b"\x93NUMPY\x01\x00\xff\x00{").unwrap();
    let nested = "(".repeat(5000);
    let mut deep = b"\x93NUMPY\x01\x00".to_vec();
    deep.extend((nested.len() as u16).to_le_bytes());
    deep.extend(nested.as_bytes());
    std::fs::write(at("deep.npy"), deep).unwrap();
    std::fs::write(at("text"), "these are no tensors at all").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    let mut cut = std::fs::read(at("t")).unwrap();
    cut.pop();
    std::fs::write(at("cut"), cut).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    dir
}

#[test]
fn an_error_is_one_line_whatever_the_name() {
    let dir = tempdir().unwrap();
    let args = ["plan", "--experts", "1", "--ids", "two\nlines\x1b[31m"];
    let run = finished(command(dir.path(), &args));
    assert_eq!(run.code, Some(1));
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.starts_with("error: two\\nlines\\u{1b}[31m: expected"), "{}", run.stderr);
}

/// Memory is short for the numbers of so many experts, and the option that asked for them is named.
#[cfg(target_os = "linux")]
#[test]
fn more_experts_than_memory_name_their_option() {
    let dir = files();
    let args = "plan --ids i --experts 2147483647 --device cpu --out o";
    let mut limited = std::process::Command::new("sh");
    limited.current_dir(dir.path()).env("RAYON_NUM_THREADS", "1");
    let program = env!("CARGO_BIN_EXE_cosmoe");
    limited.arg("-c").arg(format!("ulimit -v 4000000 && exec '{program}' {args}"));
    let run = finished(limited);
    let expected = "--experts: expected memory for 8589934588 bytes, found not enough";
    assert_eq!((run.code, run.stderr), (Some(1), format!("error: {expected}\n")));
    assert!(!dir.path().join("o").exists());
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_shown_with_its_option() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempdir().unwrap();
    let cases: [(&[&[u8]], &str); 5] = [
        (&[b"--gate", b"a\xff"], r#"--gate: expected UTF-8 text, found "a\xFF""#),
        (&[b"--gate=a\xff"], r#"--gate: expected UTF-8 text, found "a\xFF""#),
        (&[b"--bias-tensor", b"\xff\n"], r#"--bias-tensor: expected UTF-8 text, found "\xFF\n""#),
        // A path before it is none of its business.
        (
            &[b"--out", b"\xfe", b"--top-k", b"\xff"],
            r#"--top-k: expected UTF-8 text, found "\xFF""#,
        ),
        (&[b"--out=\xfe", b"--top-k=\xff"], r#"--top-k: expected UTF-8 text, found "\xFF""#),
    ];
    for (args, expected) in cases {
        let mut command = command(dir.path(), &["route"]);
        command.args(args.iter().map(|arg| std::ffi::OsStr::from_bytes(arg)));
        let run = finished(command);
        assert_eq!((run.code, run.stderr), (Some(2), format!("error: {expected}\n")));
    }
}

#[test]
fn a_bias_placement_without_a_bias_is_accepted() {
    let dir = files();
    let args = "route --top-k 1 --tokens t --router r --bias-placement after-selection";
    assert_eq!(cosmoe(dir.path(), args).code, Some(0));
}
