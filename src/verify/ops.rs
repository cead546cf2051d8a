//! One case of each operation.

use half::{bf16, f16};

use super::calls::{Calls, Routed};
use super::check::{Reference, Row};
use super::{Case, Effort, Found, Matrix, Mismatch, Op, Rng, Worst};
use crate::backend::{Backend, CombineArgs, GatherArgs, PrepareArgs};
use crate::config::{Capacity, DropPolicy, PlanConfig, RouterConfig, Score};
use crate::cpu::Cpu;
use crate::element::{DType, Element};
use crate::error::Result;
use crate::oracle;
use crate::view::{Host, MatrixMut, MatrixRef, VectorRef};

type Outcome = Result<Worst, Box<Mismatch>>;

/// The outcome of a case, unless a call fails.
pub(super) fn run<B: Backend<Space = Host>>(
    backend: &B,
    op: Op,
    effort: &Effort,
    seed: u64,
) -> Result<Outcome> {
    match op {
        Op::Route => route(backend, effort.grid.case(seed)),
        Op::RouteAndPlan => route_and_plan(backend, &effort.grid.case(seed)),
        Op::Select => select(backend, &effort.grid.case(seed)),
        Op::Plan => plan(backend, seed),
        Op::Gather => gather(backend, seed),
        Op::Combine => match seed % 3 {
            0 => combine(backend, seed, |value: f32| value),
            1 => combine(backend, seed, f16::from_f32),
            _ => combine(backend, seed, bf16::from_f32),
        },
    }
}

fn route<B: Backend<Space = Host>>(backend: &B, case: Case) -> Result<Outcome> {
    let mut calls = Calls::new(backend);
    let prepared = calls.prepare(&case)?;
    let routed = calls.route(&case, &prepared, true)?;
    let projected = match case.projection {
        Some(_) => Some(projected_rows(&mut calls, &case)?),
        None => None,
    };
    let found = Found {
        ids: &routed.ids,
        weights: &routed.weights,
        scores: routed.scores.as_deref(),
        projected: projected.as_ref(),
    };
    let worst = match case.check(&found) {
        Ok(worst) => worst,
        Err(mismatch) => return Ok(Err(mismatch)),
    };
    let again = calls.route(&case, &prepared, false)?;
    if let Err(mismatch) = same(&case, "again without scores", &again, &routed, 0) {
        return Ok(Err(mismatch));
    }

    // Other experts first, then these in the same memory.
    let mut refreshed =
        calls.prepare(&Case { experts: reversed(&case.experts), ..case.clone() })?;
    let args = PrepareArgs { experts: case.experts.view() };
    backend.refresh(&case.config, args, &mut refreshed)?;
    let again = calls.route(&case, &refreshed, true)?;
    if let Err(mismatch) = same(&case, "with refreshed experts", &again, &routed, 0) {
        return Ok(Err(mismatch));
    }

    // A row, and some rows, in batches of their own.
    let real = case.real_tokens();
    for (from, rows) in [(real / 2, 1), (real / 3, 19)] {
        let rows = rows.min(real - from.min(real));
        let order: Vec<usize> = (from..from + rows).collect();
        let tokens = case.tokens.rearranged(&order, 0);
        let batch = Case { tokens, num_tokens: None, ..case.clone() };
        let alone = calls.route(&batch, &prepared, true)?;
        if let Err(mismatch) = same(&batch, "in a batch of its own", &alone, &routed, from) {
            return Ok(Err(mismatch));
        }
    }
    Ok(Ok(worst))
}

fn reversed(experts: &Matrix) -> Matrix {
    let order: Vec<usize> = (0..experts.rows).rev().collect();
    experts.rearranged(&order, experts.stride - experts.cols)
}

/// The rows P x + p: linear scores against unit vectors, each of which is one component and exact zeros.
fn projected_rows<B: Backend<Space = Host>>(
    calls: &mut Calls<'_, B>,
    case: &Case,
) -> Result<Matrix> {
    let r = case.projection.as_ref().map_or(case.tokens.cols, |(weight, _)| weight.rows);
    let config = RouterConfig::builder(r, 1).score(Score::Linear).build()?;
    let units = Matrix::new(DType::F32, (r, r), 0, |i, j| if i == j { 1.0 } else { 0.0 });
    let case = Case { config, experts: units, bias: None, num_tokens: None, ..case.clone() };
    let prepared = calls.prepare(&case)?;
    let scores = calls.route(&case, &prepared, true)?.scores.unwrap_or_default();
    Ok(Matrix::new(DType::F32, (case.tokens.rows, r), 0, |t, c| scores[t * r + c]))
}

/// All rows of `found` have the bits of those of `expected`, which are `from` rows further on.
fn same(
    case: &Case,
    how: &str,
    found: &Routed,
    expected: &Routed,
    from: usize,
) -> Result<(), Box<Mismatch>> {
    let (k, e) = (case.config.top_k(), case.config.num_experts());
    let whole = |ids: &[i32]| -> Vec<f64> { ids.iter().map(|&id| f64::from(id)).collect() };
    let bits = |values: &[f32]| -> Vec<f64> {
        values.iter().map(|value| f64::from(value.to_bits())).collect()
    };
    let scores = |routed: &Routed| routed.scores.as_deref().map(bits).unwrap_or_default();
    let mut arrays = vec![
        ("id", k, whole(&found.ids), whole(&expected.ids)),
        ("bits of weight", k, bits(&found.weights), bits(&expected.weights)),
    ];
    if found.scores.is_some() && expected.scores.is_some() {
        arrays.push(("bits of score", e, scores(found), scores(expected)));
    }
    for (name, width, found, expected) in arrays {
        let others = expected.iter().skip(from * width);
        if let Some(at) = found.iter().zip(others).position(|(found, other)| found != other) {
            return Err(Box::new(Mismatch {
                what: format!("{name} {}, {how},", at % width),
                case: case.to_string(),
                token: Some(at / width),
                expert: (width == e && name != "id").then_some(at % width),
                found: found[at],
                expected: expected[from * width + at],
                margin: 0.0,
            }));
        }
    }
    Ok(())
}

/// An option of every kind, drawn.
fn plan_config(experts: usize, rng: &mut Rng) -> Result<PlanConfig> {
    let mut builder = PlanConfig::builder(experts).align(rng.pick(&[1, 1, 4, 8, 128]));
    let capacity = rng.pick(&[
        Capacity::Unlimited,
        Capacity::PerExpert(0),
        Capacity::PerExpert(3),
        Capacity::Factor(0.5),
        Capacity::Factor(1.25),
    ]);
    builder = builder.capacity(capacity);
    if capacity != Capacity::Unlimited && rng.chance(50) {
        builder = builder.drop_policy(DropPolicy::Weight);
    }
    if rng.chance(30) {
        let (a, b) = (rng.below(experts + 1), rng.below(experts + 1));
        builder = builder.expert_window(a.min(b)..a.max(b));
    }
    builder.build()
}

fn route_and_plan<B: Backend<Space = Host>>(backend: &B, case: &Case) -> Result<Outcome> {
    let mut calls = Calls::new(backend);
    let config = plan_config(case.config.num_experts(), &mut Rng::new(!case.seed))?;
    let prepared = calls.prepare(case)?;
    let routed = calls.route(case, &prepared, false)?;
    let (both, planned) = calls.route_and_plan(case, &prepared, &config)?;
    if let Err(mismatch) = same(case, "of route_and_plan", &both, &routed, 0) {
        return Ok(Err(mismatch));
    }
    let expected = oracle::plan(&config, &both.ids, Some(&both.weights));
    Ok(same_plan(&format!("{case}, {config:?}"), &planned, &expected))
}

fn same_plan(case: &str, found: &oracle::Plan, expected: &oracle::Plan) -> Outcome {
    let mut compared = 0;
    for ((name, found), (_, expected)) in found.arrays().iter().zip(&expected.arrays()) {
        compared += expected.len() as u64;
        if let Some(at) = (0..expected.len()).find(|&i| found.get(i) != expected.get(i)) {
            return Err(Box::new(Mismatch {
                what: format!("{name}[{at}]"),
                case: case.to_owned(),
                token: None,
                expert: None,
                found: found.get(at).map_or(f64::NAN, |&value| value.into()),
                expected: expected[at].into(),
                margin: 0.0,
            }));
        }
    }
    Ok(Worst { compared, ..Worst::default() })
}

/// Logits of every kind of number, in each dtype.
fn select<B: Backend<Space = Host>>(backend: &B, case: &Case) -> Result<Outcome> {
    let mut rng = Rng::new(!case.seed);
    // Rows are cheap here, and there are many ways in which they can be ordered.
    let (rows, pad) = (case.tokens.rows.max(24), case.tokens.stride - case.tokens.cols);
    let dtype = case.tokens.dtype();
    let case = &Case { tokens: Matrix::new(dtype, (rows, 1), 0, |_, _| 0.0), ..case.clone() };
    let shape = (rows, case.config.num_experts());
    let special = rng.chance(40);
    let logits = Matrix::new(dtype, shape, pad, |_, _| {
        match rng.below(if special { 12 } else { 8 }) {
            // Some are equal.
            0 => 0.5,
            8 => f32::NAN,
            9 => f32::INFINITY,
            10 => f32::NEG_INFINITY,
            11 => rng.normal() * 100.0,
            _ => rng.normal() * 3.0,
        }
    });
    let (config, bias) = (&case.config, case.bias.as_deref());
    let found = Calls::new(backend).select(config, &logits, bias, case.num_tokens)?;
    let cpu = Cpu::new();
    let expected = Calls::new(&cpu).select(config, &logits, bias, case.num_tokens)?;
    if let Err(mismatch) = same(case, "not the CPU's", &found, &expected, 0) {
        return Ok(Err(mismatch));
    }
    let mut worst = Worst::default();
    let k = config.top_k();
    for token in 0..case.real_tokens() {
        let row = Row {
            case,
            token,
            ids: &found.ids[token * k..][..k],
            weights: &found.weights[token * k..][..k],
            scores: None,
        };
        match row.check(&Reference::given(logits.row(token))) {
            Ok(row) => worst = worst.and(row),
            Err(mismatch) => return Ok(Err(mismatch)),
        }
    }
    Ok(Ok(worst))
}

/// Ids and weights as another router may make them.
fn assignments(experts: usize, count: usize, rng: &mut Rng) -> (Vec<i32>, Vec<f32>) {
    let ids = (0..count)
        .map(|_| match rng.below(20) {
            0 => -1,
            1 => rng.pick(&[i32::MIN, -2, experts as i32, i32::MAX]),
            // Some experts are popular.
            2..6 => rng.below(experts.min(2)) as i32,
            _ => rng.below(experts) as i32,
        })
        .collect();
    let weights = (0..count)
        .map(|_| match rng.below(10) {
            0 => rng.pick(&[f32::NAN, f32::INFINITY, 0.0, -0.0]),
            1..4 => 0.25,
            _ => rng.uniform(),
        })
        .collect();
    (ids, weights)
}

fn plan<B: Backend<Space = Host>>(backend: &B, seed: u64) -> Result<Outcome> {
    let mut rng = Rng::new(seed);
    let experts = rng.pick(&[1, 2, 8, 31, 64, 130, 288, 1025]);
    let tokens = rng.pick(&[0, 1, 5, 64, 65, 300, 1500, 9000]);
    let top_k = rng.pick(&[1, 2, 6, 8]);
    let (ids, weights) = assignments(experts, tokens * top_k, &mut rng);
    let config = plan_config(experts, &mut rng)?;
    let found = Calls::new(backend).plan(&config, (tokens, top_k), &ids, Some(&weights))?;
    let expected = oracle::plan(&config, &ids, Some(&weights));
    Ok(same_plan(&format!("seed {seed}: T {tokens}, K {top_k}, {config:?}"), &found, &expected))
}

/// Rows that are found where they should not be differ: every element of a row is its number.
fn gather<B: Backend<Space = Host>>(backend: &B, seed: u64) -> Result<Outcome> {
    let mut rng = Rng::new(seed);
    let (tokens, top_k) = (1 + rng.below(80), rng.pick(&[1, 2, 6]));
    let width = rng.pick(&[1, 3, 8, 100, 1030]);
    let rows = rng.below(2 * tokens * top_k);
    let map: Vec<i32> = (0..rows).map(|_| rng.below(tokens * top_k + 3) as i32 - 1).collect();
    let data: Vec<bf16> =
        (0..tokens * width).map(|i| bf16::from_bits((i % 0x7f00) as u16 + 1)).collect();
    let args = GatherArgs {
        tokens: MatrixRef::new(&data, tokens, width)?,
        assignment_of_row: VectorRef::new(&map),
        top_k,
    };
    let mut grouped = vec![bf16::from_bits(0x7fa1); rows * width];
    backend.gather(args, MatrixMut::new(&mut grouped, rows, width)?)?;
    let source: Vec<&[bf16]> = data.chunks(width).collect();
    let expected = oracle::gather(&source, width, &map, top_k).concat();
    let case = format!("seed {seed}: T {tokens}, K {top_k}, width {width}, {rows} rows");
    Ok(same_rows("grouped", &case, width, &grouped, &expected))
}

fn combine<B: Backend<Space = Host>, T: Element>(
    backend: &B,
    seed: u64,
    to: impl Fn(f32) -> T,
) -> Result<Outcome> {
    let mut rng = Rng::new(seed);
    let (tokens, top_k) = (1 + rng.below(60), rng.pick(&[1, 2, 6, 8]));
    let width = rng.pick(&[1, 3, 8, 100, 1030]);
    let rows = 1 + rng.below(tokens * top_k);
    let data: Vec<T> = (0..rows * width).map(|_| to(rng.normal())).collect();
    let map: Vec<i32> = (0..tokens * top_k).map(|_| rng.below(rows + 3) as i32 - 1).collect();
    let weights: Vec<f32> =
        (0..tokens * top_k).map(|_| if rng.chance(10) { 0.0 } else { rng.uniform() }).collect();
    let args = CombineArgs {
        grouped: MatrixRef::new(&data, rows, width)?,
        row_of_assignment: VectorRef::new(&map),
        weights: MatrixRef::new(&weights, tokens, top_k)?,
    };
    let mut out = vec![to(-7.25); tokens * width];
    backend.combine(args, MatrixMut::new(&mut out, tokens, width)?)?;
    let source: Vec<&[T]> = data.chunks(width).collect();
    let pairs = map.chunks(top_k).zip(weights.chunks(top_k));
    let expected: Vec<T> =
        pairs.flat_map(|(map, weights)| oracle::combine(&source, width, map, weights)).collect();
    let case =
        format!("seed {seed}: T {tokens}, K {top_k}, width {width}, {rows} rows, {}", T::DTYPE);
    Ok(same_rows("combined", &case, width, &out, &expected))
}

fn same_rows<T: Element>(
    what: &str,
    case: &str,
    width: usize,
    found: &[T],
    expected: &[T],
) -> Outcome {
    let differs = |(a, b): (&T, &T)| bytemuck::bytes_of(a) != bytemuck::bytes_of(b);
    match found.iter().zip(expected).position(differs) {
        None => Ok(Worst { compared: expected.len() as u64, ..Worst::default() }),
        Some(at) => Err(Box::new(Mismatch {
            what: format!("{what} row {}, column {}", at / width, at % width),
            case: case.to_owned(),
            token: None,
            expert: None,
            found: found[at].to_f32().into(),
            expected: expected[at].to_f32().into(),
            margin: 0.0,
        })),
    }
}
