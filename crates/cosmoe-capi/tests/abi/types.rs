//! Element types: each is read as what it is, and counted in what a call needs.

use std::ptr::{null, null_mut};

use cosmoe::{Backend, Cpu, PlanConfig, RouterConfig, SelectShape};
use cosmoe_capi::*;
use half::{bf16, f16};

use crate::calls::{BF16, Device, F16, F32, Tensor, ok, size};
use crate::laid::bytes;

/// Numbers that all types hold mean the same in each of them.
#[test]
fn floats_of_every_type_are_read_as_what_they_are() {
    let eighths = |count: usize| (0..count).map(|i| (i * 37 % 64) as f32 / 8.0).collect::<Vec<_>>();
    let as_dtype = |device: &Device, dtype: DLDataType, shape: &[i64], values: &[f32]| match dtype {
        F16 => {
            let values: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
            Tensor::with(device, dtype, shape, &values)
        }
        BF16 => {
            let values: Vec<bf16> = values.iter().copied().map(bf16::from_f32).collect();
            Tensor::with(device, dtype, shape, &values)
        }
        _ => Tensor::with(device, dtype, shape, values),
    };
    let widened = |dtype: DLDataType, bytes: &[u8]| -> Vec<f32> {
        match dtype {
            F16 => bytes.chunks_exact(2).map(|b| f16::from_ne_bytes([b[0], b[1]]).into()).collect(),
            BF16 => {
                bytes.chunks_exact(2).map(|b| bf16::from_ne_bytes([b[0], b[1]]).into()).collect()
            }
            _ => bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect(),
        }
    };
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device.clone());
        let call = |name: &str| layer.calls().into_iter().find(|call| call.name == name).unwrap();
        // SAFETY: the handle is alive.
        let wait = || ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
        let (mut selected, mut routed, mut combined) = (Vec::new(), Vec::new(), Vec::new());
        for dtype in [F32, F16, BF16] {
            let mut select = call("cosmoe_select");
            let count = select.tensors[0].1.read().len() / 4;
            let shape = [crate::layer::T, crate::layer::E];
            select.tensors[0].1 = as_dtype(&device, dtype, &shape, &eighths(count));
            ok(select.make(&layer));
            wait();
            selected.push([select.tensors[2].1.read(), select.tensors[3].1.read()]);

            let mut route = call("cosmoe_route");
            let shape = [crate::layer::T, crate::layer::D];
            let count = (crate::layer::T * crate::layer::D) as usize;
            route.tensors[0].1 = as_dtype(&device, dtype, &shape, &eighths(count));
            let (mut needed, mut own) = (size(), null_mut());
            let args = cosmoe_route_args {
                struct_size: size_of::<cosmoe_route_args>(),
                tokens: route.tensors[0].1.raw(),
                num_tokens: null(),
            };
            let out = cosmoe_route_out {
                struct_size: size_of::<cosmoe_route_out>(),
                ids: route.tensors[2].1.raw(),
                weights: route.tensors[3].1.raw(),
                scores: null(),
            };
            // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
            unsafe {
                ok(cosmoe_route_workspace(layer.router, crate::layer::T, dtype, &raw mut needed));
                ok(cosmoe_workspace_new(layer.backend, &raw const needed, &raw mut own));
                ok(cosmoe_route(layer.router, &raw const args, &raw const out, own));
                wait();
                ok(cosmoe_workspace_free(own));
            }
            routed.push([route.tensors[2].1.read(), route.tensors[3].1.read()]);

            let mut combine = call("cosmoe_combine");
            let (rows, cols) = (crate::layer::T * crate::layer::K, crate::layer::D);
            let values = eighths((rows * cols) as usize);
            combine.tensors[0].1 = as_dtype(&device, dtype, &[rows, cols], &values);
            let halves = vec![0.5_f32; rows as usize];
            combine.tensors[2].1.write(&bytes(&halves));
            combine.tensors[3].1 = Tensor::new(&device, dtype, &[crate::layer::T, cols]);
            ok(combine.make(&layer));
            wait();
            combined.push(widened(dtype, &combine.tensors[3].1.read()));
        }
        assert!(selected[1] == selected[0] && selected[2] == selected[0]);
        assert!(routed[1] == routed[0] && routed[2] == routed[0]);
        assert!(combined[1] == combined[0] && combined[2] == combined[0]);
    }
}

/// Bytes that calls on tokens of each type need, as the Rust API says.
#[test]
fn queries_of_every_type() {
    use crate::layer::{D, E, K};
    type Sizes = [cosmoe::WorkspaceSize; 3];
    fn by_rust<B: Backend>(
        backend: &B,
        tokens: usize,
        dtype: cosmoe::DType,
        expert_dtype: cosmoe::DType,
    ) -> Sizes {
        let config = RouterConfig::builder(E as usize, K as usize).build().unwrap();
        let plan = PlanConfig::builder(E as usize).align(4).build().unwrap();
        let shape = cosmoe::RouteShape {
            tokens,
            hidden: D as usize,
            projected: None,
            token_dtype: dtype,
            expert_dtype,
        };
        [
            backend.route_workspace(&config, shape).unwrap(),
            backend.route_and_plan_workspace(&config, shape, &plan).unwrap(),
            backend.select_workspace(&config, SelectShape { tokens, dtype }).unwrap(),
        ]
    }
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device.clone());
        for (dtype, of) in
            [(F32, cosmoe::DType::F32), (F16, cosmoe::DType::F16), (BF16, cosmoe::DType::BF16)]
        {
            // Experts of the tokens' type, and those of the layer.
            let experts = Tensor::new(&device, dtype, &[E, D]);
            let (config, learned) = (&raw const layer.config, crate::calls::weights(experts.raw()));
            let mut own = null_mut();
            // SAFETY: structs have their sizes, the tensor is what it says, the handle is alive.
            ok(unsafe {
                cosmoe_router_new(layer.backend, config, &raw const learned, &raw mut own)
            });
            let f32 = cosmoe::DType::F32;
            for (tokens, (router, experts)) in
                [1, 40, 5000].into_iter().flat_map(|t| [(t, (own, of)), (t, (layer.router, f32))])
            {
                let expected = match &device {
                    Device::Cpu => by_rust(&Cpu::new(), tokens as usize, of, experts),
                    Device::Cuda(cuda) => by_rust(cuda, tokens as usize, of, experts),
                };
                let mut found = [size(); 3];
                let [route, both, select] = found.each_mut();
                // SAFETY: the handle is alive, and structs have their sizes.
                unsafe {
                    let plan = &raw const layer.plan;
                    ok(cosmoe_route_workspace(router, tokens, dtype, route));
                    ok(cosmoe_route_and_plan_workspace(router, plan, tokens, dtype, both));
                    ok(cosmoe_select_workspace(router, tokens, dtype, select));
                }
                for (found, expected) in found.iter().zip(expected) {
                    let found = (found.scratch, found.state);
                    assert_eq!(found, (expected.scratch, expected.state), "{of:?} {tokens}");
                }
            }
            // SAFETY: nothing uses it after this.
            ok(unsafe { cosmoe_router_free(own) });
        }
    }
}
