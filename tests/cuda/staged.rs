//! The device behind memory of the host: the cases of the CPU, on it.

use cosmoe::cuda::Staged;
use cosmoe::verify::{self, Effort};
use cosmoe::{
    Backend, Cpu, DType, MatrixRef, PrepareArgs, RouteShape, Router, RouterConfig, WorkspaceSize,
};

use crate::common::{
    Matrix, Rng, RouteInput, Runner, SelectInput, assert_bits, plan_cases, route_cases, row_cases,
};
use crate::device::cuda;

crate::tests!("staged":
    every_operation_is_verified,
    the_cases_of_every_backend,
    selections_are_the_cpus,
    a_router_over_it,
    refreshed_experts,
    a_refresh_elsewhere_is_refused,
    reserved_room_is_enough,
);

fn staged() -> Staged {
    Staged::new(cuda())
}

/// As a user would, with other cases than the tests beside have.
fn every_operation_is_verified() {
    let cases = if std::env::var_os("COSMOE_TEST_ALL").is_some() { 200 } else { 6 };
    let effort = Effort { cases, seed: 5000, ..Effort::quick() };
    let report = verify::backend(&staged(), &effort).unwrap();
    assert!(report.is_ok(), "{}", report.first().unwrap());
}

fn the_cases_of_every_backend() {
    // One value throughout: its buffers serve calls of every size.
    let staged = staged();
    route_cases::a_covering_sample_agrees_with_the_oracle(&staged, 200..204);
    route_cases::zero_rows_score_zero_in_the_cosine_family(&staged);
    route_cases::no_tokens_is_valid(&staged);
    plan_cases::a_plan_by_hand(&staged);
    plan_cases::ends_of_the_range(&staged);
    plan_cases::plans_are_the_oracles(&staged, 20);
    row_cases::gather_copies_every_element_type_and_zeroes_padding(&staged);
    row_cases::combine_skips_weight_zero_and_never_reads_padding(&staged);
    row_cases::combine_is_the_defined_chain(&staged);
    assert!(staged.device_time().as_nanos() > 0);
}

fn selections_are_the_cpus() {
    let (staged, mut rng) = (staged(), Rng::new(95));
    for (t, e, k) in [(5, 40, 3), (0, 7, 2), (33, 300, 70)] {
        let config = RouterConfig::builder(e, k).build().unwrap();
        let logits = Matrix::normal(DType::F16, (t, e), 2, &mut rng);
        let bias = Some((0..e).map(|_| rng.uniform()).collect());
        let input = SelectInput { logits, bias, num_tokens: Some(20) };
        let (found, expected) =
            (staged.run_select(&config, &input), Cpu::new().run_select(&config, &input));
        assert_eq!(found.ids, expected.ids);
        assert_bits(&(t, e, k), &found.weights, &expected.weights);
    }
}

fn a_router_over_it() {
    let experts = [1.0_f32, 0.0, 0.0, 2.0, -1.0, 1.0];
    let (experts, bias) = (MatrixRef::new(&experts, 3, 2).unwrap(), [0.1, 0.0, 0.3]);
    let config = || RouterConfig::builder(3, 2).build().unwrap();
    let mut there = Router::on(staged(), config(), experts).unwrap().with_bias(&bias);
    let mut here = Router::new(config(), experts).unwrap().with_bias(&bias);
    let tokens = [0.5_f32, 4.0, -3.0, 0.25];
    let tokens = MatrixRef::new(&tokens, 2, 2).unwrap();
    assert_eq!(there.route(tokens).unwrap(), here.route(tokens).unwrap());
    assert_eq!(there.route_with_scores(tokens).unwrap(), here.route_with_scores(tokens).unwrap());
    let message = there.route(MatrixRef::new(&[1.0_f32; 3], 1, 3).unwrap()).unwrap_err();
    assert_eq!(message.to_string(), "experts: expected shape [3, 3], found [3, 2]");
    assert_eq!(there.route(tokens).unwrap(), here.route(tokens).unwrap());
}

fn refreshed_experts() {
    let (staged, mut rng) = (staged(), Rng::new(96));
    let config = RouterConfig::builder(9, 2).build().unwrap();
    let mut input = RouteInput::new(
        Matrix::normal(DType::F32, (4, 30), 0, &mut rng),
        Matrix::normal(DType::F32, (9, 30), 0, &mut rng),
    );
    let args = PrepareArgs { experts: input.experts.view() };
    let mut prepared = staged.prepare(&config, args).unwrap();
    input.experts = Matrix::normal(DType::F32, (9, 30), 1, &mut rng);
    let args = PrepareArgs { experts: input.experts.view() };
    staged.refresh(&config, args, &mut prepared).unwrap();
    let (mut ids, mut weights) = ([7; 8], [7.0; 8]);
    let args = cosmoe::RouteArgs {
        tokens: input.tokens.view(),
        experts: input.experts.view(),
        bias: None,
        projection: None,
        num_tokens: None,
    };
    let out = cosmoe::RouteOut {
        ids: cosmoe::MatrixMut::new(&mut ids, 4, 2).unwrap(),
        weights: cosmoe::MatrixMut::new(&mut weights, 4, 2).unwrap(),
        scores: None,
    };
    let mut none = cosmoe::HostWorkspace::new();
    let lent = none.lend(WorkspaceSize::default());
    staged.route(&config, &prepared, args, out, lent).unwrap();
    let expected = Cpu::new().run_route(&config, &input);
    assert_eq!(ids[..], expected.ids);
    assert_bits(&"refreshed", &weights, &expected.weights);
}

/// Another stream's are not touched.
fn a_refresh_elsewhere_is_refused() {
    let (staged, other, mut rng) = (staged(), staged(), Rng::new(100));
    let config = RouterConfig::builder(5, 1).build().unwrap();
    let [old, new] = [0, 1].map(|_| Matrix::normal(DType::F32, (5, 12), 0, &mut rng));
    let mut prepared = staged.prepare(&config, PrepareArgs { experts: old.view() }).unwrap();
    let refused = other.refresh(&config, PrepareArgs { experts: new.view() }, &mut prepared);
    assert!(refused.unwrap_err().to_string().starts_with("prepared: "));
    let tokens = Matrix::normal(DType::F32, (3, 12), 0, &mut rng);
    let (mut ids, mut weights) = ([7; 3], [7.0; 3]);
    let args = cosmoe::RouteArgs {
        tokens: tokens.view(),
        experts: old.view(),
        bias: None,
        projection: None,
        num_tokens: None,
    };
    let out = cosmoe::RouteOut {
        ids: cosmoe::MatrixMut::new(&mut ids, 3, 1).unwrap(),
        weights: cosmoe::MatrixMut::new(&mut weights, 3, 1).unwrap(),
        scores: None,
    };
    let mut none = cosmoe::HostWorkspace::new();
    let lent = none.lend(WorkspaceSize::default());
    staged.route(&config, &prepared, args, out, lent).unwrap();
    let expected = Cpu::new().run_route(&config, &RouteInput::new(tokens, old));
    assert_eq!(ids[..], expected.ids);
}

fn reserved_room_is_enough() {
    let (staged, mut rng) = (staged(), Rng::new(97));
    let config = RouterConfig::builder(20, 2).build().unwrap();
    let shape = RouteShape {
        tokens: 50,
        hidden: 64,
        projected: None,
        token_dtype: DType::BF16,
        expert_dtype: DType::BF16,
    };
    staged.reserve(&config, shape, true).unwrap();
    let input = RouteInput::new(
        Matrix::normal(DType::BF16, (50, 64), 0, &mut rng),
        Matrix::normal(DType::BF16, (20, 64), 0, &mut rng),
    );
    let found = staged.run_route(&config, &input);
    assert_eq!(found.ids.len(), 100);
    let wrong = RouteShape { hidden: 0, ..shape };
    let error = staged.reserve(&config, wrong, false).unwrap_err();
    assert_eq!(error.to_string(), "tokens: expected shape at least 1 column, found 0");
}
