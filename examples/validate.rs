//! Validates a router that is not this library's: here one of plain loops, in f32.

use cosmoe::verify::{Found, Grid, Worst};
use cosmoe::{BiasPlacement, DType, Gate, RouterConfig, Score};

/// Cosine scores, softmax over the selected, in the plainest way.
fn plain(
    config: &RouterConfig,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
) -> (Vec<i32>, Vec<f32>) {
    let (e, k) = (config.num_experts(), config.top_k());
    let d = w.len() / e;
    let norm = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    let (mut ids, mut weights) = (Vec::new(), Vec::new());
    for x in x.chunks(d) {
        let dot = |w: &[f32]| x.iter().zip(w).map(|(a, b)| a * b).sum::<f32>();
        let mut scores: Vec<f32> =
            w.chunks(d).map(|w| config.scale() * dot(w) / norm(x) / norm(w)).collect();
        for (score, bias) in scores.iter_mut().zip(bias.unwrap_or_default()) {
            *score += bias;
        }
        let mut order: Vec<usize> = (0..e).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let best = scores[order[0]];
        let terms: Vec<f32> = order[..k].iter().map(|&e| (scores[e] - best).exp()).collect();
        let sum: f32 = terms.iter().sum();
        ids.extend(order[..k].iter().map(|&e| e as i32));
        weights.extend(terms.iter().map(|term| term / sum));
    }
    (ids, weights)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What it can do.
    let grid = Grid {
        scores: vec![Score::Cosine],
        gates: vec![Gate::SoftmaxSelected],
        placements: vec![BiasPlacement::InScore],
        dtypes: vec![(DType::F32, DType::F32), (DType::BF16, DType::BF16)],
        route_scales: vec![1.0],
        widths: vec![1, 8, 129, 512],
        groups: false,
        projections: false,
        masks: false,
        special: false,
        ..Grid::default()
    };
    let mut worst = Worst::default();
    for seed in 0..50 {
        let case = grid.case(seed);
        let (tokens, experts) = (case.tokens.to_f32(), case.experts.to_f32());
        let (ids, weights) = plain(&case.config, &tokens, &experts, case.bias.as_deref());
        let found = Found { ids: &ids, weights: &weights, scores: None, projected: None };
        worst = worst.and(case.check(&found)?);
    }
    println!("{} numbers, weights at most {:.3} of their bound", worst.compared, worst.weights);
    Ok(())
}
