//! Slices, transposed and broadcast tensors, batches of sequences: the results of the same numbers without gaps.

use candle_core::{D, DType, Device, Tensor};
use cosmoe_candle::{Plan, PlanConfig, Result, Router, RouterConfig, Routing};

use crate::common::{FLOATS, bits, devices, numbers, random};

/// A name and a tensor.
type Views = Vec<(&'static str, Tensor)>;

/// The same `[rows, columns]` in every layout of two dimensions.
fn matrices(tensor: &Tensor, device: &Device) -> Result<Views> {
    let (rows, cols) = tensor.dims2()?;
    let host = tensor.to_device(&Device::Cpu)?;
    let like = |rows, cols| Tensor::ones((rows, cols), host.dtype(), &Device::Cpu);
    let below = Tensor::cat(&[&like(3, cols)?, &host, &like(2, cols)?], 0)?;
    let between = Tensor::cat(&[&like(rows, 5)?, &host, &like(rows, 3)?], 1)?;
    let inside = Tensor::cat(&[&like(3, cols + 8)?, &between], 0)?;
    let turned = host.t()?.contiguous()?;
    let there = |tensor: &Tensor| tensor.to_device(device);
    Ok(vec![
        ("without gaps", there(&host)?),
        ("at an offset", there(&below)?.narrow(0, 3, rows)?),
        ("with a stride", there(&between)?.narrow(1, 5, cols)?),
        ("with both", there(&inside)?.narrow(0, 3, rows)?.narrow(1, 5, cols)?),
        ("transposed", there(&turned)?.t()?),
    ])
}

/// The same rows in every layout of three and four dimensions.
fn batches(tensor: &Tensor, device: &Device) -> Result<Views> {
    let (rows, cols) = tensor.dims2()?;
    let (half, host) = (rows / 2, tensor.to_device(&Device::Cpu)?);
    let pairs = host.narrow(0, 0, 2 * half)?.reshape((2, half, cols))?;
    let long = Tensor::cat(&[&pairs, &pairs], 1)?;
    let wide = Tensor::cat(&[&pairs, &pairs], 2)?;
    let turned = pairs.transpose(0, 1)?.contiguous()?;
    let there = |tensor: &Tensor| tensor.to_device(device);
    Ok(vec![
        ("a batch", there(&pairs)?),
        ("a batch of columns", there(&wide)?.narrow(2, 0, cols)?),
        ("a batch of beginnings", there(&long)?.narrow(1, 0, half)?),
        ("a sequence of batches", there(&turned)?.transpose(0, 1)?),
        ("with dimensions of one", there(&pairs)?.unsqueeze(0)?.unsqueeze(2)?),
    ])
}

/// The same numbers in every layout of one dimension.
fn vectors(tensor: &Tensor, device: &Device) -> Result<Views> {
    let (len, host) = (tensor.dim(0)?, tensor.to_device(&Device::Cpu)?);
    let rows = Tensor::stack(&[&host, &host], 0)?;
    let columns = rows.t()?.contiguous()?;
    let there = |tensor: &Tensor| tensor.to_device(device);
    Ok(vec![
        ("a row", there(&rows)?.get(1)?),
        ("a column", there(&columns)?.get_on_dim(1, 1)?),
        ("a part", there(&Tensor::cat(&[&host, &host], 0)?)?.narrow(0, len, len)?),
    ])
}

struct Case {
    device: Device,
    tokens: Tensor,
    experts: Tensor,
    bias: Tensor,
    config: RouterConfig,
}

impl Case {
    fn all() -> Result<Vec<Self>> {
        let mut cases = Vec::new();
        for device in devices() {
            for dtype in FLOATS {
                cases.push(Self {
                    tokens: random(1, &[12, 24], dtype, &device)?,
                    experts: random(2, &[6, 24], dtype, &device)?,
                    bias: random(3, &[6], DType::F32, &device)?,
                    config: RouterConfig::builder(6, 2).build()?,
                    device: device.clone(),
                });
            }
        }
        Ok(cases)
    }

    fn router(&self) -> Result<Router> {
        Router::new(self.config.clone(), &self.experts)?.with_bias(&self.bias)
    }

    fn routing(&self) -> Result<Routing> {
        self.router()?.route(&self.tokens)
    }
}

#[track_caller]
fn same(found: &Routing, expected: &Routing, what: &str) -> Result<()> {
    assert_eq!(numbers(&found.ids)?, numbers(&expected.ids)?, "{what}");
    assert_eq!(bits(&found.weights)?, bits(&expected.weights)?, "{what}");
    Ok(())
}

#[test]
fn tokens() -> Result<()> {
    for case in Case::all()? {
        let (router, expected) = (case.router()?, case.routing()?);
        for (name, tokens) in matrices(&case.tokens, &case.device)? {
            same(&router.route(&tokens)?, &expected, name)?;
        }
        for (name, tokens) in batches(&case.tokens, &case.device)? {
            let (routing, scores) = router.route_with_scores(&tokens)?;
            same(&routing, &expected, name)?;
            let leading = &tokens.dims()[..tokens.rank() - 1];
            assert_eq!(routing.ids.dims(), [leading, &[2]].concat(), "{name}");
            assert_eq!(routing.weights.dims(), routing.ids.dims(), "{name}");
            assert_eq!(scores.dims(), [leading, &[6]].concat(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn experts_biases_and_projections() -> Result<()> {
    for case in Case::all()? {
        let expected = case.routing()?;
        for (name, experts) in matrices(&case.experts, &case.device)? {
            let router = Router::new(case.config.clone(), &experts)?.with_bias(&case.bias)?;
            same(&router.route(&case.tokens)?, &expected, name)?;
        }
        for (name, bias) in vectors(&case.bias, &case.device)? {
            let router = Router::new(case.config.clone(), &case.experts)?.with_bias(&bias)?;
            same(&router.route(&case.tokens)?, &expected, name)?;
        }
        let narrow = random(4, &[6, 10], DType::F32, &case.device)?;
        let weight = random(5, &[10, 24], case.tokens.dtype(), &case.device)?;
        let offset = random(6, &[10], DType::F32, &case.device)?;
        let router = Router::new(case.config.clone(), &narrow)?;
        let projected = router.clone().with_projection(&weight, Some(&offset))?;
        let expected = projected.route(&case.tokens)?;
        for (name, weight) in matrices(&weight, &case.device)? {
            for (_, offset) in vectors(&offset, &case.device)? {
                let router = router.clone().with_projection(&weight, Some(&offset))?;
                same(&router.route(&case.tokens)?, &expected, name)?;
            }
        }
    }
    Ok(())
}

#[test]
fn experts_and_bias_of_one_storage() -> Result<()> {
    for device in devices() {
        let all = random(1, &[7, 24], DType::F32, &device)?;
        let (experts, bias) = (all.narrow(0, 0, 6)?, all.get(6)?.narrow(0, 9, 6)?);
        let config = RouterConfig::builder(6, 2).build()?;
        let router = Router::new(config.clone(), &experts)?.with_bias(&bias)?;
        let apart = Router::new(config, &experts.force_contiguous()?)?;
        let apart = apart.with_bias(&bias.force_contiguous()?)?;
        same(&router.route(&all)?, &apart.route(&all)?, "one storage")?;
    }
    Ok(())
}

#[test]
fn logits() -> Result<()> {
    for case in Case::all()? {
        let router = case.router()?;
        let logits = random(7, &[12, 6], case.tokens.dtype(), &case.device)?;
        let expected = router.select(&logits)?;
        for (name, logits) in matrices(&logits, &case.device)? {
            same(&router.select(&logits)?, &expected, name)?;
        }
        for (name, logits) in batches(&logits, &case.device)? {
            let routing = router.select(&logits)?;
            same(&routing, &expected, name)?;
            let leading = &logits.dims()[..logits.rank() - 1];
            assert_eq!(routing.ids.dims(), [leading, &[2]].concat(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn what_is_dispatched() -> Result<()> {
    let config = PlanConfig::builder(6).align(2).build()?;
    for case in Case::all()? {
        let (routing, plan) = case.router()?.route_and_plan(&case.tokens, &config)?;
        let grouped = plan.gather(&case.tokens)?;
        let combined = plan.combine(&grouped, &routing)?;
        let views =
            [matrices(&case.tokens, &case.device)?, batches(&case.tokens, &case.device)?].concat();
        for (name, tokens) in views {
            assert_eq!(bits(&plan.gather(&tokens)?)?, bits(&grouped)?, "{name}");
        }
        for (name, grouped) in matrices(&grouped, &case.device)? {
            assert_eq!(bits(&plan.combine(&grouped, &routing)?)?, bits(&combined)?, "{name}");
        }
        let views =
            [matrices(&routing.weights, &case.device)?, batches(&routing.weights, &case.device)?];
        for (name, weights) in views.concat() {
            let routing = Routing { weights, ..routing.clone() };
            let found = plan.combine(&grouped, &routing)?;
            assert_eq!(bits(&found)?, bits(&combined)?, "{name}");
            let leading = &routing.weights.dims()[..routing.weights.rank() - 1];
            assert_eq!(found.dims(), [leading, &[24]].concat(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn ids_of_both_signednesses() -> Result<()> {
    let config = PlanConfig::builder(6).build()?;
    for case in Case::all()? {
        let routing = case.routing()?;
        let expected = Plan::new(&config, &routing.ids, None)?;
        let unsigned = cosmoe_candle::as_u32(&routing.ids)?;
        // candle's CUDA kernels turn no i32 around.
        let signed = matrices(&routing.ids, &case.device)?.into_iter().take(4);
        for (name, ids) in signed.chain(matrices(&unsigned, &case.device)?) {
            let plan = Plan::new(&config, &ids, None)?;
            let rows = numbers(plan.row_of_assignment())?;
            assert_eq!(rows, numbers(expected.row_of_assignment())?, "{name} {:?}", ids.dtype());
        }
    }
    Ok(())
}

#[test]
fn broadcast_rows() -> Result<()> {
    for case in Case::all()? {
        let router = case.router()?;
        let row = case.tokens.get(3)?;
        for dims in [vec![5, 24], vec![2, 3, 24]] {
            let tokens = row.broadcast_as(dims)?;
            let expected = router.route(&tokens.force_contiguous()?)?;
            same(&router.route(&tokens)?, &expected, "broadcast")?;
        }
        let column = case.tokens.narrow(1, 2, 1)?.broadcast_as((12, 24))?;
        let expected = router.route(&column.force_contiguous()?)?;
        same(&router.route(&column)?, &expected, "broadcast columns")?;
    }
    Ok(())
}

#[test]
fn dimensions_of_one() -> Result<()> {
    for device in devices() {
        for dtype in FLOATS {
            // One token, one column, one expert.
            for (t, d, e) in [(1, 24, 6), (7, 1, 6), (7, 24, 1), (1, 1, 1)] {
                let tokens = random(1, &[t, d], dtype, &device)?;
                let experts = random(2, &[e, d], dtype, &device)?;
                let config = RouterConfig::builder(e, 1).build()?;
                let expected = Router::new(config.clone(), &experts)?.route(&tokens)?;
                for (name, experts) in matrices(&experts, &device)? {
                    let router = Router::new(config.clone(), &experts)?;
                    for (_, tokens) in matrices(&tokens, &device)? {
                        same(&router.route(&tokens)?, &expected, name)?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_tokens() -> Result<()> {
    let config = PlanConfig::builder(6).align(4).build()?;
    for case in Case::all()? {
        let router = case.router()?;
        for tokens in [
            case.tokens.narrow(0, 12, 0)?,
            case.tokens.narrow(0, 12, 0)?.narrow(1, 0, 24)?.unsqueeze(0)?,
            case.tokens.reshape((3, 4, 24))?.narrow(1, 4, 0)?,
        ] {
            let leading = &tokens.dims()[..tokens.rank() - 1];
            let (routing, scores) = router.route_with_scores(&tokens)?;
            assert_eq!(routing.ids.dims(), [leading, &[2]].concat());
            assert_eq!(scores.dims(), [leading, &[6]].concat());
            assert!(numbers(&routing.ids)?.is_empty());
            let (routing, plan) = router.route_and_plan(&tokens, &config)?;
            assert_eq!(numbers(plan.expert_offsets())?, [0; 7]);
            let grouped = plan.gather(&tokens)?;
            assert_eq!(grouped.dims(), [0, 24]);
            let combined = plan.combine(&grouped, &routing)?;
            assert_eq!(combined.dims(), [leading, &[24]].concat());
            let logits = scores.narrow(D::Minus1, 0, 6)?;
            assert_eq!(router.select(&logits)?.weights.dims(), routing.weights.dims());
        }
    }
    Ok(())
}
