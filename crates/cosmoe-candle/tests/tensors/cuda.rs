//! What only a device of CUDA has: streams. Without one these tests pass as they are.

use candle_core::cuda::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use candle_core::{DType, Device};
use cosmoe_candle::{PlanConfig, Result, Router, RouterConfig};

use crate::common::{bits, devices, numbers, random};

/// candle's usual device, whose stream is another one on every thread, and one with a stream of its own.
fn both_kinds() -> Result<Vec<Device>> {
    let mut found: Vec<_> = devices().into_iter().filter(Device::is_cuda).collect();
    if !found.is_empty() {
        found.push(Device::new_cuda_with_stream(0)?);
    }
    Ok(found)
}

fn router(device: &Device) -> Result<Router> {
    let experts = random(1, &[32, 64], DType::F32, device)?;
    Router::new(RouterConfig::builder(32, 4).build()?, &experts)
}

#[test]
fn a_device_with_a_stream_of_its_own() -> Result<()> {
    let mut answers = Vec::new();
    for device in both_kinds()? {
        let tokens = random(2, &[50, 64], DType::F32, &device)?;
        let (routing, plan) =
            router(&device)?.route_and_plan(&tokens, &PlanConfig::builder(32).build()?)?;
        let combined = plan.combine(&plan.gather(&tokens)?, &routing)?;
        answers.push((numbers(&routing.ids)?, bits(&routing.weights)?, bits(&combined)?));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    Ok(())
}

/// Tensors of one device are taken by a router of another one on the same GPU: cudarc's events order them.
#[test]
fn tensors_of_another_stream() -> Result<()> {
    let Some(own) = both_kinds()?.pop() else { return Ok(()) };
    let other = Device::new_cuda_with_stream(0)?;
    let router = router(&own)?;
    for round in 0..8 {
        let here = random(round, &[40, 64], DType::F32, &own)?;
        let there = random(round, &[40, 64], DType::F32, &other)?;
        let expected = router.route(&here)?;
        let routing = router.route(&there)?;
        assert_eq!(numbers(&routing.ids)?, numbers(&expected.ids)?);
    }
    Ok(())
}

/// cudarc waits for events when memory is used, which would end the capture.
#[test]
fn a_capture_is_refused_while_events_are_tracked() -> Result<()> {
    let Some(device) = both_kinds()?.pop() else { return Ok(()) };
    let (router, tokens) = (router(&device)?, random(2, &[50, 64], DType::F32, &device)?);
    let stream = device.as_cuda_device()?.cuda_stream();
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).unwrap();
    let error = router.route(&tokens).unwrap_err();
    let expected =
        "stream: expected one that is not being captured, as cudarc tracks events, found a capture";
    assert_eq!(error.to_string(), expected);
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    stream.end_capture(flags).unwrap();
    assert_eq!(router.route(&tokens)?.ids.dims(), [50, 4]);
    Ok(())
}
