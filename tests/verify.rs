//! The public verification: it passes what is right, and finds what is not.
#![allow(missing_docs, clippy::unwrap_used)]

use cosmoe::verify::{self, Case, Effort, Found, Grid, Mismatch};
use cosmoe::{Cpu, DType, Router, Score};

#[test]
fn the_cpu_is_right() {
    let report = verify::backend(&Cpu::new(), &Effort::quick()).unwrap();
    assert!(report.is_ok(), "{}", report.first().unwrap());
    for op in &report.ops {
        assert!(op.cases == 300 && op.worst.compared > 10_000, "{op:?}");
    }
    let route = &report.ops[0].worst;
    assert!(route.scores > 0.0 && route.weights > 0.0, "nothing was compared: {route:?}");
}

/// Ids and weights of a case by the library's own router.
fn routed(case: &Case) -> (Vec<i32>, Vec<f32>) {
    let mut router = Router::new(case.config.clone(), case.experts.view()).unwrap();
    if let Some(bias) = &case.bias {
        router = router.with_bias(bias);
    }
    let routing = router.route(case.tokens.view()).unwrap();
    (routing.ids().to_vec(), routing.weights().to_vec())
}

fn check(case: &Case, ids: &[i32], weights: &[f32]) -> Result<verify::Worst, Box<Mismatch>> {
    case.check(&Found { ids, weights, scores: None, projected: None })
}

/// Results with one number changed are refused, and the message says which.
#[test]
fn what_is_wrong_is_found() {
    let grid = Grid {
        tokens: vec![5],
        widths: vec![64, 1025],
        experts: vec![33],
        top_k: vec![4],
        projections: false,
        masks: false,
        special: false,
        groups: false,
        dtypes: vec![(DType::F32, DType::F32)],
        scores: vec![Score::Cosine],
        scales: vec![1.0],
        route_scales: vec![1.0],
        ..Grid::default()
    };
    for seed in 0..40 {
        let case = grid.case(seed);
        let (ids, weights) = routed(&case);
        let worst = check(&case, &ids, &weights).unwrap();
        assert!(worst.weights <= 1.0 && worst.compared == 40);

        let mut swapped = ids.clone();
        swapped[9] = swapped[8];
        let error = check(&case, &swapped, &weights).unwrap_err();
        assert_eq!(error.token, Some(2));
        assert!(error.to_string().contains("selected before"), "{error}");
        swapped[9] = 33;
        assert_eq!(check(&case, &swapped, &weights).unwrap_err().found, 33.0);

        // The worst expert instead of the best one.
        let token: Vec<i32> = ids[12..16].to_vec();
        let row = cosmoe::oracle::route(
            &case.config,
            &case.tokens.row(3),
            &case.experts.to_rows(),
            case.bias.as_deref().map(cosmoe::oracle::widen).as_deref(),
        );
        let order = |a: &i32, b: &i32| {
            row.selection_scores[*a as usize].total_cmp(&row.selection_scores[*b as usize])
        };
        let worst = (0..33).filter(|e| !token.contains(e)).min_by(order).unwrap();
        let mut other = ids.clone();
        other[12] = worst;
        let error = check(&case, &other, &weights).unwrap_err();
        assert_eq!((error.token, error.expert), (Some(3), Some(token[0] as usize)), "{error}");

        let mut heavy = weights.clone();
        heavy[19] += 0.01 + heavy[19].abs() * 0.01;
        let error = check(&case, &ids, &heavy).unwrap_err();
        assert_eq!((error.token, error.expert), (Some(4), Some(ids[19] as usize)), "{error}");
        heavy[19] = f32::NAN;
        assert!(check(&case, &ids, &heavy).unwrap_err().found.is_nan());
    }
}

#[test]
fn masked_rows_are_minus_one_and_zero() {
    let grid = Grid { tokens: vec![6], projections: false, ..Grid::default() };
    let mut case = grid.case(3);
    case.num_tokens = None;
    let (ids, mut weights) = routed(&case);
    case.num_tokens = Some(4);
    let k = case.config.top_k();
    let error = check(&case, &ids, &weights).unwrap_err();
    assert_eq!((error.token, error.expected), (Some(4), -1.0));
    let masked: Vec<i32> =
        ids.iter().enumerate().map(|(i, &id)| if i < 4 * k { id } else { -1 }).collect();
    weights[4 * k..].fill(0.0);
    check(&case, &masked, &weights).unwrap();
    weights[5 * k] = 0.5;
    assert_eq!(check(&case, &masked, &weights).unwrap_err().token, Some(5));
}
