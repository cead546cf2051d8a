//! Variables, clones, threads.

use candle_core::{DType, Tensor, Var};
use cosmoe_candle::{PlanConfig, Result, Router, RouterConfig};

use crate::common::{bits, devices, numbers, random};

#[test]
fn nothing_is_part_of_a_graph() -> Result<()> {
    for device in devices() {
        let tokens = Var::from_tensor(&random(1, &[6, 16], DType::F32, &device)?)?;
        let experts = Var::from_tensor(&random(2, &[4, 16], DType::F32, &device)?)?;
        let bias = Var::from_tensor(&random(3, &[4], DType::F32, &device)?)?;
        let router = Router::new(RouterConfig::builder(4, 2).build()?, &experts)?;
        let router = router.with_bias(&bias)?;
        let (routing, plan) = router.route_and_plan(&tokens, &PlanConfig::builder(4).build()?)?;
        let (_, scores) = router.route_with_scores(&tokens)?;
        // Transposed: also of the copy that is made.
        let turned = router.route(&tokens.t()?.contiguous()?.t()?)?;
        let grouped = plan.gather(&tokens)?;
        let combined = plan.combine(&grouped, &routing)?;
        for output in [
            &routing.ids,
            &routing.weights,
            &turned.weights,
            &scores,
            plan.row_of_assignment(),
            &grouped,
            &combined,
        ] {
            assert!(!output.track_op() && !output.is_variable());
        }
        if device.is_cpu() {
            let scale = Var::new(&[2_f32], &device)?;
            let loss = combined.broadcast_mul(&scale)?.sum_all()?;
            let gradients = loss.backward()?;
            assert!(gradients.get(&scale).is_some());
            assert!([tokens, experts, bias].iter().all(|var| gradients.get(var).is_none()));
        }
    }
    Ok(())
}

#[test]
fn a_refresh_follows_a_variable() -> Result<()> {
    for device in devices() {
        let tokens = random(1, &[20, 16], DType::F32, &device)?;
        let before = random(2, &[4, 16], DType::F32, &device)?;
        // Other norms, too.
        let after = (random(3, &[4, 16], DType::F32, &candle_core::Device::Cpu)? * 3.0)?;
        let after = after.to_device(&device)?;
        let config = RouterConfig::builder(4, 2).build()?;
        let weights =
            |experts: &Tensor| bits(&Router::new(config.clone(), experts)?.route(&tokens)?.weights);
        let (old, new) = (weights(&before)?, weights(&after)?);
        assert_ne!(old, new);

        let experts = Var::from_tensor(&before)?;
        let mut router = Router::new(config.clone(), &experts)?;
        assert_eq!(bits(&router.route(&tokens)?.weights)?, old);
        experts.set(&after)?;
        router.refresh(&experts)?;
        assert_eq!(bits(&router.route(&tokens)?.weights)?, new);

        // Others than before; a clone keeps what it has.
        let clone = router.clone();
        router.refresh(&before)?;
        assert_eq!(bits(&router.route(&tokens)?.weights)?, old);
        assert_eq!(bits(&clone.route(&tokens)?.weights)?, new);
    }
    Ok(())
}

#[test]
fn a_bias_is_read_where_it_is_or_as_it_was() -> Result<()> {
    for device in devices() {
        let tokens = random(1, &[20, 16], DType::F32, &device)?;
        let experts = random(2, &[4, 16], DType::F32, &device)?;
        let router = Router::new(RouterConfig::builder(4, 2).build()?, &experts)?;
        let (before, after) =
            (random(3, &[4], DType::F32, &device)?, random(4, &[4], DType::F32, &device)?);
        let with = |bias: &Tensor| router.clone().with_bias(bias);
        let answer = |router: &Router| bits(&router.route(&tokens)?.weights);
        let (old, new) = (answer(&with(&before)?)?, answer(&with(&after)?)?);
        let bias = Var::from_tensor(&before)?;
        let biased = with(&bias)?;
        assert_eq!(answer(&biased)?, old);
        bias.set(&after)?;
        assert_eq!(answer(&biased)?, new);

        // In a column of others it is copied.
        let columns = Tensor::stack(&[&before, &before], 1)?;
        let columns = Var::from_tensor(&columns)?;
        let biased = with(&columns.get_on_dim(1, 1)?)?;
        columns.set(&Tensor::stack(&[&after, &after], 1)?)?;
        assert_eq!(answer(&biased)?, old);
    }
    Ok(())
}

#[test]
fn a_projection_is_read_where_it_is() -> Result<()> {
    for device in devices() {
        let tokens = random(1, &[20, 16], DType::F32, &device)?;
        let experts = random(2, &[4, 8], DType::F32, &device)?;
        let router = Router::new(RouterConfig::builder(4, 2).build()?, &experts)?;
        let (before, after) =
            (random(3, &[8, 16], DType::F32, &device)?, random(4, &[8, 16], DType::F32, &device)?);
        let with = |weight: &Tensor| router.clone().with_projection(weight, None);
        let answer = |router: &Router| bits(&router.route(&tokens)?.weights);
        let (old, new) = (answer(&with(&before)?)?, answer(&with(&after)?)?);
        let weight = Var::from_tensor(&before)?;
        let projected = with(&weight)?;
        assert_eq!(answer(&projected)?, old);
        weight.set(&after)?;
        assert_eq!(answer(&projected)?, new);
    }
    Ok(())
}

#[test]
fn threads_share_a_router() -> Result<()> {
    for device in devices() {
        let experts = random(1, &[64, 128], DType::F32, &device)?;
        let router = Router::new(RouterConfig::builder(64, 4).build()?, &experts)?;
        let plan = PlanConfig::builder(64).align(4).build()?;
        // Of several sizes, so that workspaces grow while others are in use.
        let batches =
            [1, 7, 300, 40, 130, 2].map(|t| random(t as u64, &[t, 128], DType::F32, &device));
        let batches = batches.into_iter().collect::<candle_core::Result<Vec<_>>>()?;
        let answer = |tokens: &Tensor| -> Result<(Vec<i32>, Vec<u32>, Vec<i32>)> {
            let (routing, plan) = router.route_and_plan(tokens, &plan)?;
            Ok((
                numbers(&routing.ids)?,
                bits(&routing.weights)?,
                numbers(plan.row_of_assignment())?,
            ))
        };
        let expected = batches.iter().map(answer).collect::<Result<Vec<_>>>()?;
        device.synchronize()?;
        let (answer, expected, batches) = (&answer, &expected, &batches);
        std::thread::scope(|scope| {
            let work = |thread: usize| {
                move || {
                    for round in 0..6 {
                        let which = (thread + round) % batches.len();
                        assert_eq!(answer(&batches[which]).unwrap(), expected[which]);
                    }
                }
            };
            let threads: Vec<_> = (0..6).map(|thread| scope.spawn(work(thread))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
    Ok(())
}
