//! Every kind of error: one line, its exit code, nothing else.

use std::path::Path;

use safetensors::Dtype;
use tempfile::tempdir;

use crate::support::{Tensor, cosmoe, names, save, save_npy};

/// Runs every case in `dir` and compares code and text; nothing may appear on standard output or
/// in the directory.
fn check(dir: &Path, cases: &[(&str, i32, &str)]) {
    let before = names(dir);
    for &(args, code, expected) in cases {
        let run = cosmoe(dir, args);
        assert_eq!(run.stderr, format!("error: {expected}\n"), "{args}");
        assert_eq!(run.code, Some(code), "{args}");
        assert_eq!(run.stdout, "", "{args}");
    }
    assert_eq!(names(dir), before);
}

#[test]
fn what_the_command_line_alone_decides() {
    let dir = tempdir().unwrap();
    let number = "expected a finite number";
    let window = "expected A:B, two integers with A <= B, found";
    let cases = [
        (
            "",
            "command: expected one of route, select, plan, info, found none".to_owned(),
        ),
        (
            "gather",
            "command: expected one of route, select, plan, info, found \"gather\"".into(),
        ),
        (
            "route",
            "--top-k: expected a value (required), found no such option".into(),
        ),
        (
            "select --top-k 1",
            "--logits: expected a value (required), found no such option".into(),
        ),
        (
            "plan --align 2",
            "--ids, --experts: expected a value (required), found no such option".into(),
        ),
        (
            "route --top-k",
            "--top-k: expected a value, found none".into(),
        ),
        (
            "route --top-k 1 --out",
            "--out: expected a value, found none".into(),
        ),
        (
            "route --top-k 1 --out --json",
            "--out: expected a value, found none".into(),
        ),
        (
            "route --top-k 1 --out=",
            "--out: expected a value, found none".into(),
        ),
        (
            "route --top-k 1 --top-k 1",
            "--top-k: expected at most once, found it repeated".into(),
        ),
        (
            "route --top-k 1 --json --json",
            "--json: expected at most once, found it repeated".into(),
        ),
        (
            "route --top-k 1 --json=yes",
            "--json: expected no value, found \"yes\"".into(),
        ),
        (
            "route --topk 1",
            "--topk: expected an option of the command, such as --top-k, found no option of that \
             name"
                .into(),
        ),
        (
            "plan --ids a --experts 1 --zzz",
            "--zzz: expected an option of the command, found no option of that name".into(),
        ),
        (
            "route --top-k 1 more",
            "command line: expected options only, found \"more\"".into(),
        ),
        (
            "route --top-k 0",
            "--top-k: expected an integer of at least 1, found \"0\"".into(),
        ),
        (
            "route --top-k -1",
            "--top-k: expected an integer of at least 1, found \"-1\"".into(),
        ),
        (
            "route --top-k 1.5",
            "--top-k: expected an integer of at least 1, found \"1.5\"".into(),
        ),
        (
            "route --top-k 99999999999999999999",
            format!(
                "--top-k: expected an integer from 1 to {}, found \"99999999999999999999\"",
                usize::MAX
            ),
        ),
        (
            "route --top-k 1 --scale 0",
            format!("--scale: {number} above 0, found \"0\""),
        ),
        (
            "route --top-k 1 --scale nan",
            format!("--scale: {number} above 0, found \"nan\""),
        ),
        (
            "route --top-k 1 --scale inf",
            format!("--scale: {number} above 0, found \"inf\""),
        ),
        (
            "route --top-k 1 --scale 1e39",
            format!("--scale: {number} above 0, found \"1e39\""),
        ),
        (
            "route --top-k 1 --tau-token -0.5",
            format!("--tau-token: {number} of at least 0, found \"-0.5\""),
        ),
        (
            "route --top-k 1 --tau-expert NaN",
            format!("--tau-expert: {number} of at least 0, found \"NaN\""),
        ),
        (
            "route --top-k 1 --route-scale -1",
            format!("--route-scale: {number} of at least 0, found \"-1\""),
        ),
        (
            "route --top-k 1 --capacity-factor -inf",
            format!("--capacity-factor: {number} of at least 0, found \"-inf\""),
        ),
        (
            "route --top-k 1 --capacity -1",
            "--capacity: expected an integer of at least 0, found \"-1\"".into(),
        ),
        (
            "route --top-k 1 --score dot",
            "--score: expected one of linear, cosine, perturbed-cosine, laplace, found \"dot\""
                .into(),
        ),
        (
            "route --top-k 1 --gate softmax",
            "--gate: expected one of softmax-selected, softmax-all, softmax-all-renorm, sigmoid, \
             sigmoid-renorm, sqrt-softplus, sqrt-softplus-renorm, identity, found \"softmax\""
                .into(),
        ),
        (
            "route --top-k 1 --bias-placement before",
            "--bias-placement: expected one of in-score, after-selection, selection-only, found \
             \"before\""
                .into(),
        ),
        (
            "route --top-k 1 --groups 2 --top-groups 1 --group-score mean",
            "--group-score: expected one of sum-of-top-two, max, found \"mean\"".into(),
        ),
        (
            "route --top-k 1 --capacity 1 --drop first",
            "--drop: expected one of position, weight, found \"first\"".into(),
        ),
        (
            "route --top-k 1 --align 0",
            "--align: expected an integer from 1 to 2147483647, found \"0\"".into(),
        ),
        (
            "route --top-k 1 --num-tokens 4294967296",
            "--num-tokens: expected an integer from 0 to 4294967295, found \"4294967296\"".into(),
        ),
        (
            "route --top-k 1 --expert-window 3",
            format!("--expert-window: {window} \"3\""),
        ),
        (
            "route --top-k 1 --expert-window 3:2",
            format!("--expert-window: {window} \"3:2\""),
        ),
        (
            "route --top-k 1 --expert-window -1:2",
            format!("--expert-window: {window} \"-1:2\""),
        ),
        (
            "route --top-k 1 --expert-window 1:2:3",
            format!("--expert-window: {window} \"1:2:3\""),
        ),
        (
            "plan --ids a --experts 4 --expert-window 0:5",
            "--expert-window: expected A:B with B at most --experts 4, found \"0:5\"".into(),
        ),
        (
            "plan --ids a --experts 0",
            "--experts: expected an integer from 1 to 2147483647, found \"0\"".into(),
        ),
        (
            "route --top-k 1 --device gpu",
            "--device: expected auto, cpu, cuda or cuda:N, found \"gpu\"".into(),
        ),
        (
            "route --top-k 1 --device cuda:x",
            "--device: expected auto, cpu, cuda or cuda:N, found \"cuda:x\"".into(),
        ),
        (
            "route --top-k 1 --tokens a",
            "--tokens: expected --router beside it, found none".into(),
        ),
        (
            "route --top-k 1 --router a",
            "--router: expected --tokens beside it, found none".into(),
        ),
        (
            "route --top-k 1 --groups 2",
            "--groups: expected --top-groups beside it, found none".into(),
        ),
        (
            "route --top-k 1 --top-groups 2",
            "--top-groups: expected --groups beside it, found none".into(),
        ),
        (
            "route --top-k 1 --groups 2 --top-groups 3",
            "--top-groups: expected at most --groups 2, found \"3\"".into(),
        ),
        (
            "select --logits a --top-k 1 --capacity 1 --capacity-factor 1",
            "--capacity-factor: expected at most one of --capacity and --capacity-factor, found \
             both"
                .into(),
        ),
        // Options without effect.
        (
            "route --top-k 1 --score linear --tau-token 0",
            "--tau-token: expected --score perturbed-cosine beside it, found --score linear".into(),
        ),
        (
            "route --top-k 1 --score cosine --tau-expert 0",
            "--tau-expert: expected --score perturbed-cosine beside it, found --score cosine"
                .into(),
        ),
        (
            "route --top-k 1 --drop weight",
            "--drop: expected --capacity or --capacity-factor beside it, found none".into(),
        ),
        (
            "route --top-k 1 --group-score max",
            "--group-score: expected --groups beside it, found none".into(),
        ),
        (
            "route --top-k 1 --scores",
            "--scores: expected --out beside it, found none".into(),
        ),
        (
            "route --top-k 1 --tokens-tensor x",
            "--tokens-tensor: expected --tokens beside it, found none".into(),
        ),
        (
            "route --top-k 1 --experts-tensor x",
            "--experts-tensor: expected --router beside it, found none".into(),
        ),
        (
            "route --top-k 1 --projection-tensor x",
            "--projection-tensor: expected --router beside it, found none".into(),
        ),
        (
            "route --top-k 1 --bias-tensor x",
            "--bias-tensor: expected --router beside it, found none".into(),
        ),
        // Options of other commands.
        (
            "select --logits a --top-k 1 --scale 2",
            "--scale: expected an option of the command, such as --route-scale, found no option \
             of that name"
                .into(),
        ),
    ];
    let cases: Vec<(&str, i32, &str)> = cases
        .iter()
        .map(|(args, text)| (*args, 2, text.as_str()))
        .collect();
    check(dir.path(), &cases);
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
    save(&at("r0"), &[("experts", zeros(&[0, 4]))]);
    save(
        &at("rb"),
        &[("experts", zeros(&[6, 4])), ("bias", zeros(&[5]))],
    );
    save(
        &at("rb2"),
        &[("experts", zeros(&[6, 4])), ("bias", zeros(&[6, 1]))],
    );
    let half = Tensor::new(Dtype::F16, &[6], &[0_u16; 6]);
    save(&at("rbh"), &[("experts", zeros(&[6, 4])), ("bias", half)]);
    let brain = Tensor::new(Dtype::BF16, &[6, 4], &[0_u16; 24]);
    save(&at("rbf"), &[("experts", brain.clone())]);
    let half = Tensor::new(Dtype::F16, &[3, 4], &[0_u16; 12]);
    save(&at("th"), &[("tokens", half)]);
    save(
        &at("rp"),
        &[("experts", zeros(&[6, 2])), ("projection", zeros(&[2, 3]))],
    );
    save(
        &at("rp2"),
        &[
            ("experts", zeros(&[6, 2])),
            ("projection", zeros(&[2, 4])),
            ("projection_bias", zeros(&[3])),
        ],
    );
    save(
        &at("rpb"),
        &[("experts", brain), ("projection", zeros(&[4, 4]))],
    );
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
        &[
            ("expert_ids", Tensor::i32(&[3, 2], &[0; 6])),
            ("expert_weights", zeros(&[3, 1])),
        ],
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
fn what_takes_a_file_or_a_device() {
    let dir = files();
    let route = |tokens: &str, router: &str, rest: &str| {
        format!("route --top-k 1 --tokens {tokens} --router {router} {rest}")
    };
    let format = "expected a safetensors or .npy file, found";
    let cuda = "this build of cosmoe holds no CUDA kernels";
    let none = "expected a readable file, found \"No such file or directory (os error 2)\"";
    let beside = "expected a safetensors file in t.npy, found a .npy file, which names no tensor";
    let npy = "expected dtype <f4, <f2 or <i4, found";
    let row = |args: String, text: &str| (args, text.to_owned());
    let cases = [
        // Devices.
        row(
            "route --top-k 1 --device cuda".into(),
            &format!("--device: expected auto or cpu, found cuda: {cuda}"),
        ),
        row(
            "route --top-k 1 --device cuda:3".into(),
            &format!("--device: expected auto or cpu, found cuda:3: {cuda}"),
        ),
        // The number of experts.
        row(
            "route --top-k 17".into(),
            "--top-k: expected at most num_experts = 16, found 17",
        ),
        row(
            "route --top-k 1 --groups 3 --top-groups 1".into(),
            "--groups: expected a divisor of num_experts = 16, found 3",
        ),
        row(
            "route --top-k 5 --groups 4 --top-groups 1".into(),
            "--top-k: expected at most the 4 experts of 1 groups, found 5",
        ),
        row(
            "route --top-k 1 --expert-window 0:17".into(),
            "--expert-window: expected A:B with B at most 16, the number of experts, found \"0:17\"",
        ),
        row(
            "route --top-k 1 --align 2147483647".into(),
            "--align: rows of the plan: expected a size of at most 2147483647, found 34359740296",
        ),
        // Files that are none.
        row(route("nope", "r", ""), &format!("nope: {none}")),
        row(route("t", "nope", ""), &format!("nope: {none}")),
        row(
            "select --top-k 1 --logits nope".into(),
            &format!("nope: {none}"),
        ),
        row(
            "plan --experts 1 --ids nope".into(),
            &format!("nope: {none}"),
        ),
        row(
            route("folder", "r", ""),
            "folder: expected a regular file, found a directory",
        ),
        row(
            route("/dev/null", "r", ""),
            "/dev/null: expected a regular file, found a device or pipe",
        ),
        row(
            route("text", "r", ""),
            &format!("text: {format} \"header too large\""),
        ),
        row(
            route("empty", "r", ""),
            &format!("empty: {format} \"header too small\""),
        ),
        row(
            route("cut", "r", ""),
            &format!("cut: {format} \"incomplete metadata, file not fully covered\""),
        ),
        // Missing tensors.
        row(
            route("t", "t", ""),
            "t: expected tensor \"experts\", found \"tokens\" F32 [3, 4]",
        ),
        row(
            route("t", "none", ""),
            "none: expected tensor \"experts\", found no tensors",
        ),
        row(
            route("many", "r", ""),
            "many: expected tensor \"tokens\", found 5 others; nearest: \"other\" F32 [6, 4], \
             \"gate.0\" F32 [6, 4], \"gate.1\" F32 [6, 4]",
        ),
        row(
            route("t", "many", "--experts-tensor gate.9"),
            "--experts-tensor: many: expected tensor \"gate.9\", found 5 others; nearest: \
             \"gate.0\" F32 [6, 4], \"gate.1\" F32 [6, 4], \"gate.2\" F32 [6, 4]",
        ),
        row(
            route("t", "r", "--tokens-tensor x"),
            "--tokens-tensor: t: expected tensor \"x\", found \"tokens\" F32 [3, 4]",
        ),
        row(
            route("t", "r", "--bias-tensor b"),
            "--bias-tensor: r: expected tensor \"b\", found \"experts\" F32 [6, 4]",
        ),
        row(
            route("t", "r", "--projection-tensor p"),
            "--projection-tensor: r: expected tensor \"p\", found \"experts\" F32 [6, 4]",
        ),
        row(
            "select --top-k 1 --logits t".into(),
            "t: expected tensor \"logits\", found \"tokens\" F32 [3, 4]",
        ),
        row(
            "plan --experts 1 --ids t".into(),
            "t: expected tensor \"expert_ids\", found \"tokens\" F32 [3, 4]",
        ),
        row(
            "plan --experts 1 --ids i --capacity 1 --drop weight".into(),
            "i: expected tensor \"expert_weights\", found \"expert_ids\" I32 [3, 2]",
        ),
        row(
            "plan --experts 1 --ids i.npy --capacity 1 --drop weight".into(),
            "i.npy: expected tensor \"expert_weights\", found a .npy file",
        ),
        row(
            route("t.npy", "r", "--tokens-tensor x"),
            &format!("--tokens-tensor: {beside}"),
        ),
        row(
            route("t", "t.npy", "--bias-tensor x"),
            &format!("--bias-tensor: {beside}"),
        ),
        // Dtypes.
        row(
            route("ti", "r", ""),
            "ti: tensor \"tokens\": expected dtype F32, F16 or BF16, found I64",
        ),
        row(
            route("t", "rbh", ""),
            "rbh: tensor \"bias\": expected dtype F32, found F16",
        ),
        row(
            route("t", "rbf", ""),
            "rbf: tensor \"experts\": expected dtype f32, found bf16",
        ),
        row(
            route("th", "rbf", ""),
            "rbf: tensor \"experts\": expected dtype f16 (the tokens') or f32, found bf16",
        ),
        row(
            route("t", "rpb", ""),
            "rpb: tensor \"experts\": expected dtype f32 (behind a projection), found bf16",
        ),
        row(
            "plan --experts 1 --ids if".into(),
            "if: tensor \"expert_ids\": expected dtype I32, found F32",
        ),
        row(
            "plan --experts 1 --ids t.npy".into(),
            "t.npy: expected dtype I32, found F32",
        ),
        row(
            route("i.npy", "r", ""),
            "i.npy: expected dtype F32, F16 or BF16, found I32",
        ),
        // Shapes.
        row(
            route("t1", "r", ""),
            "t1: tensor \"tokens\": expected shape [T, D], found [12]",
        ),
        row(
            route("t0", "r", ""),
            "r: tensor \"experts\": expected shape [6, 0], found [6, 4]",
        ),
        row(
            route("t", "r5", ""),
            "r5: tensor \"experts\": expected shape [6, 4], found [6, 5]",
        ),
        row(
            route("t", "r0", ""),
            "r0: tensor \"experts\": number of rows: expected at least 1, found 0",
        ),
        row(
            route("t", "rb", ""),
            "rb: tensor \"bias\": expected shape [6], found [5]",
        ),
        row(
            route("t", "rb2", ""),
            "rb2: tensor \"bias\": expected shape [E], found [6, 1]",
        ),
        row(
            route("t", "rp", ""),
            "rp: tensor \"projection\": expected shape [2, 4], found [2, 3]",
        ),
        row(
            route("t", "rp2", ""),
            "rp2: tensor \"projection_bias\": expected shape [2], found [3]",
        ),
        row(
            "plan --experts 1 --ids iw".into(),
            "iw: tensor \"expert_weights\": expected shape [3, 2], found [3, 1]",
        ),
        // Arrays of numpy.
        row(route("big.npy", "r", ""), &format!("big.npy: {npy} '>f4'")),
        row(route("f8.npy", "r", ""), &format!("f8.npy: {npy} '<f8'")),
        row(
            route("fortran.npy", "r", ""),
            "fortran.npy: expected an array in C order, found Fortran order",
        ),
        row(
            route("short.npy", "r", ""),
            "short.npy: expected the data of shape [3, 4], found 47 bytes",
        ),
        row(
            route("huge.npy", "r", ""),
            "huge.npy: expected a .npy header of one array, found something else",
        ),
        row(
            route("deep.npy", "r", ""),
            "deep.npy: expected a .npy header of one array, found something else",
        ),
        row(
            route("cut.npy", "r", ""),
            "cut.npy: expected a .npy header, found one that is cut off or too long",
        ),
        // Where the output goes.
        row(
            route("t", "r", "--out folder"),
            "--out folder: expected a file, found a directory",
        ),
        row(
            route("t", "r", "--out new/"),
            "--out new/: expected the name of a file, found that of a directory",
        ),
        row(
            route("t", "r", "--out new/o"),
            "--out new/o: expected an existing directory, found no directory new",
        ),
        row(
            "select --top-k 1 --logits l --out /dev/null".into(),
            "--out /dev/null: expected a regular file, found a device or pipe",
        ),
        row(
            "plan --experts 1 --ids i --out t/o".into(),
            "--out t/o: expected to write the file, found \"Not a directory (os error 20)\"",
        ),
    ];
    let cases: Vec<(&str, i32, &str)> = cases
        .iter()
        .map(|(args, text)| (args.as_str(), 1, text.as_str()))
        .collect();
    check(dir.path(), &cases);
}

#[test]
fn an_error_is_one_line_whatever_the_name() {
    let dir = tempdir().unwrap();
    let args = ["plan", "--experts", "1", "--ids", "two\nlines\x1b[31m"];
    let run = crate::support::finished(crate::support::command(dir.path(), &args));
    assert_eq!(run.code, Some(1));
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(
        run.stderr
            .starts_with("error: two\\nlines\\u{1b}[31m: expected"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_bias_placement_without_a_bias_is_accepted() {
    let dir = files();
    let args = "route --top-k 1 --tokens t --router r --bias-placement after-selection";
    assert_eq!(cosmoe(dir.path(), args).code, Some(0));
}
