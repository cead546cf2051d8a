//! `--preset`: the router of a model by its name, against the options that say the same.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Tensor, cosmoe, json, load, numbers, save};

/// Name, experts, hidden, and the options that a preset stands for.
const PRESETS: [(&str, usize, usize, &str); 14] = [
    ("mixtral-8x7b", 8, 4096, "--top-k 2 --gate softmax-selected"),
    ("mixtral-8x22b", 8, 6144, "--top-k 2 --gate softmax-selected"),
    ("qwen3-30b-a3b", 128, 2048, "--top-k 8 --gate softmax-all-renorm"),
    ("qwen3-235b-a22b", 128, 4096, "--top-k 8 --gate softmax-all-renorm"),
    ("qwen1.5-moe-a2.7b", 60, 2048, "--top-k 4 --gate softmax-all"),
    ("deepseek-moe-16b", 64, 2048, "--top-k 6 --gate softmax-all"),
    ("deepseek-v2-lite", 64, 2048, "--top-k 6 --gate softmax-all"),
    (
        "deepseek-v3",
        256,
        7168,
        "--top-k 8 --gate sigmoid-renorm --bias-placement selection-only --groups 8 \
         --top-groups 4 --group-score sum-of-top-two --route-scale 2.5",
    ),
    (
        "glm-4.5",
        160,
        5120,
        "--top-k 8 --gate sigmoid-renorm --bias-placement selection-only --route-scale 2.5",
    ),
    (
        "kimi-k2",
        384,
        7168,
        "--top-k 8 --gate sigmoid-renorm --bias-placement selection-only --route-scale 2.827",
    ),
    ("olmoe-1b-7b", 64, 2048, "--top-k 8 --gate softmax-all"),
    ("gpt-oss-120b", 128, 2880, "--top-k 4 --gate softmax-selected --bias-placement in-score"),
    ("llama-4-maverick", 128, 5120, "--top-k 1 --gate sigmoid"),
    ("minimax-m2", 256, 3072, "--top-k 8 --gate sigmoid-renorm --bias-placement selection-only"),
];

/// What a preset sets, of what a command says.
const SET: [&str; 8] = [
    "top_k",
    "score",
    "gate",
    "bias_placement",
    "route_scale",
    "groups",
    "top_groups",
    "group_score",
];

#[test]
fn a_preset_is_its_options() {
    let dir = tempdir().unwrap();
    for (name, experts, _, options) in PRESETS {
        let (tokens, hidden) = (9, 16);
        let bias = Tensor::f32(&[experts], &numbers(experts, 3));
        let w = Tensor::f32(&[experts, hidden], &numbers(experts * hidden, 1));
        let x = Tensor::f32(&[tokens, hidden], &numbers(tokens * hidden, 2));
        let z = Tensor::f32(&[tokens, experts], &numbers(tokens * experts, 4));
        save(&dir.path().join("t"), &[("tokens", x)]);
        save(&dir.path().join("r"), &[("experts", w), ("bias", bias.clone())]);
        save(&dir.path().join("l"), &[("logits", z), ("bias", bias)]);
        for (command, score) in
            [("route --tokens t --router r --scores", "--score linear"), ("select --logits l", "")]
        {
            let preset = json(dir.path(), &format!("{command} --preset {name} --out o1"));
            let spelled = json(dir.path(), &format!("{command} {score} {options} --out o2"));
            assert_eq!(preset["preset"], name);
            assert_eq!(spelled["preset"], Value::Null);
            for key in SET {
                assert_eq!(preset[key], spelled[key], "{name}: {key}");
            }
            assert_eq!(load(&dir.path().join("o1")), load(&dir.path().join("o2")), "{name}");
        }
    }
}

#[test]
fn info_lists_the_presets() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "info --json");
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    let listed = value["presets"].as_array().unwrap();
    assert_eq!(listed.len(), PRESETS.len());
    let text = cosmoe(dir.path(), "info").stdout;
    for (listed, (name, experts, hidden, options)) in listed.iter().zip(PRESETS) {
        assert_eq!(listed["name"], name);
        assert_eq!((&listed["experts"], &listed["hidden"]), (&json!(experts), &json!(hidden)));
        assert_eq!(listed["score"], "linear");
        let mut words = options.split_whitespace();
        while let (Some(option), Some(given)) = (words.next(), words.next()) {
            let found = match &listed[option[2..].replace('-', "_")] {
                Value::String(text) => text.clone(),
                number => number.to_string(),
            };
            assert_eq!(found, given, "{name}: {option}");
        }
        assert!(text.lines().any(|line| line.split_whitespace().any(|word| word == name)));
        let docs = include_str!("../../docs/command-line.md");
        assert!(
            docs.contains(&format!("{name},")) || docs.contains(&format!("{name}\n")),
            "{name}"
        );
    }
    let line = text.lines().find(|line| line.contains("deepseek-v3 ")).unwrap();
    assert!(
        line.ends_with(
            "256 experts, hidden 7168, top 8, linear, sigmoid-renorm, selection-only, \
             4 of 8 groups by sum-of-top-two, scale 2.5"
        ),
        "{line}"
    );
}

#[test]
fn an_option_beside_a_preset_overrides() {
    let dir = tempdir().unwrap();
    let with = |options: &str| json(dir.path(), &format!("route --preset deepseek-v3 {options}"));
    let all = with("");
    let cases = [
        ("--top-k 3", "top_k", json!(3)),
        ("--score cosine", "score", json!("cosine")),
        ("--gate softmax-all", "gate", json!("softmax-all")),
        ("--bias-placement in-score", "bias_placement", json!("in-score")),
        ("--route-scale 1", "route_scale", json!(1.0)),
        ("--groups 4", "groups", json!(4)),
        ("--top-groups 5", "top_groups", json!(5)),
        ("--group-score max", "group_score", json!("max")),
    ];
    for (option, key, expected) in cases {
        let value = with(option);
        assert_eq!(value["preset"], "deepseek-v3");
        assert_eq!(value[key], expected, "{option}");
        for other in SET.iter().filter(|&&other| other != key) {
            assert_eq!(value[*other], all[*other], "{option}: {other}");
        }
    }
    // One group is no groups.
    let one = with("--groups 1 --top-groups 1");
    assert_eq!((&one["groups"], &one["top_groups"]), (&json!(1), &json!(1)));
    let taus = with("--score perturbed-cosine --tau-expert 0.5");
    assert_eq!((&taus["tau_token"], &taus["tau_expert"]), (&json!(0.0), &json!(0.5)));
    // A preset without groups takes some.
    let grouped = json(dir.path(), "route --preset mixtral-8x7b --groups 4 --top-groups 2");
    assert_eq!(
        (&grouped["top_groups"], &grouped["group_score"]),
        (&json!(2), &json!("sum-of-top-two"))
    );
}

/// Without the bias that the model's router has, its routes are others.
#[test]
fn a_bias_that_is_missing_is_missed() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    let dir = tempdir().unwrap();
    let files = format!(
        "--tokens {data}/sample_tokens.safetensors --router {data}/sample_router.safetensors"
    );
    let run =
        |name: &str| cosmoe(dir.path(), &format!("route --preset {name} {files} --device cpu"));
    let warning = format!(
        "warning: {data}/sample_router.safetensors: no tensor \"bias\", which deepseek-v3 selects \
         with: --bias-tensor names one\n"
    );
    let found = run("deepseek-v3");
    assert_eq!((found.code, found.stderr), (Some(0), warning));
    assert_eq!(run("mixtral-8x7b").stderr, "");
}

/// The sample has 16 experts, and none of the models.
#[test]
fn other_numbers_of_experts_are_accepted() {
    let dir = tempdir().unwrap();
    for (name, ..) in PRESETS {
        let value = json(dir.path(), &format!("route --preset {name}"));
        assert_eq!((&value["preset"], &value["experts"]), (&json!(name), &json!(16)));
    }
    let ids = Tensor::i32(&[1, 1], &[0]);
    save(&dir.path().join("i"), &[("expert_ids", ids)]);
    assert_eq!(json(dir.path(), "plan --ids i --experts 1")["preset"], Value::Null);
}

/// Weights by the models' formulas, in f64, for one token.
#[test]
fn weights_are_those_of_the_models() {
    let dir = tempdir().unwrap();
    let z = [0.5_f32, -1.0, 2.0, 1.5, -0.25, 0.75, 1.0, -2.0];
    let b = [0.0_f32, 0.9, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0];
    let logits = || Tensor::f32(&[1, 8], &z);
    save(&dir.path().join("l"), &[("logits", logits())]);
    save(&dir.path().join("lb"), &[("logits", logits()), ("bias", Tensor::f32(&[8], &b))]);
    let run = |args: &str| {
        json(dir.path(), &format!("select {args} --out o"));
        let out = load(&dir.path().join("o"));
        (out["expert_ids"].values::<i32>(), out["expert_weights"].values::<f32>())
    };
    let close = |found: &[f32], expected: &[f64]| {
        let pairs = found.iter().zip(expected);
        assert_eq!(found.len(), expected.len());
        pairs.for_each(|(&w, &e)| assert!((f64::from(w) - e).abs() < 1e-6, "{w}, {e}"));
    };
    let exp = |i: usize| f64::from(z[i]).exp();
    let sigmoid = |i: usize| 1.0 / (1.0 + (-f64::from(z[i])).exp());
    let all: f64 = (0..8).map(exp).sum();

    let (ids, weights) = run("--preset llama-4-maverick --logits l");
    assert_eq!(ids, [2]);
    close(&weights, &[sigmoid(2)]);

    let (ids, weights) = run("--preset mixtral-8x22b --logits l");
    assert_eq!(ids, [2, 3]);
    close(&weights, &[exp(2) / (exp(2) + exp(3)), exp(3) / (exp(2) + exp(3))]);

    let (ids, weights) = run("--preset qwen1.5-moe-a2.7b --logits l");
    assert_eq!(ids, [2, 3, 6, 5]);
    close(&weights, &[2, 3, 6, 5].map(|i| exp(i) / all));

    // The bias lifts expert 1 to the top and takes 2 from it; the weights know nothing of it.
    let (ids, weights) = run("--preset kimi-k2 --logits lb --top-k 2");
    assert_eq!(ids, [1, 3]);
    close(&weights, &[1, 3].map(|i| 2.827 * sigmoid(i) / (sigmoid(1) + sigmoid(3))));
}
