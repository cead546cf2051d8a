//! What gather and combine refuse.

use super::*;

#[test]
fn gather_checks_its_arguments() {
    let tokens = vec![1.0_f32; T * D];
    let map = [0, 5, -1];
    let run = |top_k, rows: usize, cols: usize| {
        let mut out = vec![UNWRITTEN; rows * cols];
        let args = GatherArgs {
            tokens: MatrixRef::new(&tokens, T, D).unwrap(),
            assignment_of_row: VectorRef::new(&map),
            top_k,
        };
        let result = Cpu::new().gather(args, MatrixMut::new(&mut out, rows, cols).unwrap());
        assert_eq!(out.iter().any(|&v| v != UNWRITTEN), result.is_ok());
        result
    };
    assert_error(run(0, 9, D), INVALID, "top_k: expected at least 1, found 0");
    let limit = "size not supported: expected at most 2147483647, found";
    let found = format!("tokens * top_k: {limit} 3 * 715827883");
    assert_error(run(715_827_883, 9, D), SIZE, &found);
    assert_error(run(K, 3, D + 1), SHAPE, "grouped: expected shape [3, 6], found [3, 7]");
    assert_error(run(K, 2, D), SHAPE, "grouped: expected shape [3, 6], found [2, 6]");
    run(K, 3, D).unwrap();
}

#[test]
fn combine_checks_its_arguments() {
    let grouped = vec![1.0_f32; 5 * D];
    let weights = vec![0.5_f32; T * K];
    let run = |assignments: usize, rows: usize, cols: usize| {
        let mut out = vec![UNWRITTEN; rows * cols];
        let map = vec![0; assignments];
        let args = CombineArgs {
            grouped: MatrixRef::new(&grouped, 5, D).unwrap(),
            row_of_assignment: VectorRef::new(&map),
            weights: MatrixRef::new(&weights, T, K).unwrap(),
        };
        let result = Cpu::new().combine(args, MatrixMut::new(&mut out, rows, cols).unwrap());
        assert_eq!(out.iter().any(|&v| v != UNWRITTEN), result.is_ok());
        result
    };
    assert_error(run(7, T, 1), SHAPE, "row_of_assignment: expected shape [6], found [7]");
    assert_error(run(6, T, D - 1), SHAPE, "out: expected shape [3, 6], found [3, 5]");
    assert_error(run(6, T + 1, D), SHAPE, "out: expected shape [3, 6], found [4, 6]");
    run(6, T, D).unwrap();
}
