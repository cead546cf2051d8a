//! Results beside those of cosmoe's own values on the same data, to the bit.

use candle_core::{DType, Device, Tensor};
use cosmoe::{FloatMatrixRef, MatrixRef};
use cosmoe_candle::{
    BiasPlacement, Capacity, DropPolicy, Gate, GroupScore, Plan, PlanConfig, Result, Router,
    RouterConfig, Routing, Score,
};
use half::{bf16, f16};

use crate::common::{FLOATS, bits, devices, floats, numbers, random};

/// A matrix of a tensor's elements, as cosmoe has them.
enum Elements {
    BF16(Vec<bf16>),
    F16(Vec<f16>),
    F32(Vec<f32>),
}

struct Matrix {
    elements: Elements,
    rows: usize,
    cols: usize,
}

impl Matrix {
    fn of(tensor: &Tensor) -> Result<Self> {
        let (rows, cols) = tensor.dims2()?;
        let flat = tensor.to_device(&Device::Cpu)?.flatten_all()?;
        let elements = match tensor.dtype() {
            DType::BF16 => Elements::BF16(flat.to_vec1()?),
            DType::F16 => Elements::F16(flat.to_vec1()?),
            _ => Elements::F32(flat.to_vec1()?),
        };
        Ok(Self { elements, rows, cols })
    }

    fn view(&self) -> Result<FloatMatrixRef<'_>> {
        let (rows, cols) = (self.rows, self.cols);
        Ok(match &self.elements {
            Elements::BF16(data) => MatrixRef::new(data, rows, cols)?.into(),
            Elements::F16(data) => MatrixRef::new(data, rows, cols)?.into(),
            Elements::F32(data) => MatrixRef::new(data, rows, cols)?.into(),
        })
    }
}

fn same_routing(found: &Routing, expected: &cosmoe::Routing, what: &str) -> Result<()> {
    assert_eq!(numbers(&found.ids)?, expected.ids(), "{what}");
    let weights: Vec<u32> = expected.weights().iter().map(|weight| weight.to_bits()).collect();
    assert_eq!(bits(&found.weights)?, weights, "{what}");
    Ok(())
}

/// Tensor cores sum 16-bit products in an order of their own.
fn promised(device: &Device, tokens: DType, experts: DType) -> bool {
    device.is_cpu() || tokens == DType::F32 || experts == DType::F32
}

fn configs(e: usize, k: usize) -> Result<Vec<RouterConfig>> {
    let of = || RouterConfig::builder(e, k);
    Ok(vec![
        of().build()?,
        of().score(Score::Linear).gate(Gate::SoftmaxAll { renormalize: false }).build()?,
        of().score(Score::Cosine).gate(Gate::Sigmoid { renormalize: true }).scale(8.0).build()?,
        of().score(Score::Laplace).bias_placement(BiasPlacement::AfterSelection).build()?,
        of().groups(4, 2, GroupScore::SumOfTopTwo)
            .gate(Gate::Sigmoid { renormalize: true })
            .bias_placement(BiasPlacement::SelectionOnly)
            .route_scale(2.5)
            .build()?,
    ])
}

#[test]
fn routes() -> Result<()> {
    for device in devices() {
        for (t, d, e, k) in [(1, 16, 4, 2), (5, 33, 8, 3), (70, 128, 64, 6)] {
            for dtype in FLOATS {
                for expert_dtype in [dtype, DType::F32] {
                    if !promised(&device, dtype, expert_dtype) {
                        continue;
                    }
                    let tokens = random(1, &[t, d], dtype, &device)?;
                    let experts = random(2, &[e, d], expert_dtype, &device)?;
                    let bias = random(3, &[e], DType::F32, &device)?;
                    let (x, w, b) = (Matrix::of(&tokens)?, Matrix::of(&experts)?, floats(&bias)?);
                    for config in configs(e, k)? {
                        let what = format!("{device:?} {t} {dtype:?} {expert_dtype:?} {config:?}");
                        let mut expected =
                            cosmoe::Router::new(config.clone(), w.view()?)?.with_bias(&b);
                        let (expected, expected_scores) = expected.route_with_scores(x.view()?)?;
                        let router = Router::new(config, &experts)?.with_bias(&bias)?;
                        same_routing(&router.route(&tokens)?, &expected, &what)?;
                        let (routing, scores) = router.route_with_scores(&tokens)?;
                        same_routing(&routing, &expected, &what)?;
                        let expected: Vec<u32> =
                            expected_scores.iter().map(|score| score.to_bits()).collect();
                        assert_eq!(bits(&scores)?, expected, "{what}");
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn routes_behind_a_projection() -> Result<()> {
    for device in devices() {
        for dtype in FLOATS {
            if !promised(&device, dtype, dtype) {
                continue;
            }
            let tokens = random(1, &[23, 48], dtype, &device)?;
            let weight = random(2, &[12, 48], dtype, &device)?;
            let offset = random(3, &[12], DType::F32, &device)?;
            let experts = random(4, &[9, 12], DType::F32, &device)?;
            let config = RouterConfig::builder(9, 2).build()?;
            let (x, p, w) = (Matrix::of(&tokens)?, Matrix::of(&weight)?, Matrix::of(&experts)?);
            let o = floats(&offset)?;
            for offset in [None, Some(&offset)] {
                let expected = cosmoe::Router::new(config.clone(), w.view()?)?;
                let mut expected = expected.with_projection(p.view()?, offset.map(|_| &*o));
                let router = Router::new(config.clone(), &experts)?;
                let router = router.with_projection(&weight, offset)?;
                let what = format!("{device:?} {dtype:?} {}", offset.is_some());
                same_routing(&router.route(&tokens)?, &expected.route(x.view()?)?, &what)?;
            }
        }
    }
    Ok(())
}

#[test]
fn selections_from_logits() -> Result<()> {
    for device in devices() {
        for dtype in FLOATS {
            let logits = random(1, &[31, 64], dtype, &device)?;
            let experts = random(2, &[64, 8], DType::F32, &device)?;
            let bias = random(3, &[64], DType::F32, &device)?;
            let (z, w, b) = (Matrix::of(&logits)?, Matrix::of(&experts)?, floats(&bias)?);
            for config in configs(64, 5)? {
                let mut expected = cosmoe::Router::new(config.clone(), w.view()?)?.with_bias(&b);
                let router = Router::new(config.clone(), &experts)?.with_bias(&bias)?;
                let what = format!("{device:?} {dtype:?} {config:?}");
                same_routing(&router.select(&logits)?, &expected.select(z.view()?)?, &what)?;
            }
        }
    }
    Ok(())
}

fn plans(e: usize) -> Result<Vec<PlanConfig>> {
    let of = || PlanConfig::builder(e);
    Ok(vec![
        of().build()?,
        of().align(8).build()?,
        of().capacity(Capacity::PerExpert(3)).build()?,
        of().align(4).capacity(Capacity::Factor(1.0)).drop_policy(DropPolicy::Weight).build()?,
        of().expert_window(2..5).align(2).build()?,
    ])
}

/// A plan beside cosmoe's, whose arrays end with the rows in use.
fn same_plan(found: &Plan, expected: &cosmoe::Plan, what: &str) -> Result<()> {
    let rows = expected.rows();
    assert_eq!(numbers(found.expert_demand())?, expected.expert_demand(), "{what}");
    assert_eq!(numbers(found.expert_counts())?, expected.expert_counts(), "{what}");
    assert_eq!(numbers(found.expert_offsets())?, expected.expert_offsets(), "{what}");
    assert_eq!(numbers(found.row_of_assignment())?, expected.row_of_assignment(), "{what}");
    let assignments = numbers(found.assignment_of_row())?;
    assert_eq!(assignments.len(), found.max_rows(), "{what}");
    assert_eq!(&assignments[..rows], expected.assignment_of_row(), "{what}");
    assert!(assignments[rows..].iter().all(|&a| a == -1), "{what}");
    assert_eq!(found.expert_of_block().is_some(), expected.expert_of_block().is_some(), "{what}");
    if let (Some(found), Some(expected)) = (found.expert_of_block(), expected.expert_of_block()) {
        let found = numbers(found)?;
        assert_eq!(&found[..expected.len()], expected, "{what}");
        assert!(found[expected.len()..].iter().all(|&e| e == -1), "{what}");
    }
    let stats = [expected.dropped() as i32, expected.invalid() as i32];
    assert_eq!(numbers(found.stats())?, stats, "{what}");
    let experts = expected.expert_counts().len();
    let ranges: Vec<_> = (0..experts).map(|e| expected.rows_of_expert(e)).collect();
    assert_eq!(found.expert_rows()?, ranges, "{what}");
    Ok(())
}

#[test]
fn plans_gathers_and_combinations() -> Result<()> {
    for device in devices() {
        for (t, d) in [(1, 8), (29, 40), (130, 64)] {
            let (e, k) = (8, 3);
            let tokens = random(1, &[t, d], DType::F32, &device)?;
            let experts = random(2, &[e, d], DType::F32, &device)?;
            let config = RouterConfig::builder(e, k).build()?;
            let (x, w) = (floats(&tokens)?, Matrix::of(&experts)?);
            let x = MatrixRef::new(&x, t, d)?;
            let expected_routing = cosmoe::Router::new(config.clone(), w.view()?)?.route(x)?;
            let router = Router::new(config, &experts)?;
            for plan in plans(e)? {
                let what = format!("{device:?} {t} {plan:?}");
                let expected = expected_routing.plan(&plan)?;
                let (routing, found) = router.route_and_plan(&tokens, &plan)?;
                same_routing(&routing, &expected_routing, &what)?;
                same_plan(&found, &expected, &what)?;
                assert_eq!((found.tokens(), found.top_k(), found.config()), (t, k, &plan));
                same_plan(&router.plan(&plan, &routing)?, &expected, &what)?;
                let alone = Plan::new(&plan, &routing.ids, Some(&routing.weights))?;
                same_plan(&alone, &expected, &what)?;

                let grouped = found.gather(&tokens)?;
                assert_eq!(grouped.dims(), [found.max_rows(), d], "{what}");
                let mut expected_grouped = expected.gather(x)?;
                let rows = MatrixRef::new(&expected_grouped, expected.rows(), d)?;
                let sums = expected.combine(rows, &expected_routing)?;
                let sums: Vec<u32> = sums.iter().map(|sum| sum.to_bits()).collect();
                assert_eq!(bits(&found.combine(&grouped, &routing)?)?, sums, "{what}");
                let used = grouped.narrow(0, 0, expected.rows())?;
                assert_eq!(bits(&found.combine(&used, &routing)?)?, sums, "{what}");
                // Behind the rows in use there are zeros.
                expected_grouped.resize(found.max_rows() * d, 0.0);
                assert_eq!(floats(&grouped)?, expected_grouped, "{what}");
            }
        }
    }
    Ok(())
}
