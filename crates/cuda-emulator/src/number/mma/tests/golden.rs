//! Dot products whose results come from MMA-Sim (`tests/mmasim/check.py --golden`).

use super::{Format, MODELS, Matrices, SHAPES, Shape, multiply};

#[test]
fn results_are_mma_sims() {
    let mut counts = [[0; SHAPES.len()]; MODELS.len()];
    let text = include_str!("../../../../tests/mmasim/golden.txt");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let format = |word| match word {
            "f16" => Format::F16,
            "bf16" => Format::Bf16,
            "tf32" => Format::Tf32,
            "f32" => Format::F32,
            _ => panic!("no format {word}"),
        };
        let model = usize::from(words[0] == "hopper");
        let depth = words[3].parse().unwrap();
        let shape = Shape { factor: format(words[1]), accumulator: format(words[2]), depth };
        let bits: Vec<u32> =
            words[4..].iter().map(|word| u32::from_str_radix(word, 16).unwrap()).collect();
        let (row, rest) = bits.split_at(depth);
        let (column, ends) = rest.split_at(depth);
        // Among zeros elsewhere, at a place of its own on every line.
        let place = counts.as_flattened().iter().sum::<usize>();
        let (m, n) = (place % 16, place / 16 % 8);
        let mut x = Matrices { a: vec![0; 16 * depth], b: vec![0; depth * 8], c: vec![0; 16 * 8] };
        x.a[m * depth..][..depth].copy_from_slice(row);
        for (k, bits) in column.iter().enumerate() {
            x.b[k * 8 + n] = *bits;
        }
        x.c[m * 8 + n] = ends[0];
        let d = multiply(MODELS[model], shape, &x);
        assert_eq!(d[m * 8 + n], ends[1], "{line}");
        let shape = SHAPES.iter().position(|s| *s == shape).unwrap();
        counts[model][shape] += 1;
    }
    assert!(counts.as_flattened().iter().all(|count| *count >= 32), "{counts:?}");
}
