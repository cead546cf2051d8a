//! Outputs that share memory with another argument, in views that safe code cannot make. A refused
//! call touches none of it.
#![allow(unsafe_code)]

use super::*;

fn matrix_mut<'a, E: cosmoe::Scalar>(at: *mut E, rows: usize, cols: usize) -> MatrixMut<'a, E> {
    // SAFETY: the tests below pass pointers into live buffers of that size, and the calls that
    // get these views are refused before they read or write.
    unsafe { MatrixMut::from_raw_parts(at, rows, cols, cols).unwrap() }
}

fn matrix_ref<'a, E: cosmoe::Scalar>(at: *const E, rows: usize, cols: usize) -> MatrixRef<'a, E> {
    // SAFETY: as above.
    unsafe { MatrixRef::from_raw_parts(at, rows, cols, cols).unwrap() }
}

fn vector_mut<'a, E: cosmoe::Scalar>(at: *mut E, len: usize) -> VectorMut<'a, E> {
    // SAFETY: as above.
    unsafe { VectorMut::from_raw_parts(at, len) }
}

fn vector_ref<'a, E: cosmoe::Scalar>(at: *const E, len: usize) -> VectorRef<'a, E> {
    // SAFETY: as above.
    unsafe { VectorRef::from_raw_parts(at, len) }
}

fn message(output: &str, other: &str) -> String {
    format!("{output}: expected memory apart from {other}, found memory that overlaps it")
}

#[derive(Clone, Copy)]
struct At {
    tokens: usize,
    experts: usize,
    bias: usize,
    num_tokens: usize,
    projection: usize,
    projection_bias: usize,
    ids: usize,
    weights: usize,
    scores: usize,
}

/// Places of T x R tokens and so on in one buffer of 4-byte words.
const APART: At = At {
    tokens: 0,
    experts: 20,
    bias: 45,
    num_tokens: 50,
    projection: 52,
    projection_bias: 90,
    ids: 100,
    weights: 110,
    scores: 120,
};

fn route(at: At) -> Result<(), Error> {
    let config = RouterConfig::builder(E, K).build().unwrap();
    let experts = zeros(DType::F32, E, D);
    let prepare = PrepareArgs { experts: experts.view() };
    let prepared = Cpu::new().prepare(&config, prepare).unwrap();
    let mut words: Vec<u32> = (1..=140).collect();
    let before = words.clone();
    let base = words.as_mut_ptr();
    let floats = |at: usize| base.wrapping_add(at).cast::<f32>();
    let args = RouteArgs {
        tokens: matrix_ref(floats(at.tokens).cast_const(), T, D).into(),
        experts: matrix_ref(floats(at.experts).cast_const(), E, D).into(),
        bias: Some(vector_ref(floats(at.bias).cast_const(), E)),
        projection: Some(Projection {
            weight: matrix_ref(floats(at.projection).cast_const(), D, D).into(),
            bias: Some(vector_ref(floats(at.projection_bias).cast_const(), D)),
        }),
        num_tokens: Some(vector_ref(base.wrapping_add(at.num_tokens).cast_const(), 1)),
    };
    let out = RouteOut {
        ids: matrix_mut(base.wrapping_add(at.ids).cast::<i32>(), T, K),
        weights: matrix_mut(floats(at.weights), T, K),
        scores: Some(matrix_mut(floats(at.scores), T, E)),
    };
    // Without a workspace: overlap is found first.
    let result = Cpu::new().route(&config, &prepared, args, out, workspace(&mut []));
    assert_eq!(words, before, "nothing is written");
    result
}

#[test]
fn route_refuses_outputs_on_inputs_and_on_each_other() {
    assert_eq!(route(APART).unwrap_err().code(), TOO_SMALL);
    let error = |at: At, output: &str, other: &str| {
        assert_error(route(at), INVALID, &message(output, other));
    };
    error(At { ids: 17, ..APART }, "out.ids", "tokens");
    error(At { ids: 40, ..APART }, "out.ids", "experts");
    error(At { weights: 45, ..APART }, "out.weights", "bias");
    error(At { ids: 50, num_tokens: 55, projection: 60, ..APART }, "out.ids", "num_tokens");
    error(At { weights: 80, ..APART }, "out.weights", "projection");
    error(At { weights: 94, ..APART }, "out.weights", "projection.bias");
    error(At { weights: 105, ..APART }, "out.weights", "out.ids");
    error(At { scores: 100, ..APART }, "out.scores", "out.ids");
    error(At { scores: 115, ..APART }, "out.scores", "out.weights");
    // Side by side is apart.
    let side_by_side = At { weights: 106, scores: 112, ..APART };
    assert_eq!(route(side_by_side).unwrap_err().code(), TOO_SMALL);
}

#[test]
fn select_refuses_outputs_on_inputs() {
    let config = RouterConfig::builder(E, K).build().unwrap();
    let run = |ids: usize, weights: usize| {
        let mut words: Vec<u32> = vec![7; 60];
        let base = words.as_mut_ptr();
        let floats = |at: usize| base.wrapping_add(at).cast::<f32>();
        let args = SelectArgs {
            logits: matrix_ref(floats(0).cast_const(), T, E).into(),
            bias: Some(vector_ref(floats(12).cast_const(), E)),
            num_tokens: Some(vector_ref(base.wrapping_add(16).cast_const(), 1)),
        };
        let out = SelectOut {
            ids: matrix_mut(base.wrapping_add(ids).cast::<i32>(), T, K),
            weights: matrix_mut(floats(weights), T, K),
        };
        let result = Cpu::new().select(&config, args, out, workspace(&mut []));
        (result, words.iter().all(|&word| word == 7))
    };
    let error = |(ids, weights), output: &str, other: &str| {
        let (result, untouched) = run(ids, weights);
        assert_error(result, INVALID, &message(output, other));
        assert!(untouched);
    };
    error((11, 40), "out.ids", "logits");
    error((20, 14), "out.weights", "bias");
    error((16, 40), "out.ids", "num_tokens");
    error((20, 25), "out.weights", "out.ids");
}

#[test]
fn plan_refuses_outputs_on_inputs_and_on_each_other() {
    let config = PlanConfig::builder(E).align(2).build().unwrap();
    // ids, weights, demand, counts, offsets, rows, assignments, blocks, stats
    let apart: [usize; 9] = [0, 6, 12, 16, 20, 25, 31, 41, 46];
    let run = |at: [usize; 9]| {
        let mut words: Vec<i32> = vec![1; 60];
        let base = words.as_mut_ptr();
        let out = |at: usize, len: usize| vector_mut(base.wrapping_add(at), len);
        let args = PlanArgs {
            ids: matrix_ref(base.wrapping_add(at[0]).cast_const(), T, K),
            weights: Some(matrix_ref(base.wrapping_add(at[1]).cast::<f32>().cast_const(), T, K)),
        };
        let out = PlanOut {
            expert_demand: out(at[2], E),
            expert_counts: out(at[3], E),
            expert_offsets: out(at[4], E + 1),
            row_of_assignment: out(at[5], T * K),
            assignment_of_row: out(at[6], 10),
            expert_of_block: Some(out(at[7], 5)),
            stats: out(at[8], 2),
        };
        let result = Cpu::new().plan(&config, args, out, workspace(&mut []));
        (result, words.iter().all(|&word| word == 1))
    };
    let names = [
        "ids",
        "weights",
        "out.expert_demand",
        "out.expert_counts",
        "out.expert_offsets",
        "out.row_of_assignment",
        "out.assignment_of_row",
        "out.expert_of_block",
        "out.stats",
    ];
    for output in 2..9 {
        for other in 0..output {
            let mut at = apart;
            at[output] = apart[other];
            // Out of the way of the ones between, which are shorter or longer.
            for (moved, place) in at.iter_mut().enumerate().take(output).skip(other + 1) {
                *place = apart[moved] + 10;
            }
            let (result, untouched) = run(at);
            assert!(untouched);
            let error = result.unwrap_err();
            assert_eq!(error.code(), INVALID, "{} on {}", names[output], names[other]);
        }
        let mut at = apart;
        at[output] = 0;
        assert_error(run(at).0, INVALID, &message(names[output], "ids"));
        at[output] = 6;
        assert_error(run(at).0, INVALID, &message(names[output], "weights"));
    }
}

#[test]
fn gather_and_combine_refuse_outputs_on_inputs() {
    let mut words: Vec<f32> = vec![1.0; 100];
    let base = words.as_mut_ptr();
    let map = base.wrapping_add(90).cast::<i32>().cast_const();
    let gather = |out: usize| {
        let args = GatherArgs {
            tokens: matrix_ref(base.cast_const(), T, D),
            assignment_of_row: vector_ref(map, 6),
            top_k: K,
        };
        Cpu::new().gather(args, matrix_mut(base.wrapping_add(out), 6, D))
    };
    assert_error(gather(17), INVALID, &message("grouped", "tokens"));
    assert_error(gather(60), INVALID, &message("grouped", "assignment_of_row"));
    let combine = |out: usize| {
        let args = CombineArgs {
            grouped: matrix_ref(base.cast_const(), T, D),
            row_of_assignment: vector_ref(map, T * K),
            weights: matrix_ref(base.wrapping_add(80).cast_const(), T, K),
        };
        Cpu::new().combine(args, matrix_mut(base.wrapping_add(out), T, D))
    };
    assert_error(combine(0), INVALID, &message("out", "grouped"));
    assert_error(combine(73), INVALID, &message("out", "row_of_assignment"));
    assert_error(combine(66), INVALID, &message("out", "weights"));
    assert!(words.iter().all(|&v| v == 1.0));
}

/// More rows than any memory here holds, which only a raw view can claim.
#[test]
fn too_many_assignments_are_refused() {
    let rows = 1 << 30;
    let limit = "size not supported: expected at most 2147483647, found";
    let config = RouterConfig::builder(E, K).build().unwrap();
    let at = std::ptr::dangling::<f32>();
    let args = SelectArgs { logits: matrix_ref(at, rows, E).into(), bias: None, num_tokens: None };
    let out = SelectOut {
        ids: matrix_mut(at.cast::<i32>().cast_mut(), rows, K),
        weights: matrix_mut(at.cast_mut(), rows, K),
    };
    let result = Cpu::new().select(&config, args, out, workspace(&mut []));
    let message = format!("tokens * top_k: {limit} {rows} * 2");
    assert_error(result, SIZE, &message);
    let args = CombineArgs {
        grouped: matrix_ref(at, 1, 1),
        row_of_assignment: vector_ref(at.cast::<i32>(), 1),
        weights: matrix_ref(at, rows, K),
    };
    assert_error(Cpu::new().combine(args, matrix_mut(at.cast_mut(), 1, 1)), SIZE, &message);
}
