//! Routes beside the same formulas in candle's own operations, in f64.

use candle_core::{D, DType, Device, Tensor};
use cosmoe_candle::{Result, Router, RouterConfig, Score};

use crate::common::{FLOATS, devices, floats, numbers, random};

/// T, D, E, K.
const SHAPES: [(usize, usize, usize, usize); 8] = [
    (1, 8, 4, 1),
    (5, 33, 7, 3),
    (64, 128, 32, 2),
    (37, 200, 129, 6),
    (16, 64, 257, 8),
    (3, 16, 1, 1),
    (9, 40, 33, 33),
    (130, 96, 64, 4),
];

const SCORES: [Score; 4] = [
    Score::Linear,
    Score::Cosine,
    Score::PerturbedCosine { tau_token: 0.25, tau_expert: 1e-3 },
    Score::Laplace,
];

/// Logits `[T, E]` of `x` and `w`, and the bound on a router's distance to them.
fn logits(score: Score, scale: f64, x: &Tensor, w: &Tensor, r: f64) -> Result<(Tensor, f64)> {
    let dot = x.matmul(&w.t()?)?;
    let norm = |rows: &Tensor| rows.sqr()?.sum_keepdim(1)?.sqrt();
    let (x_norm, w_norm) = (norm(x)?, norm(w)?.t()?);
    let largest = |norms: &Tensor| norms.max_all()?.to_scalar::<f64>();
    let (x_most, w_most) = (largest(&x_norm)?, largest(&w_norm)?);
    let (score, bound) = match score {
        Score::Linear => (dot, r * (scale * x_most * w_most).max(1.0)),
        Score::Cosine => (dot.broadcast_div(&x_norm)?.broadcast_div(&w_norm)?, r * scale.max(1.0)),
        Score::PerturbedCosine { tau_token, tau_expert } => {
            let x_norm = (x_norm + f64::from(tau_token))?;
            let w_norm = (w_norm + f64::from(tau_expert))?;
            (dot.broadcast_div(&x_norm)?.broadcast_div(&w_norm)?, r * scale.max(1.0))
        }
        Score::Laplace => {
            let square = x_norm.sqr()?.broadcast_add(&w_norm.sqr()?)?;
            let square = (square - (dot * 2.0)?)?.relu()?;
            let bound = r * (x_most * x_most + w_most * w_most);
            let distance = square.sqrt()?;
            // |s - o| is |s^2 - o^2| over |s| + |o|.
            let least = distance.min_all()?.to_scalar::<f64>()?.max(bound.sqrt());
            (distance.neg()?, scale * bound / least)
        }
        other => panic!("{other:?}"),
    };
    Ok(((score * scale)?, bound))
}

/// Softmax over the K best, and the gap that tells the last of them from the next.
fn selected(logits: &Tensor, top_k: usize) -> Result<(Vec<Vec<u32>>, Tensor, Vec<f64>)> {
    let order = logits.arg_sort_last_dim(false)?;
    let ids = order.narrow(D::Minus1, 0, top_k)?.contiguous()?;
    let best = logits.gather(&ids, D::Minus1)?;
    let most = best.max_keepdim(D::Minus1)?;
    let powers = best.broadcast_sub(&most)?.exp()?;
    let weights = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
    let ranked = logits.gather(&order, D::Minus1)?.to_vec2::<f64>()?;
    let gaps = ranked.iter().map(|row| {
        let near = &row[..row.len().min(top_k + 1)];
        near.windows(2).map(|pair| pair[0] - pair[1]).fold(f64::INFINITY, f64::min)
    });
    Ok((ids.to_vec2()?, weights, gaps.collect()))
}

/// A route's answer beside logits that are `bound` away at most; how many tokens' ids were certain.
fn compare(
    router: &Router,
    tokens: &Tensor,
    logits: &Tensor,
    bound: f64,
    what: &str,
) -> Result<usize> {
    let top_k = router.config().top_k();
    let (routing, scores) = router.route_with_scores(tokens)?;
    assert_eq!(routing.ids.dims(), [tokens.dim(0)?, top_k], "{what}");
    assert_eq!(routing.weights.dims(), routing.ids.dims(), "{what}");
    assert_eq!(scores.dims(), logits.dims(), "{what}");
    assert_eq!((routing.ids.dtype(), routing.weights.dtype()), (DType::I32, DType::F32));
    let scores = scores.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    let distance = (&scores - logits)?.abs()?.max_all()?.to_scalar::<f64>()?;
    assert!(distance <= bound, "{what}: scores {distance} apart, bound {bound}");

    let (expected, weights, gaps) = selected(logits, top_k)?;
    let weights = weights.to_vec2::<f64>()?;
    let (ids, found) = (numbers(&routing.ids)?, floats(&routing.weights)?);
    let rows = ids.chunks(top_k).zip(found.chunks(top_k)).enumerate();
    let mut certain = 0;
    for (t, (ids, found)) in rows.filter(|(t, _)| gaps[*t] > 2.0 * bound + 1e-6) {
        let ids: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
        assert_eq!(ids, expected[t], "{what}: token {t}");
        for (&found, &weight) in found.iter().zip(&weights[t]) {
            let apart = (f64::from(found) - weight).abs();
            let most = 4.0 * bound + 2_f64.powi(-18) * (1.0 + weight);
            assert!(apart <= most, "{what}: token {t}: {found} and {weight}, bound {most}");
        }
        certain += 1;
    }
    Ok(certain)
}

fn wide(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?)
}

/// 2^-18 where f32 is on either side, else 2^-14.
fn relative_bound(tokens: DType, experts: DType) -> f64 {
    let wide = tokens == DType::F32 || experts == DType::F32;
    2_f64.powi(if wide { -18 } else { -14 })
}

#[test]
fn every_score_dtype_and_shape() -> Result<()> {
    let (mut tokens_seen, mut certain) = (0, 0);
    for device in devices() {
        for (index, (t, d, e, k)) in SHAPES.into_iter().enumerate() {
            for dtype in FLOATS {
                for expert_dtype in [dtype, DType::F32] {
                    for score in SCORES {
                        let seed = 100 * index as u64;
                        let what = format!(
                            "{device:?} {t}x{d} {e} {k} {dtype:?} {expert_dtype:?} {score:?} \
                             seed {seed}"
                        );
                        let tokens = random(seed, &[t, d], dtype, &device)?;
                        let experts = random(seed + 1, &[e, d], expert_dtype, &device)?;
                        let builder = RouterConfig::builder(e, k).score(score).scale(2.0);
                        let router = Router::new(builder.build()?, &experts)?;
                        let r = relative_bound(dtype, expert_dtype);
                        let (logits, bound) =
                            logits(score, 2.0, &wide(&tokens)?, &wide(&experts)?, r)?;
                        certain += compare(&router, &tokens, &logits, bound, &what)?;
                        tokens_seen += t;
                    }
                }
            }
        }
    }
    // The others' neighbours are nearer than the bounds let tell them apart.
    assert!(certain * 10 > tokens_seen * 8, "{certain} of {tokens_seen} tokens compared");
    Ok(())
}

#[test]
fn a_bias_of_each_dtype_adds_to_the_logits() -> Result<()> {
    for device in devices() {
        for dtype in FLOATS {
            let tokens = random(1, &[40, 64], DType::F32, &device)?;
            let experts = random(2, &[16, 64], DType::F32, &device)?;
            let bias = random(3, &[16], dtype, &device)?;
            let config = RouterConfig::builder(16, 3).build()?;
            let router = Router::new(config, &experts)?.with_bias(&bias)?;
            let score = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 1e-3 };
            let r = relative_bound(DType::F32, DType::F32);
            let (logits, bound) = logits(score, 1.0, &wide(&tokens)?, &wide(&experts)?, r)?;
            let logits = logits.broadcast_add(&wide(&bias)?)?;
            let what = format!("{device:?} {dtype:?}");
            assert!(compare(&router, &tokens, &logits, bound + 1e-6, &what)? > 30);
        }
    }
    Ok(())
}

#[test]
fn a_projection_is_a_linear_layer_in_front() -> Result<()> {
    for device in devices() {
        for dtype in FLOATS {
            let tokens = random(1, &[40, 64], dtype, &device)?;
            let weight = random(2, &[24, 64], dtype, &device)?;
            let offset = random(3, &[24], dtype, &device)?;
            let experts = random(4, &[16, 24], DType::F32, &device)?;
            let config = RouterConfig::builder(16, 3).score(Score::Cosine).build()?;
            let router = Router::new(config, &experts)?.with_projection(&weight, Some(&offset))?;
            let x = wide(&tokens)?.matmul(&wide(&weight)?.t()?)?;
            let x = x.broadcast_add(&wide(&offset)?)?;
            // A component is off by r |P_r| |x|, about 64 r here, of rows that are about 40 long.
            let r = relative_bound(dtype, dtype);
            let (logits, bound) = logits(Score::Cosine, 1.0, &x, &wide(&experts)?, r)?;
            let what = format!("{device:?} {dtype:?}");
            assert!(compare(&router, &tokens, &logits, 32.0 * bound, &what)? > 25, "{what}");
        }
    }
    Ok(())
}
