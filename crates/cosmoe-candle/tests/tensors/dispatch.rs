//! Plans of ids that no router made, padded batches, and dispatch beside candle's own operations.

use candle_core::{DType, Device, Tensor};
use cosmoe_candle::{
    Capacity, DropPolicy, Plan, PlanConfig, Result, Router, RouterConfig, Routing, as_u32,
};

use crate::common::{FLOATS, bits, devices, floats, numbers, random};

/// 5 tokens, 2 experts each: -1 is masked, 9 and -7 are invalid.
fn odd_ids(device: &Device) -> Result<Tensor> {
    let ids = [[2_i32, 0], [0, -1], [9, 2], [2, 2], [-7, 1]];
    Ok(Tensor::new(&ids, &Device::Cpu)?.to_device(device)?)
}

#[test]
fn masked_and_invalid_ids_have_no_row() -> Result<()> {
    for device in devices() {
        let plan = Plan::new(&PlanConfig::builder(3).build()?, &odd_ids(&device)?, None)?;
        assert_eq!(numbers(plan.expert_demand())?, [2, 1, 4]);
        assert_eq!(numbers(plan.expert_offsets())?, [0, 2, 3, 7]);
        assert_eq!(numbers(plan.row_of_assignment())?, [3, 0, 1, -1, -1, 4, 5, 6, -1, 2]);
        assert_eq!(numbers(plan.assignment_of_row())?, [1, 2, 9, 0, 5, 6, 7, -1, -1, -1]);
        assert_eq!(numbers(plan.stats())?, [0, 2]);
        assert_eq!(plan.expert_rows()?, [0..2, 2..3, 3..7]);
        assert!(plan.expert_of_block().is_none());
        assert_eq!(plan.max_rows(), 10);
    }
    Ok(())
}

#[test]
fn unsigned_ids_are_the_same_bits() -> Result<()> {
    for device in devices() {
        let config = PlanConfig::builder(3).align(2).build()?;
        let signed = Plan::new(&config, &odd_ids(&device)?, None)?;
        let ids = [[2_u32, 0], [0, u32::MAX], [9, 2], [2, 2], [u32::MAX - 6, 1]];
        let ids = Tensor::new(&ids, &Device::Cpu)?.to_device(&device)?;
        let unsigned = Plan::new(&config, &ids, None)?;
        for (found, expected) in [
            (unsigned.expert_demand(), signed.expert_demand()),
            (unsigned.row_of_assignment(), signed.row_of_assignment()),
            (unsigned.stats(), signed.stats()),
        ] {
            assert_eq!(numbers(found)?, numbers(expected)?);
        }
        let back = as_u32(&odd_ids(&device)?)?;
        assert_eq!((back.dtype(), back.dims()), (DType::U32, ids.dims()));
        let values = |tensor: &Tensor| tensor.to_device(&Device::Cpu)?.to_vec2::<u32>();
        assert_eq!(values(&back)?, values(&ids)?);
        let none = as_u32(&odd_ids(&device)?.narrow(0, 5, 0)?)?;
        assert_eq!(none.dims(), [0, 2]);
    }
    Ok(())
}

#[test]
fn capacity_drops_by_position_or_weight() -> Result<()> {
    for device in devices() {
        let ids = Tensor::new(&[[0_i32], [0], [0], [1]], &Device::Cpu)?.to_device(&device)?;
        let weights = Tensor::new(&[[0.5_f32], [0.1], [0.9], [0.2]], &Device::Cpu)?;
        let weights = weights.to_device(&device)?;
        let of = |policy| {
            let config = PlanConfig::builder(2).capacity(Capacity::PerExpert(2)).align(4);
            config.drop_policy(policy).build()
        };
        let by_position = Plan::new(&of(DropPolicy::Position)?, &ids, None)?;
        assert_eq!(numbers(by_position.row_of_assignment())?, [0, 1, -1, 4]);
        let by_weight = Plan::new(&of(DropPolicy::Weight)?, &ids, Some(&weights))?;
        assert_eq!(numbers(by_weight.row_of_assignment())?, [0, -1, 1, 4]);
        assert_eq!(numbers(by_weight.expert_offsets())?, [0, 4, 8]);
        assert_eq!(numbers(by_weight.expert_counts())?, [2, 1]);
        assert_eq!(numbers(by_weight.stats())?, [1, 0]);
        let blocks = by_weight.expert_of_block().map(numbers).transpose()?;
        assert_eq!(blocks, Some(vec![0, 1]));
        // 4 assignments, and 3 rows of padding for each of two experts.
        assert_eq!(by_weight.max_rows(), 10);
    }
    Ok(())
}

/// `rows` at `index`, which may be 2^32 - 1, and then is zeros.
fn taken(rows: &Tensor, index: Vec<u32>) -> candle_core::Result<Tensor> {
    let len = index.len();
    rows.contiguous()?.index_select(&Tensor::from_vec(index, len, &Device::Cpu)?, 0)
}

#[test]
fn gather_is_index_select_and_combine_a_weighted_sum() -> Result<()> {
    let (t, d, e, k) = (33, 20, 5, 2);
    for device in devices() {
        for dtype in FLOATS {
            for align in [1, 8] {
                let tokens = random(1, &[t, d], dtype, &device)?;
                let experts = random(2, &[e, d], DType::F32, &device)?;
                let config = RouterConfig::builder(e, k).build()?;
                let plan_config =
                    PlanConfig::builder(e).align(align).capacity(Capacity::Factor(0.9)).build()?;
                let router = Router::new(config, &experts)?;
                let (routing, plan) = router.route_and_plan(&tokens, &plan_config)?;

                let grouped = plan.gather(&tokens)?;
                assert_eq!(grouped.dtype(), dtype);
                let token_of_row = numbers(plan.assignment_of_row())?
                    .into_iter()
                    .map(|a| u32::try_from(a).map_or(u32::MAX, |a| a / k as u32));
                let expected = taken(&tokens.to_device(&Device::Cpu)?, token_of_row.collect())?;
                assert_eq!(bits(&grouped)?, bits(&expected)?);

                let outputs = random(3, &[plan.max_rows(), d], dtype, &device)?;
                let found = plan.combine(&outputs, &routing)?;
                assert_eq!((found.dtype(), found.dims()), (dtype, tokens.dims()));
                let row_of: Vec<u32> =
                    numbers(plan.row_of_assignment())?.into_iter().map(|row| row as u32).collect();
                assert!(row_of.contains(&u32::MAX), "nothing was dropped");
                let wide = outputs.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
                let chosen = taken(&wide, row_of)?.reshape((t, k, d))?;
                let weights = routing.weights.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
                let sums = chosen.broadcast_mul(&weights.unsqueeze(2)?)?.sum(1)?;
                let apart =
                    (found.to_device(&Device::Cpu)?.to_dtype(DType::F64)? - &sums)?.abs()?;
                // Sums of a few numbers below 3, rounded to the dtype.
                let bound = match dtype {
                    DType::F32 => 1e-6,
                    DType::F16 => 2e-3,
                    _ => 2e-2,
                };
                assert!(apart.max_all()?.to_scalar::<f64>()? < bound, "{dtype:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn only_the_first_tokens_of_a_padded_batch_are_real() -> Result<()> {
    for device in devices() {
        let tokens = random(1, &[6, 16], DType::F32, &device)?;
        let experts = random(2, &[4, 16], DType::F32, &device)?;
        let router = Router::new(RouterConfig::builder(4, 2).build()?, &experts)?;
        let (whole, whole_scores) = router.route_with_scores(&tokens)?;
        let plan_config = PlanConfig::builder(4).build()?;
        for real in [0_u32, 1, 4, 6, 100] {
            let count = Tensor::new(&[real], &Device::Cpu)?.to_device(&device)?;
            for count in [count.clone(), count.reshape(())?] {
                let padded = router.padded(&count)?;
                let kept = 6.min(real as usize);
                let (routing, scores) = padded.route_with_scores(&tokens)?;
                let ids = numbers(&routing.ids)?;
                assert_eq!(ids[..kept * 2], numbers(&whole.ids)?[..kept * 2]);
                assert!(ids[kept * 2..].iter().all(|&id| id == -1));
                let weights = bits(&routing.weights)?;
                assert_eq!(weights[..kept * 2], bits(&whole.weights)?[..kept * 2]);
                assert!(weights[kept * 2..].iter().all(|&bits| bits == 0));
                let scores = floats(&scores)?;
                assert_eq!(scores[..kept * 4], floats(&whole_scores)?[..kept * 4]);
                assert!(scores[kept * 4..].iter().all(|&score| score == 0.0));

                assert_eq!(numbers(&padded.route(&tokens)?.ids)?, ids);
                let (_, plan) = padded.route_and_plan(&tokens, &plan_config)?;
                assert_eq!(numbers(plan.expert_offsets())?[4], 2 * kept as i32);
                assert_eq!(numbers(plan.stats())?, [0, 0]);
                let selected = padded.select(&whole_scores)?;
                assert_eq!(numbers(&selected.ids)?, ids);
            }
        }
        // One of several numbers.
        let counts = Tensor::new(&[6_u32, 2, 5], &Device::Cpu)?.to_device(&device)?;
        let ids = router.padded(&counts.narrow(0, 1, 1)?)?.route(&tokens)?.ids;
        assert_eq!(numbers(&ids)?.iter().filter(|&&id| id == -1).count(), 8);
    }
    Ok(())
}

#[test]
fn a_routing_may_be_anyones() -> Result<()> {
    for device in devices() {
        let ids = Tensor::new(&[[1_i32, 0], [1, 1]], &Device::Cpu)?.to_device(&device)?;
        let weights = Tensor::new(&[[0.5_f32, 2.0], [1.0, 0.0]], &Device::Cpu)?;
        let routing = Routing { ids, weights: weights.to_device(&device)? };
        let plan = Plan::new(&PlanConfig::builder(2).build()?, &routing.ids, None)?;
        let rows = Tensor::new(&[[1_f32], [10.0], [100.0], [1000.0]], &Device::Cpu)?;
        let combined = plan.combine(&rows.to_device(&device)?, &routing)?;
        assert_eq!(floats(&combined)?, [7.0, 100.0]);
    }
    Ok(())
}
