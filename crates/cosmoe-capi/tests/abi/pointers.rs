//! Pointers that are no tensors: handles, structs, where results go; and numbers out of range.

use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use crate::calls::{
    Device, F32, I32, Status, message, ok, plan_config, router_config, size, weights,
};
use crate::layer::Layer;
use cosmoe_capi::*;

/// That a call was refused as invalid, and with which words.
#[track_caller]
fn no(status: Status, expected: &str) {
    assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT, "{}", message());
    assert_eq!(message(), expected);
}

/// That a handle was refused as one of another kind.
#[track_caller]
fn not_a(kind: &str, status: Status) {
    assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT);
    let argument = kind.strip_prefix("cosmoe_").unwrap();
    let expected = format!("{argument}: expected a {kind}, found another value, at 0x");
    assert!(message().starts_with(&expected), "{}", message());
}

#[test]
fn handles_that_are_null_or_of_another_kind() {
    let layer = Layer::new(Device::Cpu);
    let (router, workspace) = (layer.router, layer.workspace);
    let (config, plan) = (&raw const layer.config, &raw const layer.plan);
    let learned = weights(layer.experts.raw());
    let (mut made, mut needed) = (null_mut(), size());
    let needed = &raw mut needed;
    let (none_b, none_r) = (
        "backend: expected a cosmoe_backend, found NULL",
        "router: expected a cosmoe_router, found NULL",
    );
    let (as_backend, as_router) =
        (router.cast::<cosmoe_backend>(), workspace.cast::<cosmoe_router>());
    // SAFETY: NULL, and handles of another kind, are refused; all others are valid.
    unsafe {
        no(cosmoe_backend_synchronize(null()), none_b);
        not_a("cosmoe_backend", cosmoe_backend_synchronize(as_backend));
        not_a("cosmoe_backend", cosmoe_backend_free(as_backend));
        no(cosmoe_router_new(null(), config, &raw const learned, &raw mut made), none_b);
        not_a(
            "cosmoe_backend",
            cosmoe_router_new(as_backend, config, &raw const learned, &raw mut made),
        );
        no(cosmoe_plan_workspace(null(), plan, 1, 1, needed), none_b);
        not_a("cosmoe_backend", cosmoe_plan_workspace(as_backend, plan, 1, 1, needed));
        no(cosmoe_plan(null(), plan, null(), null(), workspace), none_b);
        not_a("cosmoe_backend", cosmoe_plan(as_backend, plan, null(), null(), workspace));
        no(cosmoe_gather(null(), null(), null()), none_b);
        not_a("cosmoe_backend", cosmoe_gather(as_backend, null(), null()));
        no(cosmoe_combine(null(), null(), null()), none_b);
        not_a("cosmoe_backend", cosmoe_combine(as_backend, null(), null()));
        let mut space = null_mut();
        no(cosmoe_workspace_new(null(), needed, &raw mut space), none_b);
        not_a("cosmoe_backend", cosmoe_workspace_new(as_backend, needed, &raw mut space));
        no(cosmoe_workspace_borrow(null(), null(), null(), &raw mut space), none_b);

        no(cosmoe_router_refresh(null_mut()), none_r);
        not_a("cosmoe_router", cosmoe_router_refresh(as_router));
        not_a("cosmoe_router", cosmoe_router_free(as_router));
        no(cosmoe_route_workspace(null(), 1, F32, needed), none_r);
        not_a("cosmoe_router", cosmoe_route_workspace(as_router, 1, F32, needed));
        no(cosmoe_route(null(), null(), null(), workspace), none_r);
        not_a("cosmoe_router", cosmoe_route(as_router, null(), null(), workspace));
        no(cosmoe_route_and_plan_workspace(null(), plan, 1, F32, needed), none_r);
        not_a("cosmoe_router", cosmoe_route_and_plan_workspace(as_router, plan, 1, F32, needed));
        no(cosmoe_route_and_plan(null(), null(), null(), plan, null(), workspace), none_r);
        not_a(
            "cosmoe_router",
            cosmoe_route_and_plan(as_router, null(), null(), plan, null(), workspace),
        );
        no(cosmoe_select_workspace(null(), 1, F32, needed), none_r);
        not_a("cosmoe_router", cosmoe_select_workspace(as_router, 1, F32, needed));
        no(cosmoe_select(null(), null(), null(), workspace), none_r);
        not_a("cosmoe_router", cosmoe_select(as_router, null(), null(), workspace));

        not_a("cosmoe_workspace", cosmoe_workspace_free(router.cast()));
        let mut wrong = Layer::new(Device::Cpu);
        let own = std::mem::replace(&mut wrong.workspace, router.cast());
        for call in wrong.calls() {
            match call.name {
                "cosmoe_router_new"
                | "cosmoe_workspace_borrow"
                | "cosmoe_gather"
                | "cosmoe_combine" => ok(call.make(&wrong)),
                _ => not_a("cosmoe_workspace", call.make(&wrong)),
            }
        }
        wrong.workspace = own;
        // No handle is nothing to free.
        ok(cosmoe_backend_free(null_mut()));
        ok(cosmoe_router_free(null_mut()));
        ok(cosmoe_workspace_free(null_mut()));
    }
}

#[test]
fn structs_that_are_null_or_of_another_size() {
    let layer = Layer::new(Device::Cpu);
    let Layer { backend, router, workspace, .. } = layer;
    let (config, plan) = (&raw const layer.config, &raw const layer.plan);
    let calls = layer.calls();
    let raw = |name: &str, at: usize| {
        calls.iter().find(|call| call.name == name).unwrap().tensors[at].1.raw()
    };
    let args = cosmoe_route_args {
        struct_size: size_of::<cosmoe_route_args>(),
        tokens: raw("cosmoe_route", 0),
        num_tokens: null(),
    };
    let out = cosmoe_route_out {
        struct_size: size_of::<cosmoe_route_out>(),
        ids: raw("cosmoe_route", 2),
        weights: raw("cosmoe_route", 3),
        scores: null(),
    };
    let select = cosmoe_select_args {
        struct_size: size_of::<cosmoe_select_args>(),
        logits: raw("cosmoe_select", 0),
        num_tokens: null(),
    };
    let ids = cosmoe_plan_args {
        struct_size: size_of::<cosmoe_plan_args>(),
        ids: raw("cosmoe_plan", 0),
        weights: null(),
    };
    let (args, out, select, ids) =
        (&raw const args, &raw const out, &raw const select, &raw const ids);
    let learned = weights(layer.experts.raw());
    let mut needed = size();
    let needed = &raw mut needed;
    // Eight bytes that say that there are none.
    let nothing = [0_usize; 16];
    macro_rules! each {
        ($($name:ident as $argument:literal: |$at:ident| $call:expr;)*) => { $(
            {
                let (name, size) = (stringify!($name), size_of::<$name>());
                let $at = null_mut::<$name>();
                no($call, &format!("{}: expected a {name}, found NULL", $argument));
                let $at = nothing.as_ptr().cast_mut().cast::<$name>();
                let expected = format!("{}: expected a struct_size of sizeof({name}), {size} here, found 0", $argument);
                no($call, &expected);
            }
        )* };
    }
    let (mut made_backend, mut made_router, mut made_workspace) =
        (null_mut(), null_mut(), null_mut());
    let (b, r, w) = (&raw mut made_backend, &raw mut made_router, &raw mut made_workspace);
    let mut rows = 0_i64;
    // SAFETY: wrong structs are refused by their first field; all else is valid.
    unsafe {
        each! {
            cosmoe_backend_config as "config": |at| cosmoe_backend_new(at, b);
            cosmoe_plan_config as "config": |at| cosmoe_plan_max_rows(at, 1, 1, &raw mut rows);
            cosmoe_router_config as "config": |at| cosmoe_router_new(backend, at, &raw const learned, r);
            cosmoe_router_weights as "weights": |at| cosmoe_router_new(backend, config, at, r);
            cosmoe_workspace_size as "out": |at| cosmoe_route_workspace(router, 1, F32, at);
            cosmoe_workspace_size as "out": |at| cosmoe_select_workspace(router, 1, F32, at);
            cosmoe_workspace_size as "out": |at| cosmoe_route_and_plan_workspace(router, plan, 1, F32, at);
            cosmoe_workspace_size as "out": |at| cosmoe_plan_workspace(backend, plan, 1, 1, at);
            cosmoe_workspace_size as "size": |at| cosmoe_workspace_new(backend, at, w);
            cosmoe_plan_config as "plan_config": |at| cosmoe_route_and_plan_workspace(router, at, 1, F32, needed);
            cosmoe_plan_config as "config": |at| cosmoe_plan_workspace(backend, at, 1, 1, needed);
            cosmoe_route_args as "args": |at| cosmoe_route(router, at, out, workspace);
            cosmoe_route_out as "out": |at| cosmoe_route(router, args, at, workspace);
            cosmoe_route_args as "args": |at| cosmoe_route_and_plan(router, at, out, plan, null(), workspace);
            cosmoe_route_out as "out": |at| cosmoe_route_and_plan(router, args, at, plan, null(), workspace);
            cosmoe_plan_config as "plan_config": |at| cosmoe_route_and_plan(router, args, out, at, null(), workspace);
            cosmoe_plan_out as "plan_out": |at| cosmoe_route_and_plan(router, args, out, plan, at, workspace);
            cosmoe_select_args as "args": |at| cosmoe_select(router, at, out, workspace);
            cosmoe_route_out as "out": |at| cosmoe_select(router, select, at, workspace);
            cosmoe_plan_config as "config": |at| cosmoe_plan(backend, at, ids, null(), workspace);
            cosmoe_plan_args as "args": |at| cosmoe_plan(backend, plan, at, null(), workspace);
            cosmoe_plan_out as "out": |at| cosmoe_plan(backend, plan, ids, at, workspace);
            cosmoe_gather_args as "args": |at| cosmoe_gather(backend, at, raw("cosmoe_gather", 2));
            cosmoe_combine_args as "args": |at| cosmoe_combine(backend, at, raw("cosmoe_combine", 3));
        }
        let mut noise = cosmoe_workspace_size { struct_size: 0x777, scratch: 1, state: 2 };
        let status = cosmoe_route_workspace(router, 1, F32, &raw mut noise);
        no(
            status,
            "out: expected a struct_size of sizeof(cosmoe_workspace_size), 24 here, found 1911",
        );
        let mut room = MaybeUninit::<cosmoe_router_config>::uninit();
        no(
            cosmoe_router_config_init(null_mut(), 80, 8, 2),
            "config: expected a cosmoe_router_config, found NULL",
        );
        no(
            cosmoe_router_config_init(room.as_mut_ptr(), 79, 8, 2),
            "config: expected a struct_size of sizeof(cosmoe_router_config), 80 here, found 79",
        );
        let mut room = MaybeUninit::<cosmoe_plan_config>::uninit();
        no(
            cosmoe_plan_config_init(null_mut(), 64, 8),
            "config: expected a cosmoe_plan_config, found NULL",
        );
        no(
            cosmoe_plan_config_init(room.as_mut_ptr(), 8, 8),
            "config: expected a struct_size of sizeof(cosmoe_plan_config), 64 here, found 8",
        );
    }
}

#[test]
fn nowhere_to_put_a_result() {
    let layer = Layer::new(Device::Cpu);
    let (config, plan) = (&raw const layer.config, &raw const layer.plan);
    let learned = weights(layer.experts.raw());
    let device = DLDevice { device_type: 1, device_id: 0 };
    let struct_size = size_of::<cosmoe_backend_config>();
    let place = cosmoe_backend_config { struct_size, device, stream: null_mut(), num_threads: 0 };
    let size = size();
    // SAFETY: NULL is refused; all else is valid.
    unsafe {
        no(
            cosmoe_backend_new(&raw const place, null_mut()),
            "out: expected where to put a cosmoe_backend *, found NULL",
        );
        no(
            cosmoe_router_new(layer.backend, config, &raw const learned, null_mut()),
            "out: expected where to put a cosmoe_router *, found NULL",
        );
        no(
            cosmoe_workspace_new(layer.backend, &raw const size, null_mut()),
            "out: expected where to put a cosmoe_workspace *, found NULL",
        );
        no(
            cosmoe_workspace_borrow(layer.backend, null(), null(), null_mut()),
            "out: expected where to put a cosmoe_workspace *, found NULL",
        );
        no(
            cosmoe_plan_max_rows(plan, 1, 1, null_mut()),
            "out: expected where to put an int64_t, found 0x0",
        );
    }
}

#[test]
fn numbers_out_of_range() {
    let layer = Layer::new(Device::Cpu);
    let (backend, router, plan) = (layer.backend, layer.router, &raw const layer.plan);
    let (mut needed, mut rows) = (size(), 0_i64);
    let needed = &raw mut needed;
    let too_many = "tokens * top_k: size not supported: expected at most 2147483647, found ";
    let large = |status, found: &str| {
        assert_eq!(status, Status::COSMOE_SIZE_NOT_SUPPORTED);
        assert_eq!(message(), format!("{too_many}{found}"));
    };
    // SAFETY: all pointers are valid.
    unsafe {
        let rows = &raw mut rows;
        no(cosmoe_plan_max_rows(plan, -1, 1, rows), "tokens: expected at least 0, found -1");
        no(
            cosmoe_plan_max_rows(plan, 1, i64::MIN, rows),
            "top_k: expected at least 0, found -9223372036854775808",
        );
        large(
            cosmoe_plan_max_rows(plan, i64::MAX, 2, rows),
            "9223372036854775807 * 2 = 18446744073709551614",
        );
        no(
            cosmoe_plan_workspace(backend, plan, -1, 1, needed),
            "tokens: expected at least 0, found -1",
        );
        no(
            cosmoe_plan_workspace(backend, plan, 1, -1, needed),
            "top_k: expected at least 0, found -1",
        );
        no(
            cosmoe_route_workspace(router, -1, F32, needed),
            "tokens: expected at least 0, found -1",
        );
        large(cosmoe_route_workspace(router, i64::MAX, F32, needed), "9223372036854775807 * 2");
        no(
            cosmoe_select_workspace(router, -1, F32, needed),
            "tokens: expected at least 0, found -1",
        );
        large(cosmoe_select_workspace(router, 1 << 31, F32, needed), "2147483648 * 2");
        no(
            cosmoe_route_and_plan_workspace(router, plan, -1, F32, needed),
            "tokens: expected at least 0, found -1",
        );
        for status in [
            cosmoe_route_workspace(router, 1, I32, needed),
            cosmoe_select_workspace(router, 1, I32, needed),
            cosmoe_route_and_plan_workspace(router, plan, 1, I32, needed),
        ] {
            assert_eq!(status, Status::COSMOE_DTYPE_MISMATCH);
            assert_eq!(message(), "dtype: expected dtype f32, f16 or bf16, found i32");
        }
        let huge = cosmoe_workspace_size { scratch: usize::MAX / 2, ..size() };
        let mut workspace = null_mut();
        let status = cosmoe_workspace_new(backend, &raw const huge, &raw mut workspace);
        assert_eq!(status, Status::COSMOE_SIZE_NOT_SUPPORTED);
        let expected = "size.scratch: size not supported: expected memory that there is, found 9223372036854775807 bytes";
        assert_eq!(message(), expected);
    }
}

#[test]
fn configurations() {
    let layer = Layer::new(Device::Cpu);
    let learned = cosmoe_router_weights { experts: null(), ..weights(null()) };
    let refused = |change: fn(&mut cosmoe_router_config), expected: &str| {
        let mut config = router_config(8, 2);
        change(&mut config);
        let mut router = null_mut();
        // SAFETY: structs have their sizes.
        let status = unsafe {
            cosmoe_router_new(layer.backend, &raw const config, &raw const learned, &raw mut router)
        };
        no(status, expected);
        assert!(router.is_null());
    };
    refused(|c| c.num_experts = -1, "num_experts: expected at least 0, found -1");
    refused(|c| c.num_experts = 0, "num_experts: expected at least 1, found 0");
    refused(|c| c.top_k = -3, "top_k: expected at least 0, found -3");
    refused(|c| c.top_k = 9, "top_k: expected at most num_experts = 8, found 9");
    refused(|c| c.score = 4, "score: expected 0 to 3 of its enum, found 4");
    refused(|c| c.gate = -1, "gate: expected 0 to 4 of its enum, found -1");
    refused(|c| c.bias_placement = 3, "bias_placement: expected 0 to 2 of its enum, found 3");
    refused(|c| c.group_score = 2, "group_score: expected 0 to 1 of its enum, found 2");
    refused(|c| c.num_groups = 3, "num_groups: expected a divisor of num_experts = 8, found 3");
    refused(|c| c.top_groups = 1, "top_groups: expected 0 without groups, found 1");
    refused(|c| c.scale = f32::NAN, "scale: expected a finite number above 0, found NaN");
    refused(
        |c| c.tau_expert = -1.0,
        "tau_expert: expected a finite number of at least 0, found -1",
    );
    refused(
        |c| c.route_scale = f32::INFINITY,
        "route_scale: expected a finite number of at least 0, found inf",
    );
    refused(|c| c.reserved = 1, "config.reserved: expected 0, found 1");
    let refused = |change: fn(&mut cosmoe_plan_config), expected: &str| {
        let mut config = plan_config(8);
        change(&mut config);
        let mut rows = 0;
        // SAFETY: the struct has its size.
        no(unsafe { cosmoe_plan_max_rows(&raw const config, 1, 1, &raw mut rows) }, expected);
    };
    refused(|c| c.num_experts = -1, "num_experts: expected at least 0, found -1");
    refused(|c| c.align = 0, "align: expected 1 to 2147483647, found 0");
    refused(|c| c.capacity = 3, "capacity: expected 0 to 2 of its enum, found 3");
    refused(|c| c.capacity_per_expert = -1, "capacity_per_expert: expected at least 0, found -1");
    refused(|c| c.drop_policy = 2, "drop_policy: expected 0 to 1 of its enum, found 2");
    refused(
        |c| c.window_end = 9,
        "window_begin, window_end: expected A..B with A <= B <= num_experts = 8, found 0..9",
    );
    refused(
        |c| (c.capacity, c.capacity_factor) = (2, f64::NAN),
        "capacity_factor: expected a finite number of at least 0, found NaN",
    );
}

#[test]
fn places_that_are_no_backend() {
    let refused = |change: fn(&mut cosmoe_backend_config)| {
        let device = DLDevice { device_type: 1, device_id: 0 };
        let struct_size = size_of::<cosmoe_backend_config>();
        let mut config =
            cosmoe_backend_config { struct_size, device, stream: null_mut(), num_threads: 0 };
        change(&mut config);
        let mut backend = null_mut();
        // SAFETY: the struct has its size; no stream is used on the CPU.
        let status = unsafe { cosmoe_backend_new(&raw const config, &raw mut backend) };
        assert!(backend.is_null());
        status
    };
    no(refused(|c| c.num_threads = -1), "config.num_threads: expected 0 to 4096, found -1");
    no(refused(|c| c.num_threads = 4097), "config.num_threads: expected 0 to 4096, found 4097");
    no(
        refused(|c| c.stream = std::ptr::dangling_mut::<u8>().cast()),
        "config.stream: expected NULL on the CPU, found 0x1",
    );
    no(
        refused(|c| (c.device.device_type, c.num_threads) = (2, 1)),
        "config.num_threads: expected 0 on CUDA, found 1",
    );
    no(
        refused(|c| c.device = DLDevice { device_type: 2, device_id: -1 }),
        "config.device: expected a device's number, found -1",
    );
    if Device::all().len() > 1 {
        let status = refused(|c| c.device = DLDevice { device_type: 2, device_id: 99 });
        assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT);
        assert!(message().ends_with(", found 99"), "{}", message());
    }
    assert_eq!(refused(|c| c.device.device_type = 10), Status::COSMOE_UNSUPPORTED);
    let expected = "config.device: not supported by this backend: expected kDLCPU (1) or kDLCUDA (2), found device type 10, number 0";
    assert_eq!(message(), expected);
}

/// A router without experts selects, and says so where it is asked for more.
#[test]
fn a_router_that_only_selects() {
    let mut layer = Layer::new(Device::Cpu);
    let learned = weights(null());
    let mut router = null_mut();
    // SAFETY: structs have their sizes.
    ok(unsafe {
        cosmoe_router_new(
            layer.backend,
            &raw const layer.config,
            &raw const learned,
            &raw mut router,
        )
    });
    let own = std::mem::replace(&mut layer.router, router);
    let expected = "router: expected a router with experts, as only those score tokens, found one that only selects";
    for call in layer.calls() {
        match call.name {
            "cosmoe_route" | "cosmoe_route_and_plan" => no(call.make(&layer), expected),
            _ => ok(call.make(&layer)),
        }
    }
    let mut needed = size();
    // SAFETY: the handle is alive, and the struct has its size.
    unsafe {
        no(cosmoe_route_workspace(router, 1, F32, &raw mut needed), expected);
        no(cosmoe_router_refresh(router), expected);
        layer.router = own;
        ok(cosmoe_router_free(router));
    }
}

/// Undefined, but builds with debug assertions find it out.
#[cfg(debug_assertions)]
#[test]
fn freed_handles() {
    let alive = Layer::new(Device::Cpu);
    let call = |name: &str| alive.calls().into_iter().find(|call| call.name == name).unwrap();
    let (route, gather) = (call("cosmoe_route"), call("cosmoe_gather"));
    let mut layer = std::mem::ManuallyDrop::new(Layer::new(Device::Cpu));
    let (backend, router, workspace) = (layer.backend, layer.router, layer.workspace);
    // SAFETY: alive, and freed once.
    unsafe {
        ok(cosmoe_backend_free(backend));
        ok(cosmoe_router_free(router));
        ok(cosmoe_workspace_free(workspace));
    }
    let dead = |kind: &str, status: Status| {
        assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT);
        let argument = kind.strip_prefix("cosmoe_").unwrap();
        let found = "found one that was freed, or is none, at 0x";
        let expected = format!("{argument}: expected a {kind} that is alive, {found}");
        assert!(message().starts_with(&expected), "{}", message());
    };
    dead("cosmoe_router", route.make(&layer));
    dead("cosmoe_backend", gather.make(&layer));
    (layer.router, layer.backend) = (alive.router, alive.backend);
    dead("cosmoe_workspace", route.make(&layer));
    // SAFETY: builds with debug assertions look handles up before they are used.
    unsafe {
        dead("cosmoe_backend", cosmoe_backend_free(backend));
        dead("cosmoe_router", cosmoe_router_free(router));
        dead("cosmoe_router", cosmoe_router_refresh(router));
        dead("cosmoe_workspace", cosmoe_workspace_free(workspace));
    }
}
