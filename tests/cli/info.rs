//! `info` of a file: what every kind of tensor shows.

use std::path::Path;

use half::{bf16, f16};
use safetensors::Dtype;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::library::of;
use crate::support::{Tensor, command, cosmoe, finished, numbers, save, save_npy};

/// Runs `info` on a file, which must succeed, and takes its tensors from what it says.
fn tensors(dir: &Path, file: &str) -> Vec<Value> {
    let run = cosmoe(dir, &format!("info {file} --json"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{file}");
    assert_eq!(run.stdout.lines().count(), 1);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    let keys = ["schema", "command", "file", "tensors"];
    let mut rest = run.stdout.as_str();
    for key in keys {
        rest = &rest[rest.find(&format!("\"{key}\":")).unwrap()..];
    }
    assert_eq!(value.as_object().unwrap().len(), keys.len());
    assert_eq!(value["schema"], 1);
    assert_eq!(value["command"], "info");
    assert_eq!(value["file"], file);
    value["tensors"].as_array().unwrap().clone()
}

/// The lines below the heading of the table, in words.
fn lines(dir: &Path, file: &str) -> Vec<Vec<String>> {
    let run = cosmoe(dir, &format!("info {file}"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{file}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    run.stdout.lines().skip(3).map(words).collect()
}

/// The smallest and the largest norm, in the order in which the program adds.
fn norms(values: impl Iterator<Item = f64>, cols: usize) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let rows = values.chunks_exact(cols).map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt());
    rows.fold((f64::INFINITY, 0.0), |(min, max), norm| (norm.min(min), norm.max(max)))
}

#[test]
fn floats_of_every_width_are_measured() {
    let dir = tempdir().unwrap();
    let values = numbers(7 * 12, 1);
    let (brain, short) = (of::<bf16>(&values), of::<f16>(&values));
    let long: Vec<f64> = values.iter().map(|&x| f64::from(x) / 3.0).collect();
    let shape = [7, 12];
    save(
        &dir.path().join("f"),
        &[
            ("a64", Tensor::new(Dtype::F64, &shape, &long)),
            ("b32", Tensor::f32(&[7, 3, 4], &values)),
            ("c16", Tensor::new(Dtype::F16, &shape, &short)),
            ("d16", Tensor::new(Dtype::BF16, &shape, &brain)),
        ],
    );
    let expected = [
        ("a64", "F64", json!([7, 12]), norms(long.iter().copied(), 12)),
        // Rows are the last dimension, whatever comes before it.
        ("b32", "F32", json!([7, 3, 4]), norms(values.iter().map(|&x| f64::from(x)), 4)),
        ("c16", "F16", json!([7, 12]), norms(short.iter().map(|&x| f64::from(x)), 12)),
        ("d16", "BF16", json!([7, 12]), norms(brain.iter().map(|&x| f64::from(x)), 12)),
    ];
    let found = tensors(dir.path(), "f");
    assert_eq!(found.len(), expected.len());
    for (name, dtype, shape, (smallest, largest)) in expected {
        let expected = json!({
            "name": name, "dtype": dtype, "shape": shape, "smallest_row": smallest,
            "largest_row": largest, "nan": 0, "infinite": 0,
        });
        assert!(found.contains(&expected), "{expected} in {found:?}");
    }
}

#[test]
fn rows_that_are_not_finite_are_counted_and_left_out() {
    let dir = tempdir().unwrap();
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    save(
        &dir.path().join("f"),
        &[
            ("all", Tensor::f32(&[2, 2], &[nan, inf, -inf, 1.0])),
            ("empty", Tensor::f32(&[0, 4], &[])),
            ("narrow", Tensor::f32(&[4, 0], &[])),
            ("one", Tensor::f32(&[], &[-2.5])),
            ("some", Tensor::f32(&[4, 2], &[3.0, 4.0, nan, nan, -inf, 0.0, 0.0, -0.5])),
            ("zero", Tensor::f32(&[2, 2], &[0.0, -0.0, 0.0, 0.0])),
        ],
    );
    let expected = [
        ["all", "F32", "[2, 2]", "-", "-", "1", "2"],
        ["empty", "F32", "[0, 4]", "-", "-", "0", "0"],
        ["narrow", "F32", "[4, 0]", "-", "-", "0", "0"],
        ["one", "F32", "[]", "2.5000", "2.5000", "0", "0"],
        ["some", "F32", "[4, 2]", "0.5000", "5.0000", "2", "1"],
        ["zero", "F32", "[2, 2]", "0", "0", "0", "0"],
    ];
    let mut found = lines(dir.path(), "f");
    found.sort();
    let expected = expected.map(|line| line.join(" "));
    assert_eq!(found.iter().map(|line| line.join(" ")).collect::<Vec<_>>(), expected);
    let json = tensors(dir.path(), "f");
    let all = json.iter().find(|tensor| tensor["name"] == "all").unwrap();
    assert_eq!(all["smallest_row"], Value::Null);
    assert_eq!((&all["nan"], &all["infinite"]), (&json!(1), &json!(2)));
}

#[test]
fn squares_that_leave_the_range_do_not_spoil_a_norm() {
    let dir = tempdir().unwrap();
    let values = [3e300, 4e300, 3e-300, 4e-300, 5e-324, 0.0];
    save(&dir.path().join("f"), &[("x", Tensor::new(Dtype::F64, &[3, 2], &values))]);
    let found = &tensors(dir.path(), "f")[0];
    assert_eq!(found["smallest_row"], 5e-324);
    assert_eq!(found["largest_row"], 5e300);
    let [line] = &lines(dir.path(), "f")[..] else { panic!("one tensor, one line") };
    assert_eq!(line[5], "5.0000e300");
    let small = Tensor::f32(&[1, 2], &[3e-40, 4e-40]);
    save(&dir.path().join("g"), &[("x", small)]);
    let norm = tensors(dir.path(), "g")[0]["smallest_row"].as_f64().unwrap();
    assert!((norm - 5e-40).abs() < 1e-44, "{norm}");
}

#[test]
fn other_types_are_listed() {
    let dir = tempdir().unwrap();
    let tensors = [
        ("bool", Dtype::BOOL, 1),
        ("f8", Dtype::F8_E4M3, 1),
        ("i32", Dtype::I32, 4),
        ("i64", Dtype::I64, 8),
        ("u8", Dtype::U8, 1),
    ];
    let tensors =
        tensors.map(|(name, dtype, size)| (name, Tensor::new(dtype, &[6], &vec![0_u8; 6 * size])));
    save(&dir.path().join("f"), &tensors);
    let mut found = lines(dir.path(), "f");
    found.sort();
    let names: Vec<&str> = found.iter().map(|line| line[1].as_str()).collect();
    assert_eq!(names, ["BOOL", "F8_E4M3", "I32", "I64", "U8"]);
    assert!(found.iter().all(|line| line[2..] == ["[6]", "-", "-", "-", "-"]), "{found:?}");
    for tensor in self::tensors(dir.path(), "f") {
        for key in ["smallest_row", "largest_row", "nan", "infinite"] {
            assert_eq!(tensor[key], Value::Null, "{tensor}");
        }
    }
    save(&dir.path().join("none"), &[]);
    assert_eq!(self::tensors(dir.path(), "none"), Vec::<Value>::new());
    assert!(cosmoe(dir.path(), "info none").stdout.starts_with("none: 0 tensors, "));
}

#[test]
fn npy_of_every_type_is_listed() {
    let dir = tempdir().unwrap();
    let types = [
        ("<f8", "F64", 8),
        ("<f4", "F32", 4),
        ("<f2", "F16", 2),
        ("<i8", "I64", 8),
        ("<i4", "I32", 4),
        ("<i2", "I16", 2),
        ("|i1", "I8", 1),
        ("<u8", "U64", 8),
        ("<u4", "U32", 4),
        ("<u2", "U16", 2),
        ("|u1", "U8", 1),
        ("|b1", "BOOL", 1),
    ];
    for (descr, dtype, size) in types {
        let tensor = Tensor::new(Dtype::U8, &[3, 2], &vec![0_u8; 6 * size]);
        save_npy(&dir.path().join("x.npy"), descr, false, &tensor);
        let zero = if dtype.starts_with('F') { "0" } else { "-" };
        let expected = format!("- {dtype} [3, 2] {zero} {zero} {zero} {zero}");
        assert_eq!(lines(dir.path(), "x.npy")[0].join(" "), expected);
        assert_eq!(tensors(dir.path(), "x.npy")[0]["name"], Value::Null);
    }
}

/// Rows longer than what a thread takes at once, many rows, and data at an odd address.
#[test]
fn how_the_work_is_cut_shows_nowhere() {
    let dir = tempdir().unwrap();
    let values = numbers(400_000, 5);
    let shapes = [("wide", [2, 200_000]), ("tall", [100_000, 4]), ("odd", [1333, 300])];
    let mut header = serde_json::Map::new();
    let mut data = vec![0_u8];
    for (name, shape) in shapes {
        let tensor = Tensor::f32(&shape, &values[..shape[0] * shape[1]]);
        save(&dir.path().join(name), &[(name, tensor.clone())]);
        let start = data.len();
        data.extend(&tensor.bytes);
        let offsets = [start, data.len()];
        header.insert(
            name.into(),
            json!({ "dtype": "F32", "shape": shape, "data_offsets": offsets }),
        );
    }
    header.insert("byte".into(), json!({ "dtype": "U8", "shape": [1], "data_offsets": [0, 1] }));
    let header = Value::from(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(dir.path().join("moved"), bytes).unwrap();

    let moved = tensors(dir.path(), "moved");
    for (name, shape) in shapes {
        let alone = &tensors(dir.path(), name)[0];
        assert!(moved.contains(alone), "{alone} in {moved:?}");
        let used = &values[..shape[0] * shape[1]];
        let (smallest, largest) = norms(used.iter().map(|&x| f64::from(x)), shape[1]);
        for (key, norm) in [("smallest_row", smallest), ("largest_row", largest)] {
            let found = alone[key].as_f64().unwrap();
            assert!((found - norm).abs() <= norm * 1e-12, "{name} {key}: {found}, {norm}");
        }
        let run = |threads: &str| {
            let mut run = command(dir.path(), &["info", name, "--json"]);
            run.env("RAYON_NUM_THREADS", threads);
            finished(run).stdout
        };
        assert_eq!(run("1"), run("3"));
    }
}

#[test]
fn a_name_may_be_anything() {
    let dir = tempdir().unwrap();
    let one = || Tensor::f32(&[1], &[1.0]);
    let names = ["wide \u{6f22}\u{6f22}", "two\nlines\x1b[31m", "plain"];
    save(&dir.path().join("f"), &names.map(|name| (name, one())));
    let text = cosmoe(dir.path(), "info f").stdout;
    assert_eq!(text.lines().count(), 3 + names.len(), "{text}");
    assert!(text.contains(r"two\nlines\u{1b}[31m"), "{text}");
    let place = |line: &str| {
        // A wide character takes two columns.
        let before = line.split("F32").next().unwrap();
        before.chars().count() + before.chars().filter(|&c| c == '\u{6f22}').count()
    };
    let places: Vec<usize> = text.lines().skip(3).map(place).collect();
    assert!(places.iter().all(|&column| column == places[0]), "{text}");
    let found: Vec<Value> = tensors(dir.path(), "f").iter().map(|t| t["name"].clone()).collect();
    assert!(names.iter().all(|&name| found.contains(&name.into())), "{found:?}");
}

#[test]
fn without_a_file_json_says_what_the_text_does() {
    let dir = tempdir().unwrap();
    let run = cosmoe(dir.path(), "info --json");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_eq!(run.stdout.lines().count(), 1);
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&value["schema"], &value["command"]), (&json!(1), &json!("info")));
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    let text = cosmoe(dir.path(), "info").stdout;
    let said = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    assert_eq!(value["simd"], said("simd"));
    assert_eq!(value["threads"].to_string(), said("threads"));
    let sample = &value["sample"];
    let expected =
        format!("{}, {} bytes", sample["description"].as_str().unwrap(), sample["bytes"]);
    assert_eq!(said("sample"), expected);
    cuda(&value);
}

#[cfg(not(feature = "cuda"))]
fn cuda(value: &Value) {
    assert_eq!(value["cuda_error"], "this build holds no CUDA kernels");
    assert_eq!(value["kernels"], json!([]));
}

#[cfg(feature = "cuda")]
fn cuda(value: &Value) {
    let kernels: Vec<Value> = cosmoe::cuda::kernels()
        .map(|kernel| {
            let builds: Vec<Value> = kernel
                .builds
                .iter()
                .map(|build| {
                    json!({
                        "architecture": build.arch, "registers": build.registers,
                        "shared": build.shared, "spills": build.spills,
                    })
                })
                .collect();
            json!({ "name": kernel.name, "builds": builds })
        })
        .collect();
    assert_eq!(value["kernels"], json!(kernels));
    assert_eq!(value["architectures"], json!(cosmoe::cuda::architectures()));
    assert_eq!(value["nvcc"], json!(cosmoe::cuda::compiler_version()));
    assert_eq!(value["cuda_driver"], json!(cosmoe::cuda::driver_version().ok()));
    match cosmoe::cuda::devices() {
        Err(error) => {
            assert_eq!(value["cuda_error"], error.to_string());
            assert_eq!(value["cuda_devices"], json!([]));
        }
        Ok(devices) => {
            assert_eq!(value["cuda_error"], Value::Null);
            let found = value["cuda_devices"].as_array().unwrap();
            assert_eq!(found.len(), devices.len());
            for (found, device) in found.iter().zip(devices) {
                assert_eq!(found["device"], format!("cuda:{}", device.ordinal));
                assert_eq!(found["name"], device.name);
                assert_eq!(found["memory"], json!(device.memory));
                assert_eq!(found["emulated"], device.is_emulated());
            }
        }
    }
}
