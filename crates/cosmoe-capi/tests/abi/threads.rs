//! Eight threads at once, with one router.

use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::calls::{Device, F32, I32, Status, Tensor, message, numbers, ok, size};
use crate::layer::{D, K, Layer};
use cosmoe_capi::*;

/// Handles that threads share.
#[derive(Clone, Copy)]
struct Shared {
    backend: *mut cosmoe_backend,
    router: *mut cosmoe_router,
}

// SAFETY: the interface says that all of its functions may be called from any thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Routes `tokens` rows into new outputs: ids and weights.
fn route(
    shared: &Shared,
    device: &Device,
    tokens: i64,
    workspace: *mut cosmoe_workspace,
) -> Result<[Vec<u8>; 2], Status> {
    let values = numbers((tokens * D) as usize, tokens as u32);
    let input = Tensor::with(device, F32, &[tokens, D], &values);
    let (ids, weights) =
        (Tensor::new(device, I32, &[tokens, K]), Tensor::new(device, F32, &[tokens, K]));
    let args = cosmoe_route_args {
        struct_size: size_of::<cosmoe_route_args>(),
        tokens: input.raw(),
        num_tokens: null(),
    };
    let out = cosmoe_route_out {
        struct_size: size_of::<cosmoe_route_out>(),
        ids: ids.raw(),
        weights: weights.raw(),
        scores: null(),
    };
    // SAFETY: structs have their sizes, tensors are what they say.
    let status = unsafe { cosmoe_route(shared.router, &raw const args, &raw const out, workspace) };
    if status == Status::COSMOE_OK {
        // SAFETY: the handle is alive.
        ok(unsafe { cosmoe_backend_synchronize(shared.backend) });
        return Ok([ids.read(), weights.read()]);
    }
    Err(status)
}

fn workspace(shared: &Shared, tokens: i64) -> *mut cosmoe_workspace {
    let (mut needed, mut workspace) = (size(), null_mut());
    // SAFETY: the handles are alive, and the struct has its size.
    unsafe {
        ok(cosmoe_route_workspace(shared.router, tokens, F32, &raw mut needed));
        ok(cosmoe_workspace_new(shared.backend, &raw const needed, &raw mut workspace));
    }
    workspace
}

#[test]
fn one_router_and_a_workspace_each() {
    const TOKENS: i64 = 40;
    for device in Device::all() {
        let layer = Layer::new(device.clone());
        let shared = Shared { backend: layer.backend, router: layer.router };
        let mine = workspace(&shared, TOKENS);
        let expected: Vec<_> =
            (0..=TOKENS).map(|tokens| route(&shared, &device, tokens, mine).unwrap()).collect();
        // Calls on one stream follow each other, but not with the kernels of another thread's context.
        let rounds = if matches!(device, Device::Cpu) { 60 } else { 3 };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (shared, device, expected) = (&shared, &device, &expected);
                scope.spawn(move || {
                    let own = workspace(shared, TOKENS);
                    for round in 0..rounds {
                        let tokens = (thread * 7 + round * 3) % (TOKENS + 1);
                        assert!(
                            route(shared, device, tokens, own).unwrap()
                                == expected[tokens as usize]
                        );
                        // Each thread has its own message.
                        let text = format!("tokens: expected at least 0, found {}", -1 - thread);
                        let mut needed = size();
                        // SAFETY: the handle is alive, and the struct has its size.
                        let status = unsafe {
                            cosmoe_route_workspace(shared.router, -1 - thread, F32, &raw mut needed)
                        };
                        assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT);
                        if thread == 0 {
                            // SAFETY: the handle is alive.
                            ok(unsafe { cosmoe_router_refresh(shared.router) });
                        }
                        assert_eq!(message(), text);
                    }
                    // SAFETY: nothing uses it after this.
                    ok(unsafe { cosmoe_workspace_free(own) });
                });
            }
        });
        // SAFETY: nothing uses it after this.
        ok(unsafe { cosmoe_workspace_free(mine) });
    }
}

/// A workspace that another call is using is refused, not shared.
#[test]
fn one_workspace_for_two_threads() {
    const TOKENS: i64 = 20_000;
    let layer = Layer::new(Device::Cpu);
    let shared = Shared { backend: layer.backend, router: layer.router };
    let one = Lent(workspace(&shared, TOKENS));
    let expected = route(&shared, &Device::Cpu, TOKENS, one.0).unwrap();
    let (refused, started) = (AtomicBool::new(false), std::time::Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let one = &one;
            scope.spawn(|| {
                let &Lent(workspace) = one;
                while !refused.load(Ordering::Relaxed) && started.elapsed().as_secs() < 60 {
                    match route(&shared, &Device::Cpu, TOKENS, workspace) {
                        Ok(found) => assert!(found == expected),
                        Err(status) => {
                            assert_eq!(status, Status::COSMOE_INVALID_ARGUMENT);
                            let text = "workspace: expected one that no other call is using, found one in use on another thread";
                            assert_eq!(message(), text);
                            refused.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert!(refused.into_inner(), "two calls never met");
    // SAFETY: nothing uses it after this.
    ok(unsafe { cosmoe_workspace_free(one.0) });
}

#[derive(Clone, Copy)]
struct Lent(*mut cosmoe_workspace);

// SAFETY: as for `Shared`.
unsafe impl Sync for Lent {}
