//! `route` on the device: the bounds of every backend, the same bits on every path.

use cosmoe::cuda::{ScorePolicy, interop};
use cosmoe::{BiasPlacement, Cpu, DType, RouterConfig, Score};
use cudarc::driver::{CudaContext, sys};
use half::bf16;

use crate::common::{
    Matrix, Options, Rng, RouteInput, Runner, accumulation, assert_bits, invariance, route_cases,
};
use crate::device::{OnDevice, cuda};
use crate::run::{RouteThere, There};

crate::tests!("route":
    a_covering_sample,
    every_score_at_every_width,
    sums_of_f32_have_the_hosts_order,
    scores_are_the_hosts_where_a_side_is_f32,
    no_policy_changes_a_bit,
    a_captured_route_follows_the_token_count,
    slabs_do_not_change_a_bit,
    a_million_experts,
    extreme_magnitudes,
    extreme_f16_rows,
    extremes_behind_a_projection,
    linear_and_laplace_overflow,
    special_elements,
    zero_rows_equal_experts_and_no_tokens,
    rows_do_not_depend_on_their_batch,
    masked_rows,
    strides_and_workspace,
);

/// Whether time does not matter.
fn everything() -> bool {
    std::env::var_os("COSMOE_TEST_ALL").is_some()
}

fn runner() -> OnDevice {
    OnDevice(cuda())
}

fn a_covering_sample() {
    let seeds = if everything() { 0..200 } else { 0..16 };
    route_cases::a_covering_sample_agrees_with_the_oracle(&runner(), seeds);
}

fn every_score_at_every_width() {
    let widths: &[usize] = if everything() {
        &[1, 3, 4, 127, 128, 129, 1000, 1024, 1025, 2100, 16_384]
    } else {
        &[1, 3, 129, 1025, 2100]
    };
    route_cases::every_score_at_every_width_agrees_with_the_oracle(&runner(), widths);
}

/// Fused multiply-adds are the same everywhere, so these scores are the CPU's to the bit.
fn sums_of_f32_have_the_hosts_order() {
    let pairs = [(DType::F32, DType::F32), (DType::F16, DType::F32), (DType::BF16, DType::F32)];
    let widths: &[usize] = if everything() {
        &[1, 127, 128, 129, 257, 640, 1000, 1024, 1025, 1153, 2100, 3073, 4096]
    } else {
        &[1, 129, 640, 1025, 3073]
    };
    accumulation::scores_are_summed_in_the_defined_order(&runner(), &pairs, &[1, 17], widths);
    let (pairs, shapes) = ([pairs[0], pairs[2]], [(1, 1100, 40), (16, 129, 7), (17, 2050, 33)]);
    accumulation::projections_are_summed_in_the_defined_order(&runner(), &pairs, &shapes);
}

/// Rows of any length, extreme ones too, by every score: to the bit, with the sign of zero. NaN is NaN.
fn scores_are_the_hosts_where_a_side_is_f32() {
    let mut rng = Rng::new(95);
    let perturbed = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 1e-3 };
    for dtypes in [(DType::F32, DType::F32), (DType::BF16, DType::F32), (DType::F16, DType::F32)] {
        for score in [Score::Linear, Score::Cosine, perturbed, Score::Laplace] {
            for d in [8, 1100, 2304] {
                // Exponents of rows; f16 has fewer of them.
                let most = if dtypes.0 == DType::F16 { 12 } else { 62 };
                let row = |r: usize| [0, most, -most, 40 % most, 0][r % 5];
                let mut matrix = |dtype, rows: usize| {
                    Matrix::new(dtype, (rows, d), 0, |r, c| {
                        // The same row on both sides is as near as can be.
                        if r == 4 { (c % 7) as f32 } else { rng.normal() * 2.0_f32.powi(row(r)) }
                    })
                };
                let input = RouteInput::new(matrix(dtypes.0, 7), matrix(DType::F32, 6));
                for placement in [BiasPlacement::InScore, BiasPlacement::SelectionOnly] {
                    let config = RouterConfig::builder(6, 2).score(score).bias_placement(placement);
                    let config = config.build().unwrap();
                    let found = runner().run_route(&config, &input);
                    let expected = Cpu::new().run_route(&config, &input);
                    let case = format!("{score:?}, {dtypes:?}, D {d}, {placement:?}");
                    assert_eq!(found.ids, expected.ids, "{case}");
                    assert_bits(&case, &found.weights, &expected.weights);
                    let one_nan = |scores: Option<Vec<f32>>| -> Vec<f32> {
                        let scores = scores.unwrap().into_iter();
                        scores.map(|z| if z.is_nan() { f32::NAN } else { z }).collect()
                    };
                    assert_bits(&case, &one_nan(found.scores), &one_nan(expected.scores));
                }
            }
        }
    }
}

/// Every tile, of whole rows and of split ones, gives the same bits, at the ends of D's units and of tiles: where
/// rows are aligned in fused kernels and in separate ones, else in narrow ones.
fn no_policy_changes_a_bit() {
    let mut rng = Rng::new(91);
    let pairs = [
        (DType::F32, DType::F32),
        (DType::F16, DType::F16),
        (DType::BF16, DType::BF16),
        (DType::F16, DType::F32),
        (DType::BF16, DType::F32),
    ];
    // Rows of 2064 elements are multiples of 16 bytes in every dtype, three units of D, and end within a stage.
    for dtypes in pairs {
        for (t, d, e) in [(1, 1024, 33), (17, 2064, 70), (65, 2064, 130), (17, 2049, 70)] {
            let tokens = Matrix::normal(dtypes.0, (t, d), rng.below(2) * 3, &mut rng);
            let experts = Matrix::normal(dtypes.1, (e, d), 0, &mut rng);
            let input = RouteInput::new(tokens, experts);
            let config = RouterConfig::builder(e, 4).build().unwrap();
            let expected = runner().run_route(&config, &input);
            for policy in ScorePolicy::all(dtypes.0, dtypes.1) {
                let found = OnDevice(cuda().with_score_policy(policy)).run_route(&config, &input);
                let case = format!("{policy:?}, {dtypes:?}, T {t}, D {d}, E {e}");
                assert_eq!(found.ids, expected.ids, "{case}");
                assert_bits(&case, &found.weights, &expected.weights);
                let scores = (found.scores.unwrap(), expected.scores.as_ref().unwrap());
                assert_bits(&case, &scores.0, scores.1);
            }
        }
    }
    let tall = ScorePolicy::new(64, 256, false).unwrap();
    let config = RouterConfig::builder(2, 1).build().unwrap();
    let input = RouteInput::new(
        Matrix::normal(DType::F32, (1, 2), 0, &mut rng),
        Matrix::normal(DType::F32, (2, 2), 0, &mut rng),
    );
    let cuda = cuda().with_score_policy(tall);
    let error = RouteThere::new(&cuda, &config, &input, Options::default()).call().unwrap_err();
    assert_eq!(error.code(), 8, "{error}");
}

/// One graph, other numbers of real tokens, rows behind them poisoned.
fn a_captured_route_follows_the_token_count() {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    let cuda = interop::from_stream(&stream).unwrap();
    let mut rng = Rng::new(92);
    let config = RouterConfig::builder(100, 6).build().unwrap();
    let tokens = |rng: &mut Rng, real: usize| {
        Matrix::new(
            DType::BF16,
            (40, 1100),
            0,
            |r, _| if r < real { rng.normal() } else { f32::NAN },
        )
    };
    let experts = Matrix::normal(DType::BF16, (100, 1100), 0, &mut rng);
    let mut input = RouteInput::new(tokens(&mut rng, 40), experts);
    input.num_tokens = Some(40);
    let mut there = RouteThere::new(&cuda, &config, &input, Options::default());
    let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    stream.begin_capture(mode).unwrap();
    there.call().unwrap();
    let graph = stream.end_capture(sys::CUgraphInstantiate_flags(0)).unwrap().unwrap();
    for real in [17, 0, 40, 1, 99] {
        input.tokens = tokens(&mut rng, real);
        input.num_tokens = Some(real as u32);
        let There::BF16(buffer) = &mut there.tokens else { panic!("tokens are bf16") };
        let flat: Vec<f64> = input.tokens.to_rows().concat();
        buffer.write(&flat.iter().map(|&v| bf16::from_f64(v)).collect::<Vec<_>>()).unwrap();
        there.num_tokens.as_mut().unwrap().write(&[real as u32]).unwrap();
        for _ in 0..2 {
            graph.launch().unwrap();
            stream.synchronize().unwrap();
            let (found, expected) = (there.read(), runner().run_route(&config, &input));
            assert_eq!(found.ids, expected.ids, "{real} tokens");
            assert_bits(&real, &found.weights, &expected.weights);
            assert_bits(&real, &found.scores.unwrap(), &expected.scores.unwrap());
        }
    }
}

/// The same bits where products are made of so many tokens at a time as have room, one at least.
fn slabs_do_not_change_a_bit() {
    let mut rng = Rng::new(93);
    let pairs = [(DType::F16, DType::F16), (DType::F32, DType::F32)];
    for ((dtypes, projected), bytes) in pairs
        .iter()
        .flat_map(|pair| [(pair, false), (pair, true)])
        .zip([1, 3000, 12_000, 92 * 4 * 3 - 4])
    {
        let (t, d, e) = (7, 1100, 90);
        let mut input = RouteInput::new(
            Matrix::normal(dtypes.0, (t, d), 0, &mut rng),
            Matrix::normal(dtypes.1, (e, d), 0, &mut rng),
        );
        if projected {
            input.experts = Matrix::normal(DType::F32, (e, 30), 0, &mut rng);
            let weight = Matrix::normal(dtypes.0, (30, d), 0, &mut rng);
            input.projection = Some((weight, Some(vec![0.5; 30])));
        }
        input.num_tokens = Some(6);
        // K is beyond what is listed in shared memory.
        let config = RouterConfig::builder(e, 70).build().unwrap();
        let expected = runner().run_route(&config, &input);
        let found = OnDevice(cuda().with_slab_bytes(bytes)).run_route(&config, &input);
        assert_eq!(found.ids, expected.ids, "{bytes} bytes");
        assert_bits(&bytes, &found.weights, &expected.weights);
        assert_bits(&bytes, &found.scores.unwrap(), &expected.scores.unwrap());
    }
}

/// As many experts as need a slab for a few tokens alone.
fn a_million_experts() {
    if !everything() {
        return;
    }
    let mut rng = Rng::new(94);
    let e = 1 << 20;
    let experts = Matrix::new(DType::F16, (e, 2), 0, |r, c| ((r * 7 + c * 3) % 2048) as f32);
    let tokens = Matrix::normal(DType::F16, (9, 2), 0, &mut rng);
    let config = RouterConfig::builder(e, 70).score(Score::Linear).build().unwrap();
    let input = RouteInput::new(tokens, experts);
    let options = Options { scores: false, ..Options::default() };
    let found = runner().route_with(&config, &input, options);
    let expected = Cpu::new().route_with(&config, &input, options);
    // Two products of 11-bit numbers are exact.
    assert_eq!(found.ids, expected.ids);
}

fn extreme_magnitudes() {
    let widths: &[usize] = if everything() { &[1, 4, 129, 1500] } else { &[4, 1100] };
    let tokens: &[usize] = if everything() { &[16, 53] } else { &[17] };
    route_cases::the_cosine_family_keeps_its_bound_at_extreme_magnitudes(&runner(), widths, tokens);
}

fn extreme_f16_rows() {
    route_cases::the_cosine_family_keeps_its_bound_for_extreme_f16_rows(&runner());
}

fn extremes_behind_a_projection() {
    route_cases::the_cosine_family_keeps_its_bound_behind_a_projection(&runner());
}

fn linear_and_laplace_overflow() {
    route_cases::linear_and_laplace_may_overflow_but_weights_stay_finite(&runner());
}

fn special_elements() {
    route_cases::nan_and_infinite_elements_spoil_only_the_scores_they_enter(&runner());
}

fn zero_rows_equal_experts_and_no_tokens() {
    route_cases::zero_rows_score_zero_in_the_cosine_family(&runner());
    route_cases::equal_experts_rank_by_index(&runner());
    route_cases::no_tokens_is_valid(&runner());
}

/// Around the changes from the smallest tiles to larger ones.
fn rows_do_not_depend_on_their_batch() {
    let (tokens, batches): (usize, &[usize]) =
        if everything() { (130, &[1, 15, 16, 17, 64, 65]) } else { (18, &[1, 17]) };
    invariance::a_row_does_not_depend_on_its_batch(&runner(), tokens, batches);
}

fn masked_rows() {
    let tokens: &[usize] = if everything() { &[16, 130] } else { &[17] };
    invariance::masking_rows_does_not_change_the_others(&runner(), tokens);
}

fn strides_and_workspace() {
    let tokens: &[usize] = if everything() { &[1, 16, 17, 130] } else { &[5] };
    invariance::strides_outputs_workspace_and_repetition_do_not_change_a_bit(&runner(), tokens);
}
