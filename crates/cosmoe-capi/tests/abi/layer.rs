//! Every call of the interface with valid arguments, each of which a test can spoil.

use std::ptr::{null, null_mut};

use cosmoe_capi::*;

use crate::calls::{
    Device, F32, I32, Status, Tensor, U8, U32, numbers, ok, plan_config, router_config, size,
    weights,
};

pub(crate) const T: i64 = 5;
pub(crate) const D: i64 = 12;
pub(crate) const E: i64 = 6;
pub(crate) const K: i64 = 2;
const ALIGN: i64 = 4;
const MAX_ROWS: i64 = T * K + E * (ALIGN - 1);

/// A call that takes tensors: their names in messages, which of them it writes, and how it is made.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) tensors: Vec<(&'static str, Tensor)>,
    /// From here on they are outputs.
    pub(crate) outputs: usize,
    /// Those that may be NULL.
    pub(crate) optional: &'static [&'static str],
    /// Those whose elements are only moved, so that many types will do.
    pub(crate) moved: &'static [&'static str],
    make: fn(&Layer, &[*const DLTensor]) -> Status,
}

impl Call {
    pub(crate) fn make(&self, layer: &Layer) -> Status {
        let raw: Vec<_> = self.tensors.iter().map(|(_, tensor)| tensor.raw()).collect();
        (self.make)(layer, &raw)
    }

    pub(crate) fn make_without(&self, layer: &Layer, missing: usize) -> Status {
        let mut raw: Vec<_> = self.tensors.iter().map(|(_, tensor)| tensor.raw()).collect();
        raw[missing] = null();
        (self.make)(layer, &raw)
    }
}

/// Handles and configurations of a layer on one device.
pub(crate) struct Layer {
    pub(crate) device: Device,
    pub(crate) backend: *mut cosmoe_backend,
    pub(crate) router: *mut cosmoe_router,
    pub(crate) workspace: *mut cosmoe_workspace,
    pub(crate) plan: cosmoe_plan_config,
    pub(crate) config: cosmoe_router_config,
    /// The router borrows them.
    pub(crate) experts: Tensor,
    _bias: Tensor,
}

impl Layer {
    pub(crate) fn new(device: Device) -> Self {
        let backend = device.backend();
        let experts = Tensor::with(&device, F32, &[E, D], &numbers((E * D) as usize, 2));
        let bias = Tensor::with(&device, F32, &[E], &numbers(E as usize, 3));
        let config = router_config(E, K);
        let mut plan = plan_config(E);
        plan.align = ALIGN;
        let learned = cosmoe_router_weights { bias: bias.raw(), ..weights(experts.raw()) };
        let mut router = null_mut();
        let mut needed = size();
        let mut workspace = null_mut();
        // SAFETY: structs have their sizes, tensors are what they say and outlive the handles.
        unsafe {
            let (config, learned) = (&raw const config, &raw const learned);
            ok(cosmoe_router_new(backend, config, learned, &raw mut router));
            let plan = &raw const plan;
            ok(cosmoe_route_and_plan_workspace(router, plan, T, F32, &raw mut needed));
            let mut other = size();
            ok(cosmoe_select_workspace(router, T, F32, &raw mut other));
            needed.scratch = needed.scratch.max(other.scratch);
            ok(cosmoe_workspace_new(backend, &raw const needed, &raw mut workspace));
        }
        Self { device, backend, router, workspace, plan, config, experts, _bias: bias }
    }

    /// Every call that takes tensors.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let device = &self.device;
        let floats = |shape: &[i64], seed| {
            let count = shape.iter().product::<i64>() as usize;
            Tensor::with(device, F32, shape, &numbers(count, seed))
        };
        let empty = |dtype, shape: &[i64]| Tensor::new(device, dtype, shape);
        let ids: Vec<i32> = (0..T * K).map(|a| (a % E) as i32).collect();
        let ids = || Tensor::with(device, I32, &[T, K], &ids);
        let count = || Tensor::with(device, U32, &[1], &[4_u32]);
        let map: Vec<i32> = (0..T * K).map(|a| a as i32).collect();
        let map = || Tensor::with(device, I32, &[T * K], &map);
        let plan_out = || {
            vec![
                ("out.expert_demand", empty(I32, &[E])),
                ("out.expert_counts", empty(I32, &[E])),
                ("out.expert_offsets", empty(I32, &[E + 1])),
                ("out.row_of_assignment", empty(I32, &[T * K])),
                ("out.assignment_of_row", empty(I32, &[MAX_ROWS])),
                ("out.expert_of_block", empty(I32, &[MAX_ROWS / ALIGN])),
                ("out.stats", empty(I32, &[2])),
            ]
        };
        let route = || {
            vec![
                ("tokens", floats(&[T, D], 1)),
                ("num_tokens", count()),
                ("out.ids", empty(I32, &[T, K])),
                ("out.weights", empty(F32, &[T, K])),
                ("out.scores", empty(F32, &[T, E])),
            ]
        };
        vec![
            Call {
                name: "cosmoe_router_new",
                tensors: vec![
                    ("experts", floats(&[E, D], 2)),
                    ("bias", floats(&[E], 3)),
                    ("projection", floats(&[D, 7], 4)),
                    ("projection_bias", floats(&[D], 5)),
                ],
                outputs: 4,
                optional: &["bias", "projection_bias"],
                moved: &[],
                make: router_new,
            },
            Call {
                name: "cosmoe_workspace_borrow",
                tensors: vec![("scratch", empty(U8, &[64])), ("state", empty(U8, &[64]))],
                outputs: 2,
                optional: &["scratch", "state"],
                moved: &[],
                make: workspace_borrow,
            },
            Call {
                name: "cosmoe_route",
                tensors: route(),
                outputs: 2,
                optional: &["num_tokens", "out.scores"],
                moved: &[],
                make: |layer, t| layer.route(t),
            },
            Call {
                name: "cosmoe_select",
                tensors: vec![
                    ("logits", floats(&[T, E], 6)),
                    ("num_tokens", count()),
                    ("out.ids", empty(I32, &[T, K])),
                    ("out.weights", empty(F32, &[T, K])),
                ],
                outputs: 2,
                optional: &["num_tokens"],
                moved: &[],
                make: select,
            },
            Call {
                name: "cosmoe_route_and_plan",
                tensors: route().into_iter().chain(plan_out()).collect(),
                outputs: 2,
                optional: &["num_tokens", "out.scores", "out.expert_of_block"],
                moved: &[],
                make: route_and_plan,
            },
            Call {
                name: "cosmoe_plan",
                tensors: [("ids", ids()), ("weights", floats(&[T, K], 7))]
                    .into_iter()
                    .chain(plan_out())
                    .collect(),
                outputs: 2,
                optional: &["weights", "out.expert_of_block"],
                moved: &[],
                make: plan,
            },
            Call {
                name: "cosmoe_gather",
                tensors: vec![
                    ("tokens", floats(&[T, D], 8)),
                    ("assignment_of_row", map()),
                    ("grouped", empty(F32, &[T * K, D])),
                ],
                outputs: 2,
                optional: &[],
                moved: &["tokens", "grouped"],
                make: gather,
            },
            Call {
                name: "cosmoe_combine",
                tensors: vec![
                    ("grouped", floats(&[T * K, D], 9)),
                    ("row_of_assignment", map()),
                    ("weights", floats(&[T, K], 10)),
                    ("out", empty(F32, &[T, D])),
                ],
                outputs: 3,
                optional: &[],
                moved: &[],
                make: combine,
            },
        ]
    }

    pub(crate) fn route(&self, t: &[*const DLTensor]) -> Status {
        let args = cosmoe_route_args {
            struct_size: size_of::<cosmoe_route_args>(),
            tokens: t[0],
            num_tokens: t[1],
        };
        let out = route_out(&t[2..5]);
        // SAFETY: structs have their sizes; tensors are refused, or are what they say.
        unsafe { cosmoe_route(self.router, &raw const args, &raw const out, self.workspace) }
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // SAFETY: the handles are alive, and nothing uses them after this.
        unsafe {
            ok(cosmoe_workspace_free(self.workspace));
            ok(cosmoe_router_free(self.router));
            ok(cosmoe_backend_free(self.backend));
        }
    }
}

fn route_out(t: &[*const DLTensor]) -> cosmoe_route_out {
    let struct_size = size_of::<cosmoe_route_out>();
    cosmoe_route_out { struct_size, ids: t[0], weights: t[1], scores: t[2] }
}

fn plan_outputs(t: &[*const DLTensor]) -> cosmoe_plan_out {
    cosmoe_plan_out {
        struct_size: size_of::<cosmoe_plan_out>(),
        expert_demand: t[0],
        expert_counts: t[1],
        expert_offsets: t[2],
        row_of_assignment: t[3],
        assignment_of_row: t[4],
        expert_of_block: t[5],
        stats: t[6],
    }
}

fn router_new(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let learned = cosmoe_router_weights {
        bias: t[1],
        projection: t[2],
        projection_bias: t[3],
        ..weights(t[0])
    };
    let mut router = null_mut();
    let config = &raw const layer.config;
    // SAFETY: structs have their sizes; tensors are refused, or are what they say.
    unsafe {
        let status = cosmoe_router_new(layer.backend, config, &raw const learned, &raw mut router);
        assert_eq!(router.is_null(), status != Status::COSMOE_OK);
        ok(cosmoe_router_free(router));
        status
    }
}

fn workspace_borrow(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let mut workspace = null_mut();
    // SAFETY: tensors are refused, or are what they say.
    unsafe {
        let status = cosmoe_workspace_borrow(layer.backend, t[0], t[1], &raw mut workspace);
        assert_eq!(workspace.is_null(), status != Status::COSMOE_OK);
        ok(cosmoe_workspace_free(workspace));
        status
    }
}

fn select(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let struct_size = size_of::<cosmoe_select_args>();
    let args = cosmoe_select_args { struct_size, logits: t[0], num_tokens: t[1] };
    let out = route_out(&[t[2], t[3], null()]);
    // SAFETY: structs have their sizes; tensors are refused, or are what they say.
    unsafe { cosmoe_select(layer.router, &raw const args, &raw const out, layer.workspace) }
}

fn route_and_plan(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let struct_size = size_of::<cosmoe_route_args>();
    let args = cosmoe_route_args { struct_size, tokens: t[0], num_tokens: t[1] };
    let (out, plan_out) = (route_out(&t[2..5]), plan_outputs(&t[5..]));
    let (args, out, plan_out) = (&raw const args, &raw const out, &raw const plan_out);
    let plan = &raw const layer.plan;
    // SAFETY: structs have their sizes; tensors are refused, or are what they say.
    unsafe { cosmoe_route_and_plan(layer.router, args, out, plan, plan_out, layer.workspace) }
}

fn plan(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let struct_size = size_of::<cosmoe_plan_args>();
    let args = cosmoe_plan_args { struct_size, ids: t[0], weights: t[1] };
    let out = plan_outputs(&t[2..]);
    let (plan, args, out) = (&raw const layer.plan, &raw const args, &raw const out);
    // SAFETY: structs have their sizes; tensors are refused, or are what they say.
    unsafe { cosmoe_plan(layer.backend, plan, args, out, layer.workspace) }
}

fn gather(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let args = cosmoe_gather_args {
        struct_size: size_of::<cosmoe_gather_args>(),
        tokens: t[0],
        assignment_of_row: t[1],
        top_k: K,
    };
    // SAFETY: the struct has its size; tensors are refused, or are what they say.
    unsafe { cosmoe_gather(layer.backend, &raw const args, t[2]) }
}

fn combine(layer: &Layer, t: &[*const DLTensor]) -> Status {
    let args = cosmoe_combine_args {
        struct_size: size_of::<cosmoe_combine_args>(),
        grouped: t[0],
        row_of_assignment: t[1],
        weights: t[2],
    };
    // SAFETY: the struct has its size; tensors are refused, or are what they say.
    unsafe { cosmoe_combine(layer.backend, &raw const args, t[3]) }
}
