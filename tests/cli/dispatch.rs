//! `select` and `plan` on files, against the library.

use cosmoe::{
    Backend, Capacity, Cpu, DropPolicy, FloatMatrixRef, Gate, HostWorkspace, MatrixMut, MatrixRef,
    PlanConfig, RouterConfig, SelectArgs, SelectOut, SelectShape, VectorRef,
};
use half::bf16;
use safetensors::Dtype;
use tempfile::tempdir;

use crate::library::{check_plan, of};
use crate::support::{Tensor, cosmoe, json, load, numbers, save};

#[test]
fn select_takes_its_options() {
    let dir = tempdir().unwrap();
    let (tokens, experts, top_k) = (40, 8, 3);
    let z = of::<bf16>(&numbers(tokens * experts, 1));
    let bias = numbers(experts, 2);
    save(
        &dir.path().join("l"),
        &[
            ("logits", Tensor::new(Dtype::BF16, &[tokens, experts], &z)),
            ("b", Tensor::f32(&[experts], &bias)),
        ],
    );
    let value = json(
        dir.path(),
        "select --top-k 3 --logits l --bias-tensor b --bias-placement selection-only \
         --gate sigmoid-renorm --route-scale 2.5 --groups 4 --top-groups 2 \
         --capacity-factor 1.0 --expert-window 0:8 --out o",
    );
    assert_eq!(value["command"], "select");
    assert_eq!(value["dtype"], "bf16");
    assert_eq!(value["group_score"], "sum-of-top-two");
    for key in ["hidden", "score", "tau_token", "tau_expert", "scale"] {
        assert_eq!(value[key], serde_json::Value::Null, "{key}");
    }
    let config = RouterConfig::builder(experts, top_k)
        .gate(Gate::Sigmoid { renormalize: true })
        .bias_placement(cosmoe::BiasPlacement::SelectionOnly)
        .route_scale(2.5)
        .groups(4, 2, cosmoe::GroupScore::SumOfTopTwo)
        .build()
        .unwrap();
    let cpu = Cpu::new();
    let logits: FloatMatrixRef<'_> = MatrixRef::new(&z, tokens, experts).unwrap().into();
    let (mut ids, mut weights) = (vec![0; tokens * top_k], vec![0.0; tokens * top_k]);
    let out = SelectOut {
        ids: MatrixMut::new(&mut ids, tokens, top_k).unwrap(),
        weights: MatrixMut::new(&mut weights, tokens, top_k).unwrap(),
    };
    let args = SelectArgs { logits, bias: Some(VectorRef::new(&bias)), num_tokens: None };
    let shape = SelectShape { tokens, dtype: logits.dtype() };
    let size = cpu.select_workspace(&config, shape).unwrap();
    cpu.select(&config, args, out, HostWorkspace::new().lend(size)).unwrap();
    let out = load(&dir.path().join("o"));
    assert_eq!(out["expert_ids"], Tensor::i32(&[tokens, top_k], &ids));
    assert_eq!(out["expert_weights"], Tensor::f32(&[tokens, top_k], &weights));
    let factor = Capacity::Factor(1.0);
    check_plan(&PlanConfig::builder(experts).capacity(factor).build().unwrap(), &out);
}

#[test]
fn plan_counts_every_kind_of_id() {
    let dir = tempdir().unwrap();
    let ids = [0, 1, 1, 1, -1, -1, 7, 2, i32::MIN, 0, 1, 3];
    let weights = [0.1, 0.2, 0.9, 0.3, 0.0, 0.0, 0.5, 0.5, 0.1, 0.2, 0.8, 0.3];
    save(
        &dir.path().join("i"),
        &[
            ("expert_ids", Tensor::i32(&[6, 2], &ids)),
            ("expert_weights", Tensor::f32(&[6, 2], &weights)),
        ],
    );
    let args = "plan --ids i --experts 4 --align 2 --capacity 2 --drop weight \
                --expert-window 0:3 --out o";
    let value = json(dir.path(), args);
    assert_eq!(value["command"], "plan");
    assert_eq!(value["tokens"], 6);
    assert_eq!(value["top_k"], 2);
    assert_eq!(value["expert_counts"], serde_json::json!([2, 2, 1, 0]));
    assert_eq!(value["dropped"], 2);
    assert_eq!(value["invalid"], 3);
    assert_eq!(value["masked"], 2);
    assert_eq!((&value["rows"], &value["padding"]), (&6.into(), &1.into()));
    assert_eq!(value["capacity"], 2);
    for key in ["real_tokens", "dtype", "hidden", "gate", "bias", "bias_placement", "route_scale"] {
        assert_eq!(value[key], serde_json::Value::Null, "{key}");
    }
    let config = PlanConfig::builder(4)
        .align(2)
        .capacity(Capacity::PerExpert(2))
        .drop_policy(DropPolicy::Weight)
        .expert_window(0..3)
        .build()
        .unwrap();
    check_plan(&config, &load(&dir.path().join("o")));
}

#[test]
fn no_tokens_is_a_valid_input() {
    let dir = tempdir().unwrap();
    save(&dir.path().join("t"), &[("tokens", Tensor::f32(&[0, 4], &[]))]);
    save(&dir.path().join("r"), &[("experts", Tensor::f32(&[3, 4], &numbers(12, 1)))]);
    save(&dir.path().join("l"), &[("logits", Tensor::f32(&[0, 3], &[]))]);
    save(&dir.path().join("i"), &[("expert_ids", Tensor::i32(&[0, 2], &[]))]);
    let commands = [
        "route --top-k 2 --tokens t --router r --scores",
        "select --top-k 2 --logits l",
        "plan --ids i --experts 3",
    ];
    for args in commands {
        let value = json(dir.path(), &format!("{args} --align 8 --out o"));
        assert_eq!((&value["tokens"], &value["rows"]), (&0.into(), &0.into()), "{args}");
        assert_eq!(load(&dir.path().join("o"))["expert_offsets"].values::<i32>(), [0; 4]);
        assert_eq!(cosmoe(dir.path(), args.trim_end_matches("--scores")).code, Some(0), "{args}");
    }
}

#[test]
fn many_experts_take_a_line_each() {
    let dir = tempdir().unwrap();
    let ids: Vec<i32> = (0..600).map(|a| a * a % 300).collect();
    save(&dir.path().join("i"), &[("expert_ids", Tensor::i32(&[100, 6], &ids))]);
    let run = cosmoe(dir.path(), "plan --ids i --experts 300 --capacity 3 --device cpu");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("expert "))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 300);
    let demand: usize = lines.iter().map(|words| words[2].parse::<usize>().unwrap()).sum();
    assert_eq!(demand, 600);
    assert!(lines.iter().all(|words| words[1].parse::<usize>().unwrap() <= 3));
    assert!(run.stdout.contains("; capacity 3 per expert"), "{}", run.stdout);
}

#[test]
fn the_table_ends_where_nobody_reads_on() {
    let dir = tempdir().unwrap();
    save(&dir.path().join("i"), &[("expert_ids", Tensor::i32(&[1, 1], &[1500]))]);
    let lines = |experts: usize| {
        let args = format!("plan --ids i --experts {experts} --device cpu");
        let run = cosmoe(dir.path(), &args);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        let lines = run.stdout.lines().skip(3).take_while(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(1024).len(), 1024);
    assert!(lines(1024)[1023].starts_with("  1023 "));
    assert_eq!(lines(1025).len(), 1025);
    assert_eq!(lines(1025)[1024], "... and 1 more");
    assert_eq!(lines(3000)[1024], "... and 1976 more");
    let value = json(dir.path(), "plan --ids i --experts 3000");
    assert_eq!(value["expert_counts"].as_array().unwrap().len(), 3000);
}

#[test]
fn a_window_has_a_load_of_its_own() {
    let dir = tempdir().unwrap();
    let ids = Tensor::i32(&[6, 1], &[2, 3, 3, 3, 2, 7]);
    save(&dir.path().join("i"), &[("expert_ids", ids)]);
    let load = |window: &str| {
        let args = format!("plan --ids i --experts 8 --device cpu {window}");
        let run = cosmoe(dir.path(), &args);
        let line = run.stdout.lines().find(|line| line.starts_with("load "));
        line.map(|line| line["load".len()..].trim().to_owned())
    };
    // ln 8, ln 2, and one expert alone.
    let all = "0 to 3, mean 0.8; entropy 1.011 of 2.079 nats";
    assert_eq!(load("").as_deref(), Some(all));
    let window = "2 to 3, mean 2.5; entropy 0.673 of 0.693 nats; experts 2 to 3";
    assert_eq!(load("--expert-window 2:4").as_deref(), Some(window));
    let one = "1 to 1, mean 1.0; entropy 0.000 of 0.000 nats; experts 7 to 7";
    assert_eq!(load("--expert-window 7:8").as_deref(), Some(one));
    assert_eq!(load("--expert-window 5:5"), None);
}
