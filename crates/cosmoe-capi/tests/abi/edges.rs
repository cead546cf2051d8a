//! What is at an edge: no tokens, counts, windows, threads, environments, memory of other kinds.

use std::ptr::{null, null_mut};

use cosmoe_capi::*;

use crate::calls::{Device, I32, Tensor, U32, numbers, ok, plan_config, size};
use crate::laid::bytes;
use crate::values::plan_out;

/// The caller's floating-point environment is its own, and does not reach results.
#[cfg(target_arch = "x86_64")]
#[test]
fn flushed_subnormals() {
    use std::arch::asm;

    let control = |value: u32| {
        // SAFETY: the standard value, with flags that every x86-64 has.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
    };
    let found = || {
        let mut value: u32 = 0;
        // SAFETY: the register is stored into a live number.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
        value & !0x3f
    };
    let layer = crate::layer::Layer::new(Device::Cpu);
    let combine = |flush: bool| {
        let mut call =
            layer.calls().into_iter().find(|call| call.name == "cosmoe_combine").unwrap();
        // Products far below the least normal number.
        let small: Vec<f32> = numbers(call.tensors[0].1.read().len() / 4, 3)
            .into_iter()
            .map(|value| value * f32::MIN_POSITIVE / 16.0)
            .collect();
        call.tensors[0].1.write(&bytes(&small));
        const STANDARD: u32 = 0x1f80;
        const FLUSHES: u32 = STANDARD | 1 << 15 | 1 << 6;
        if flush {
            control(FLUSHES);
        }
        let status = call.make(&layer);
        let left = found();
        control(STANDARD);
        ok(status);
        assert_eq!(left, if flush { FLUSHES } else { STANDARD });
        call.tensors[3].1.read()
    };
    let expected = combine(false);
    assert!(expected.iter().any(|&byte| byte != 0));
    assert!(combine(true) == expected);
}

/// The number of real tokens as engines have it: one int32, with a dimension or without.
#[test]
fn any_count_of_tokens() {
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device.clone());
        let route = |count: Tensor| {
            let mut call =
                layer.calls().into_iter().find(|call| call.name == "cosmoe_route").unwrap();
            call.tensors[1].1 = count;
            ok(call.make(&layer));
            // SAFETY: the handle is alive.
            ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
            call.tensors[2].1.read()
        };
        let expected = route(Tensor::with(&device, U32, &[1], &[2_u32]));
        assert!(route(Tensor::with(&device, I32, &[1], &[2_i32])) == expected);
        let mut scalar = Tensor::with(&device, I32, &[1], &[2_i32]);
        (scalar.dl.ndim, scalar.dl.shape) = (0, null_mut());
        assert!(route(scalar) == expected);
        let all = route(Tensor::with(&device, U32, &[1], &[99_u32]));
        assert!(all != expected);
        assert!(route(Tensor::with(&device, I32, &[1], &[-1_i32])) == all);
    }
}

/// A window that is not set is all experts, also where their number is changed after the defaults.
#[test]
fn no_window_is_all_experts() {
    let mut config = plan_config(8);
    (config.num_experts, config.align) = (16, 4);
    let mut rows = 0;
    let ids: Vec<i32> = (0..16).collect();
    let plan = |config: &cosmoe_plan_config| {
        let device = Device::Cpu;
        let backend = device.backend();
        let ids = Tensor::with(&device, I32, &[16, 1], &ids);
        let lengths = [16, 16, 17, 16, 64, 16, 2];
        let tensors: Vec<(Tensor, Vec<i32>)> =
            lengths.iter().map(|&len| (Tensor::new(&device, I32, &[len]), vec![])).collect();
        let out = plan_out(&tensors);
        let struct_size = size_of::<cosmoe_plan_args>();
        let args = cosmoe_plan_args { struct_size, ids: ids.raw(), weights: null() };
        let (mut needed, mut workspace) = (size(), null_mut());
        // SAFETY: structs have their sizes, tensors are what they say, handles are alive.
        unsafe {
            let config = &raw const *config;
            ok(cosmoe_plan_workspace(backend, config, 16, 1, &raw mut needed));
            ok(cosmoe_workspace_new(backend, &raw const needed, &raw mut workspace));
            ok(cosmoe_plan(backend, config, &raw const args, &raw const out, workspace));
            ok(cosmoe_workspace_free(workspace));
            ok(cosmoe_backend_free(backend));
        }
        tensors[6].0.read()
    };
    // SAFETY: the struct has its size.
    ok(unsafe { cosmoe_plan_max_rows(&raw const config, 16, 1, &raw mut rows) });
    assert_eq!(rows, 16 + 16 * 3);
    assert!(plan(&config) == bytes(&[0, 0]));
    config.window_end = 4;
    assert!(plan(&config) == bytes(&[0, 12]));
}

/// No tokens: every call succeeds and writes all there is.
#[test]
fn no_tokens() {
    for device in Device::all() {
        let mut layer = crate::layer::Layer::new(device);
        layer.config.top_k = 1;
        for mut call in layer.calls() {
            let zero_rows = |name: &str| {
                !matches!(
                    name,
                    "num_tokens"
                        | "experts"
                        | "bias"
                        | "projection"
                        | "projection_bias"
                        | "out.expert_demand"
                        | "out.expert_counts"
                        | "out.expert_offsets"
                        | "out.stats"
                        | "scratch"
                        | "state"
                )
            };
            for (name, tensor) in &mut call.tensors {
                if zero_rows(name) {
                    tensor.resize(0);
                    tensor.dl.data = null_mut();
                }
            }
            ok(call.make(&layer));
        }
    }
}

/// A backend with threads of its own, and one that shares them.
#[test]
fn any_number_of_threads() {
    let mut found = Vec::new();
    for num_threads in [0, 1, 3] {
        let mut layer = crate::layer::Layer::new(Device::Cpu);
        let config = cosmoe_backend_config {
            struct_size: size_of::<cosmoe_backend_config>(),
            device: DLDevice { device_type: 1, device_id: 0 },
            stream: null_mut(),
            num_threads,
        };
        let mut backend = null_mut();
        // SAFETY: the struct has its size, the handles are alive.
        unsafe {
            ok(cosmoe_backend_new(&raw const config, &raw mut backend));
            ok(cosmoe_backend_free(std::mem::replace(&mut layer.backend, backend)));
        }
        let call = layer.calls().into_iter().find(|call| call.name == "cosmoe_combine").unwrap();
        ok(call.make(&layer));
        found.push(call.tensors[call.outputs].1.read());
    }
    assert!(found[0] == found[1] && found[1] == found[2]);
}
/// State of any content becomes zeros, and scratch stays as it is.
#[test]
fn borrowed_state_is_zeroed() {
    for device in Device::all() {
        let layer = crate::layer::Layer::new(device);
        let call =
            layer.calls().into_iter().find(|call| call.name == "cosmoe_workspace_borrow").unwrap();
        ok(call.make(&layer));
        // SAFETY: the handle is alive.
        ok(unsafe { cosmoe_backend_synchronize(layer.backend) });
        assert!(call.tensors[0].1.is_untouched());
        assert!(call.tensors[1].1.read().iter().all(|&byte| byte == 0));
    }
}

/// Host memory that CUDA has pinned is the CPU's, memory that it manages a device's.
#[test]
fn pinned_and_managed_memory() {
    for device in Device::all() {
        let device_type = if matches!(device, Device::Cpu) { 3 } else { 13 };
        let layer = crate::layer::Layer::new(device);
        for mut call in layer.calls() {
            for (_, tensor) in &mut call.tensors {
                tensor.dl.device.device_type = device_type;
            }
            ok(call.make(&layer));
        }
    }
}
