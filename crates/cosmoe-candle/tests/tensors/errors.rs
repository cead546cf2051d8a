//! What is refused, in full.

use candle_core::{DType, Device, Tensor};
use cosmoe_candle::{
    Capacity, DropPolicy, Error, Plan, PlanConfig, Result, Router, RouterConfig, Routing, as_u32,
};

use crate::common::{devices, random};

#[track_caller]
fn refused<T>(result: Result<T>, expected: &str) {
    match result {
        Ok(_) => panic!("not refused: {expected}"),
        Err(error) => {
            assert_eq!(error.to_string(), expected);
            assert!(matches!(error, Error::Cosmoe(_)), "{error:?}");
        }
    }
}

/// Zeros: shapes and dtypes decide. Those without elements are parts of others, as not every driver allocates
/// nothing.
fn zeros(dims: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    let some: Vec<usize> = dims.iter().map(|&dim| dim.max(1)).collect();
    let mut tensor = Tensor::zeros(some, dtype, &Device::Cpu)?.to_device(device)?;
    for (index, &dim) in dims.iter().enumerate() {
        tensor = tensor.narrow(index, 0, dim)?;
    }
    Ok(tensor)
}

fn router(device: &Device) -> Result<Router> {
    Router::new(RouterConfig::builder(4, 2).build()?, &random(1, &[4, 8], DType::F32, device)?)
}

#[test]
fn experts_biases_and_projections() -> Result<()> {
    for device in devices() {
        let f32s = |dims: &[usize]| zeros(dims, DType::F32, &device);
        let new = |experts: &Tensor| Router::new(RouterConfig::builder(4, 2).build()?, experts);
        refused(
            new(&zeros(&[4, 8], DType::F64, &device)?),
            "experts: expected dtype f32, f16 or bf16, found f64",
        );
        refused(new(&f32s(&[8])?), "experts: expected shape [.., rows, columns], found [8]");
        refused(new(&f32s(&[])?), "experts: expected shape [.., rows, columns], found []");
        refused(new(&f32s(&[5, 8])?), "experts: expected shape [4, 8], found [5, 8]");
        refused(new(&f32s(&[4, 0])?), "experts: expected shape at least 1 column, found 0");

        let with = |bias: &Tensor| router(&device)?.with_bias(bias);
        refused(
            with(&zeros(&[4], DType::I64, &device)?),
            "bias: expected dtype f32, f16 or bf16, found i64",
        );
        refused(with(&f32s(&[1, 4])?), "bias: expected shape [n], found [1, 4]");
        let long = with(&f32s(&[5])?)?;
        refused(long.route(&f32s(&[3, 8])?), "bias: expected shape [4], found [5]");
        refused(long.select(&f32s(&[3, 4])?), "bias: expected shape [4], found [5]");

        let with =
            |weight: &Tensor, bias: Option<&Tensor>| router(&device)?.with_projection(weight, bias);
        refused(
            with(&zeros(&[8, 3], DType::U8, &device)?, None),
            "projection: expected dtype f32, f16 or bf16, found u8",
        );
        refused(
            with(&f32s(&[8])?, None),
            "projection: expected shape [.., rows, columns], found [8]",
        );
        let weight = f32s(&[8, 3])?;
        refused(
            with(&weight, Some(&zeros(&[8], DType::U32, &device)?)),
            "projection.bias: expected dtype f32, f16 or bf16, found u32",
        );
        refused(
            with(&weight, Some(&f32s(&[8, 1])?)),
            "projection.bias: expected shape [n], found [8, 1]",
        );
        let projected = with(&weight, Some(&f32s(&[7])?))?;
        refused(projected.route(&f32s(&[5, 3])?), "projection.bias: expected shape [8], found [7]");
        let projected = with(&weight, None)?;
        refused(
            projected.route(&f32s(&[5, 4])?),
            "projection: expected shape [8, 4], found [8, 3]",
        );
    }
    Ok(())
}

#[test]
fn tokens_and_logits() -> Result<()> {
    for device in devices() {
        let router = router(&device)?;
        let f32s = |dims: &[usize]| zeros(dims, DType::F32, &device);
        refused(
            router.route(&zeros(&[3, 8], DType::I64, &device)?),
            "tokens: expected dtype f32, f16 or bf16, found i64",
        );
        refused(
            router.route(&f32s(&[8])?),
            "tokens: expected shape [.., rows, columns], found [8]",
        );
        refused(router.route(&f32s(&[3, 9])?), "experts: expected shape [4, 9], found [4, 8]");
        refused(
            router.route_with_scores(&f32s(&[3, 0])?),
            "tokens: expected shape at least 1 column, found 0",
        );
        let halves = Router::new(router.config().clone(), &zeros(&[4, 8], DType::F16, &device)?)?;
        refused(halves.route(&f32s(&[3, 8])?), "experts: expected dtype f32, found f16");
        refused(router.select(&f32s(&[3, 5])?), "logits: expected shape [3, 4], found [3, 5]");
        refused(
            router.select(&zeros(&[3, 4], DType::F64, &device)?),
            "logits: expected dtype f32, f16 or bf16, found f64",
        );
        refused(
            router.padded(&zeros(&[1], DType::I64, &device)?),
            "num_tokens: expected dtype u32, found i64",
        );
        refused(
            router.padded(&zeros(&[2], DType::U32, &device)?),
            "num_tokens: expected shape [1], found [2]",
        );
        let mut other = router.clone();
        refused(other.refresh(&f32s(&[3, 8])?), "experts: expected shape [4, 8], found [3, 8]");
        // It is as it was.
        other.route(&f32s(&[3, 8])?)?;
    }
    Ok(())
}

#[test]
fn plans() -> Result<()> {
    for device in devices() {
        let config = PlanConfig::builder(4).build()?;
        let ids = zeros(&[3, 2], DType::I32, &device)?;
        refused(
            Plan::new(&config, &zeros(&[3, 2], DType::F32, &device)?, None),
            "ids: expected dtype i32 or u32, found f32",
        );
        refused(
            Plan::new(&config, &zeros(&[6], DType::I32, &device)?, None),
            "ids: expected shape [.., rows, columns], found [6]",
        );
        refused(
            Plan::new(&config, &ids, Some(&zeros(&[3, 2], DType::F16, &device)?)),
            "weights: expected dtype f32, found f16",
        );
        refused(
            Plan::new(&config, &ids, Some(&zeros(&[2, 3], DType::F32, &device)?)),
            "weights: expected shape [3, 2], found [2, 3]",
        );
        let by_weight = PlanConfig::builder(4).capacity(Capacity::PerExpert(1));
        let by_weight = by_weight.drop_policy(DropPolicy::Weight).build()?;
        refused(
            Plan::new(&by_weight, &ids, None),
            "weights: expected [T, K] f32, to drop by weight, found none",
        );
        let large = PlanConfig::builder(4).align(i32::MAX as usize).build()?;
        refused(
            Plan::new(&large, &ids, None),
            "grouped rows: size not supported: expected at most 2147483647, found 8589934590",
        );
        let tokens = zeros(&[3, 8], DType::F32, &device)?;
        let others = PlanConfig::builder(5).build()?;
        refused(
            router(&device)?.route_and_plan(&tokens, &others),
            "plan.num_experts: expected the router's 4, found 5",
        );
        refused(as_u32(&zeros(&[3], DType::U32, &device)?), "ids: expected dtype i32, found u32");
    }
    Ok(())
}

#[test]
fn dispatch() -> Result<()> {
    for device in devices() {
        let tokens = zeros(&[3, 8], DType::F32, &device)?;
        let router = router(&device)?;
        let (routing, plan) = router.route_and_plan(&tokens, &PlanConfig::builder(4).build()?)?;
        refused(
            plan.gather(&zeros(&[4, 8], DType::F32, &device)?),
            "tokens: expected shape [3, 8], found [4, 8]",
        );
        refused(
            plan.gather(&zeros(&[3, 8], DType::U8, &device)?),
            "tokens: expected dtype f32, f16 or bf16, found u8",
        );
        refused(
            plan.combine(&zeros(&[6, 8], DType::F64, &device)?, &routing),
            "grouped: expected dtype f32, f16 or bf16, found f64",
        );
        refused(
            plan.combine(&zeros(&[8], DType::F32, &device)?, &routing),
            "grouped: expected shape [.., rows, columns], found [8]",
        );
        let grouped = plan.gather(&tokens)?;
        let with = |weights: Tensor| Routing { weights, ..routing.clone() };
        refused(
            plan.combine(&grouped, &with(zeros(&[3, 2], DType::BF16, &device)?)),
            "weights: expected dtype f32, found bf16",
        );
        refused(
            plan.combine(&grouped, &with(zeros(&[2, 3], DType::F32, &device)?)),
            "weights: expected shape [3, 2], found [2, 3]",
        );
    }
    Ok(())
}

/// Where there are two devices.
#[test]
fn tensors_elsewhere() -> Result<()> {
    let devices = devices();
    let name = |device: &Device| if device.is_cpu() { "the host" } else { "CUDA device 0" };
    for (ours, theirs) in devices.iter().zip(devices.iter().rev()) {
        if ours.same_device(theirs) {
            continue;
        }
        let says = |argument: &str| {
            let (expected, found) = (name(ours), name(theirs));
            format!("{argument}: expected memory of {expected}, found memory of {found}")
        };
        let router = router(ours)?;
        let there = zeros(&[3, 8], DType::F32, theirs)?;
        refused(router.route(&there), &says("tokens"));
        refused(router.select(&there), &says("logits"));
        refused(router.clone().with_bias(&there), &says("bias"));
        refused(router.clone().with_projection(&there, None), &says("projection"));
        refused(router.padded(&there), &says("num_tokens"));
        refused(router.clone().refresh(&there), &says("experts"));
        let here = zeros(&[3, 8], DType::F32, ours)?;
        let (routing, plan) = router.route_and_plan(&here, &PlanConfig::builder(4).build()?)?;
        refused(plan.gather(&there), &says("tokens"));
        refused(plan.combine(&there, &routing), &says("grouped"));
        let split = Routing { weights: there, ..routing };
        refused(plan.combine(&here, &split), &says("weights"));
        refused(router.plan(plan.config(), &split), &says("weights"));
    }
    Ok(())
}

#[test]
fn functions_of_candle_return_it_with_a_question_mark() {
    fn forward(tokens: &Tensor) -> candle_core::Result<Tensor> {
        Ok(router(&Device::Cpu)?.route(tokens)?.weights)
    }
    let wrong = Tensor::zeros((3, 8), DType::U8, &Device::Cpu).unwrap();
    let text = forward(&wrong).unwrap_err().to_string();
    // A backtrace comes behind it where the environment asks for one.
    let expected = "tokens: expected dtype f32, f16 or bf16, found u8";
    assert_eq!(text.lines().next(), Some(expected));
}
