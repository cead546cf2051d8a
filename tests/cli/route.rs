//! `route` on files, against the library.

use std::path::Path;

use cosmoe::{
    Capacity, DropPolicy, Element, FloatMatrixRef, Gate, MatrixRef, PlanConfig, Projection,
    RouterConfig, Score, VectorRef,
};
use half::{bf16, f16};
use safetensors::Dtype;
use tempfile::tempdir;

use crate::library::{check_plan, dtype, of, route};
use crate::support::{Tensor, cosmoe, json, load, numbers, save, save_npy, save_with};

/// Routes a file of this dtype and compares every tensor with the library's.
fn same_as_library<T: Element>(dir: &Path)
where
    for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
{
    let (tokens, hidden, experts, top_k) = (50, 24, 12, 3);
    let x = of::<T>(&numbers(tokens * hidden, 1));
    let w = of::<T>(&numbers(experts * hidden, 2));
    let bias = numbers(experts, 3);
    save(&dir.join("t"), &[("tokens", Tensor::new(dtype::<T>(), &[tokens, hidden], &x))]);
    save(
        &dir.join("r"),
        &[
            ("experts", Tensor::new(dtype::<T>(), &[experts, hidden], &w)),
            ("bias", Tensor::f32(&[experts], &bias)),
        ],
    );
    let args = "route --top-k 3 --tokens t --router r --tau-token 0.5 --tau-expert 0.25 --scale 8 \
                --gate sigmoid-renorm --align 4 --capacity 20 --drop weight --scores --out o";
    let value = json(dir, args);
    assert_eq!(value["dtype"], T::DTYPE.name());
    assert_eq!(value["bias"], true);
    assert_eq!(value["bias_placement"], "in-score");
    assert_eq!(value["out"], "o");

    let score = Score::PerturbedCosine { tau_token: 0.5, tau_expert: 0.25 };
    let gate = Gate::Sigmoid { renormalize: true };
    let config =
        RouterConfig::builder(experts, top_k).score(score).scale(8.0).gate(gate).build().unwrap();
    let x = MatrixRef::new(&x, tokens, hidden).unwrap();
    let w = MatrixRef::new(&w, experts, hidden).unwrap();
    let expected = route(&config, x.into(), w.into(), Some(&bias), None);
    let out = load(&dir.join("o"));
    assert_eq!(out["expert_ids"], Tensor::i32(&[tokens, top_k], &expected.ids));
    assert_eq!(out["expert_weights"], Tensor::f32(&[tokens, top_k], &expected.weights));
    assert_eq!(out["scores"], Tensor::f32(&[tokens, experts], &expected.scores));
    assert_eq!(out.len(), 9);
    let plan = PlanConfig::builder(experts)
        .align(4)
        .capacity(Capacity::PerExpert(20))
        .drop_policy(DropPolicy::Weight)
        .build()
        .unwrap();
    check_plan(&plan, &out);

    // Asking for less gives the same bits.
    json(dir, &args.replace("--scores ", ""));
    let less = load(&dir.join("o"));
    assert_eq!(less.len(), 8);
    assert!(less.iter().all(|(name, tensor)| out[name] == *tensor));
}

#[test]
fn route_in_three_dtypes() {
    same_as_library::<f32>(tempdir().unwrap().path());
    same_as_library::<f16>(tempdir().unwrap().path());
    same_as_library::<bf16>(tempdir().unwrap().path());
}

#[test]
fn other_tensor_names_and_a_projection() {
    let dir = tempdir().unwrap();
    let (tokens, hidden, width, experts) = (9, 10, 6, 5);
    let x = of::<bf16>(&numbers(tokens * hidden, 1));
    let w = numbers(experts * width, 2);
    let p = numbers(width * hidden, 3);
    let (bias, shift) = (numbers(experts, 4), numbers(width, 5));
    let x_tensor = Tensor::new(Dtype::BF16, &[tokens, hidden], &x);
    save(&dir.path().join("t"), &[("a", x_tensor), ("b", Tensor::f32(&[1, 1], &[0.0]))]);
    save(
        &dir.path().join("r"),
        &[
            ("mlp.gate.weight", Tensor::f32(&[experts, width], &w)),
            ("mlp.gate.bias", Tensor::f32(&[experts], &bias)),
            ("mlp.down", Tensor::f32(&[width, hidden], &p)),
            ("projection_bias", Tensor::f32(&[width], &shift)),
        ],
    );
    let args = "route --top-k 2 --tokens t --tokens-tensor a --router r \
                --experts-tensor mlp.gate.weight --bias-tensor mlp.gate.bias \
                --projection-tensor mlp.down --score laplace --bias-placement after-selection \
                --scores --out o";
    let value = json(dir.path(), args);
    assert_eq!(value["hidden"], hidden);
    assert_eq!(value["bias_placement"], "after-selection");
    let config = RouterConfig::builder(experts, 2)
        .score(Score::Laplace)
        .bias_placement(cosmoe::BiasPlacement::AfterSelection)
        .build()
        .unwrap();
    let projection = Projection {
        weight: MatrixRef::new(&p, width, hidden).unwrap().into(),
        bias: Some(VectorRef::new(&shift)),
    };
    let expected = route(
        &config,
        MatrixRef::new(&x, tokens, hidden).unwrap().into(),
        MatrixRef::new(&w, experts, width).unwrap().into(),
        Some(&bias),
        Some(projection),
    );
    let out = load(&dir.path().join("o"));
    assert_eq!(out["expert_ids"], Tensor::i32(&[tokens, 2], &expected.ids));
    assert_eq!(out["expert_weights"], Tensor::f32(&[tokens, 2], &expected.weights));
    assert_eq!(out["scores"], Tensor::f32(&[tokens, experts], &expected.scores));
}

#[test]
fn npy_gives_what_safetensors_gives() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let x = Tensor::new(Dtype::F16, &[20, 8], &of::<f16>(&numbers(160, 1)));
    let w = Tensor::f32(&[6, 8], &numbers(48, 2));
    save(&at("t"), &[("anything", x.clone())]);
    save(&at("r"), &[("experts", w.clone())]);
    save_npy(&at("t.npy"), "<f2", false, &x);
    save_npy(&at("r.npy"), "<f4", false, &w);
    json(dir.path(), "route --top-k 2 --tokens t --router r --scores --out o1");
    json(dir.path(), "route --top-k 2 --tokens t.npy --router r.npy --scores --out o2");
    assert_eq!(std::fs::read(at("o1")).unwrap(), std::fs::read(at("o2")).unwrap());

    let out = load(&at("o1"));
    save_npy(&at("l.npy"), "<f4", false, &out["scores"]);
    json(dir.path(), "select --top-k 2 --logits l.npy --out o3");
    assert_eq!(load(&at("o3"))["expert_ids"], out["expert_ids"]);
    assert_eq!(load(&at("o3"))["expert_weights"], out["expert_weights"]);
    save_npy(&at("i.npy"), "<i4", false, &out["expert_ids"]);
    json(dir.path(), "plan --experts 6 --ids i.npy --out o4");
    let plan = load(&at("o4"));
    assert_eq!(plan["assignment_of_row"], out["assignment_of_row"]);
    assert!(!plan.contains_key("expert_weights"));
}

#[test]
fn misaligned_data_is_read_all_the_same() {
    let dir = tempdir().unwrap();
    let shapes = [("experts", [4, 6]), ("tokens", [15, 6])];
    let tensors: Vec<(&str, Tensor)> = shapes
        .iter()
        .map(|(name, shape)| (*name, Tensor::f32(shape, &numbers(shape[0] * shape[1], 7))))
        .collect();
    save(&dir.path().join("good"), &tensors);
    // The same tensors at odd addresses: a byte in front of them, which the format allows.
    let mut header = serde_json::Map::new();
    let mut data = vec![1_u8];
    header.insert(
        "odd".into(),
        serde_json::json!({
            "dtype": "U8", "shape": [1], "data_offsets": [0, 1],
        }),
    );
    for (name, tensor) in &tensors {
        let start = data.len();
        data.extend(&tensor.bytes);
        header.insert(
            name.to_string(),
            serde_json::json!({
                "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()],
            }),
        );
    }
    let header = serde_json::Value::from(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(dir.path().join("odd"), bytes).unwrap();
    json(dir.path(), "route --top-k 2 --tokens good --router good --scores --out o1");
    json(dir.path(), "route --top-k 2 --tokens odd --router odd --scores --out o2");
    let outs = ["o1", "o2"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    assert_eq!(outs[0], outs[1]);
}

#[test]
fn slabs_leave_no_trace() {
    let dir = tempdir().unwrap();
    // Twice more tokens than a slab holds, and some; the last are masked.
    let (tokens, hidden, experts) = (17_000, 4, 3);
    let x = numbers(tokens * hidden, 1);
    let w = numbers(experts * hidden, 2);
    save(&dir.path().join("t"), &[("tokens", Tensor::f32(&[tokens, hidden], &x))]);
    save(&dir.path().join("r"), &[("experts", Tensor::f32(&[experts, hidden], &w))]);
    let args = "route --top-k 1 --tokens t --router r --num-tokens 16900 --scores --out o";
    let value = json(dir.path(), args);
    assert_eq!(value["masked"], 100);
    let config = RouterConfig::builder(experts, 1).build().unwrap();
    let x = MatrixRef::new(&x, tokens, hidden).unwrap();
    let w = MatrixRef::new(&w, experts, hidden).unwrap();
    let mut expected = route(&config, x.into(), w.into(), None, None);
    expected.ids[16_900..].fill(-1);
    expected.weights[16_900..].fill(0.0);
    expected.scores[16_900 * experts..].fill(0.0);
    let out = load(&dir.path().join("o"));
    assert!(out["expert_ids"] == Tensor::i32(&[tokens, 1], &expected.ids));
    assert!(out["expert_weights"] == Tensor::f32(&[tokens, 1], &expected.weights));
    assert!(out["scores"] == Tensor::f32(&[tokens, experts], &expected.scores));
    check_plan(&PlanConfig::builder(experts).build().unwrap(), &out);

    // Logits go in slabs too.
    let logits = out["scores"].clone();
    save(&dir.path().join("l"), &[("logits", logits)]);
    json(dir.path(), "select --top-k 1 --logits l --num-tokens 16900 --out s");
    let selected = load(&dir.path().join("s"));
    assert!(selected["expert_ids"] == out["expert_ids"]);
    assert!(selected["row_of_assignment"] == out["row_of_assignment"]);
}

#[test]
fn a_projection_bias_alone_is_warned_of() {
    let dir = tempdir().unwrap();
    save(&dir.path().join("t"), &[("tokens", Tensor::f32(&[1, 2], &[1.0, 2.0]))]);
    let tensors = [
        ("experts", Tensor::f32(&[2, 2], &numbers(4, 1))),
        ("projection_bias", Tensor::f32(&[2], &[0.0; 2])),
    ];
    save(&dir.path().join("r"), &tensors);
    let run = cosmoe(dir.path(), "route --top-k 1 --tokens t --router r --device cpu");
    assert_eq!(run.code, Some(0));
    let expected = "warning: r: projection_bias: not used, there is no projection\n";
    assert_eq!(run.stderr, expected);
}

#[test]
fn labels_show_in_the_table() {
    let dir = tempdir().unwrap();
    let x = Tensor::f32(&[4, 2], &[1.0, 0.1, 1.0, 0.0, 0.0, 1.0, 1.0, 0.2]);
    let w = Tensor::f32(&[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    save(&dir.path().join("r"), &[("experts", w)]);
    let run = |labels: &str| {
        let metadata = [("token_labels", labels)];
        save_with(&dir.path().join("t"), &[("tokens", x.clone())], &metadata);
        cosmoe(dir.path(), "route --top-k 1 --tokens t --router r --device cpu")
    };
    let good = run(r#"["near", "nearest", "north", "near"]"#);
    assert_eq!(good.stderr, "");
    assert!(good.stdout.contains("typical tokens"));
    assert!(good.stdout.lines().any(|line| line.ends_with("  nearest near")), "{}", good.stdout);
    assert!(good.stdout.lines().any(|line| line.ends_with("  north")), "{}", good.stdout);
    // Of these, each takes two columns: of 46, two words take 43 or, a character longer, 47.
    for (characters, words) in [(10, 2), (11, 1)] {
        let word = |letter: &str| letter.to_owned() + &"\u{6f22}".repeat(characters);
        let labels = ["a", "b", "c", "d"].map(word);
        let cut = run(&serde_json::to_string(&labels).unwrap()).stdout;
        let best = [labels[1].as_str(), &labels[0]];
        let line = format!("  {}", best[..words].join(" "));
        assert!(cut.lines().any(|found| found.ends_with(&line)), "{cut}");
    }

    // Nobody's first choice is anything where no token is real.
    let nobody =
        cosmoe(dir.path(), "route --top-k 1 --tokens t --router r --device cpu --num-tokens 0");
    assert_eq!(nobody.code, Some(0));
    assert!(!nobody.stdout.contains("typical tokens"), "{}", nobody.stdout);

    let expected = "warning: t: token_labels: expected a JSON array of 4 strings, found";
    for (labels, found) in [
        (r#"["one"]"#, "1 strings\n"),
        ("[1]", "\"invalid type: integer `1`, expected a string at line 1 column 2\"\n"),
    ] {
        let bad = run(labels);
        assert_eq!(bad.code, Some(0));
        assert_eq!(bad.stderr, format!("{expected} {found}"));
        assert!(!bad.stdout.contains("typical tokens"));
    }
}
