//! A small layer: the memory of its tensors, its handles, and every call that takes tensors.

use std::ptr::{null, null_mut};
use std::sync::LazyLock;

use cosmoe_capi::fuzzing::Elements;
use cosmoe_capi::*;

use crate::tensor::{F32, I32, U8, U32};
use crate::{Block, Bytes, Router, Struct, Tensor, Workspace, backend, ok};

const T: i64 = 3;
const D: i64 = 5;
const R: i64 = 4;
const E: i64 = 6;
const K: i64 = 2;
const ALIGN: i64 = 2;
const MAX_ROWS: i64 = T * K + E * (ALIGN - 1);
/// More bytes than any of the calls asks for.
const SCRATCH: i64 = 1 << 17;

macro_rules! parts {
    ($($part:ident: $dtype:ident $lengths:expr,)*) => {
        /// A tensor's part in the layer.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Part { $($part,)* }

        impl Part {
            /// In the order of the layer's memory.
            pub const ALL: &[Self] = &[$(Self::$part,)*];

            fn tensor(self) -> (DLDataType, &'static [i64]) {
                match self { $(Self::$part => ($dtype, &$lengths),)* }
            }
        }
    };
}
parts! {
    Tokens: F32 [T, D],
    Experts: F32 [E, D],
    ProjectedExperts: F32 [E, R],
    Bias: F32 [E],
    Projection: F32 [R, D],
    ProjectionBias: F32 [R],
    NumTokens: U32 [1],
    Logits: F32 [T, E],
    Ids: I32 [T, K],
    Weights: F32 [T, K],
    Scores: F32 [T, E],
    Demand: I32 [E],
    Counts: I32 [E],
    Offsets: I32 [E + 1],
    RowOfAssignment: I32 [T * K],
    AssignmentOfRow: I32 [MAX_ROWS],
    ExpertOfBlock: I32 [MAX_ROWS / ALIGN],
    Stats: I32 [2],
    Grouped: F32 [MAX_ROWS, D],
    Out: F32 [T, D],
    State: U8 [64],
    // The last one, as it is no layer's own.
    Scratch: U8 [SCRATCH],
}
use Part::*;

impl Part {
    /// Whether it is memory of the workspace, which shares nothing with what calls get.
    #[must_use]
    pub fn is_workspace(self) -> bool {
        matches!(self, Scratch | State)
    }
}

/// A call that takes tensors.
#[derive(Debug)]
pub struct Call {
    /// Its name in C.
    pub name: &'static str,
    /// What it takes, inputs first.
    pub tensors: &'static [(Part, Elements)],
    /// How many of these are inputs.
    pub inputs: usize,
    /// Those that must not be NULL.
    pub required: &'static [Part],
    make: Make,
}

type Make = fn(&mut Layer, &Raw<'_>, &mut Bytes<'_>) -> Made;
type Raw<'a> = dyn Fn(Part) -> *const DLTensor + 'a;

/// How a call ended.
#[derive(Debug)]
pub struct Made {
    /// What it returned.
    pub status: cosmoe_status,
    /// Whether its structs and numbers are those of a valid call; none where only the call can say.
    pub is_valid: Option<bool>,
}

const ROUTE: [(Part, Elements); 5] = [
    (Tokens, Elements::Floats),
    (NumTokens, Elements::Count),
    (Ids, Elements::I32),
    (Weights, Elements::F32),
    (Scores, Elements::F32),
];
const PLAN: [(Part, Elements); 7] = [
    (Demand, Elements::I32),
    (Counts, Elements::I32),
    (Offsets, Elements::I32),
    (RowOfAssignment, Elements::I32),
    (AssignmentOfRow, Elements::I32),
    (ExpertOfBlock, Elements::I32),
    (Stats, Elements::I32),
];

/// Every call that takes tensors.
pub const CALLS: &[Call] = &[
    Call {
        name: "cosmoe_route",
        tensors: &ROUTE,
        inputs: 2,
        required: &[Tokens, Ids, Weights],
        make: Layer::route,
    },
    Call {
        name: "cosmoe_route_and_plan",
        tensors: &[
            ROUTE[0], ROUTE[1], ROUTE[2], ROUTE[3], ROUTE[4], PLAN[0], PLAN[1], PLAN[2], PLAN[3],
            PLAN[4], PLAN[5], PLAN[6],
        ],
        inputs: 2,
        required: &[
            Tokens,
            Ids,
            Weights,
            Demand,
            Counts,
            Offsets,
            RowOfAssignment,
            AssignmentOfRow,
            Stats,
        ],
        make: Layer::route_and_plan,
    },
    Call {
        name: "cosmoe_select",
        tensors: &[(Logits, Elements::Floats), ROUTE[1], ROUTE[2], ROUTE[3]],
        inputs: 2,
        required: &[Logits, Ids, Weights],
        make: Layer::select,
    },
    Call {
        name: "cosmoe_plan",
        tensors: &[
            ROUTE[2], ROUTE[3], PLAN[0], PLAN[1], PLAN[2], PLAN[3], PLAN[4], PLAN[5], PLAN[6],
        ],
        inputs: 2,
        required: &[Ids, Weights, Demand, Counts, Offsets, RowOfAssignment, AssignmentOfRow, Stats],
        make: Layer::plan,
    },
    Call {
        name: "cosmoe_gather",
        tensors: &[(Tokens, Elements::Bytes), PLAN[4], (Grouped, Elements::Bytes)],
        inputs: 2,
        required: &[Tokens, AssignmentOfRow, Grouped],
        make: Layer::gather,
    },
    Call {
        name: "cosmoe_combine",
        tensors: &[(Grouped, Elements::Floats), PLAN[3], ROUTE[3], (Out, Elements::Floats)],
        inputs: 3,
        required: &[Grouped, RowOfAssignment, Weights, Out],
        make: Layer::combine,
    },
    Call {
        name: "cosmoe_router_new",
        tensors: &[(Experts, Elements::Floats), (Bias, Elements::F32)],
        inputs: 2,
        required: &[],
        make: Layer::new_router,
    },
    Call {
        name: "cosmoe_router_new, with a projection",
        tensors: &[
            (ProjectedExperts, Elements::Floats),
            (Bias, Elements::F32),
            (Projection, Elements::Floats),
            (ProjectionBias, Elements::F32),
        ],
        inputs: 4,
        required: &[],
        make: Layer::new_router,
    },
    Call {
        name: "cosmoe_workspace_borrow",
        tensors: &[(Scratch, Elements::U8), (State, Elements::U8)],
        inputs: 0,
        required: &[],
        make: Layer::borrow,
    },
];

/// A layer's memory and handles.
#[derive(Debug)]
pub struct Layer {
    // These borrow of the memory, so they go first. None are those that all layers share.
    router: Option<Router>,
    workspace: Option<Workspace>,
    memory: Vec<Block>,
}

/// What takes long to make, and no call changes: a router of the parts, and a workspace.
struct Shared {
    router: Router,
    workspace: Workspace,
    /// Of any content, so that layers can have it one after another.
    scratch: Block,
    _experts: Block,
}

// SAFETY: handles may be used from any thread; the memory is the fuzzer's one thread's.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let mut layer = Layer { router: None, workspace: None, memory: Vec::new() };
    let experts = content(Experts, &mut 1);
    let (dtype, lengths) = Experts.tensor();
    let tensor = Tensor::new(experts.start(), dtype, lengths);
    let raw = |part| if part == Experts { tensor.raw() } else { null() };
    ok(layer.new_router(&raw, &mut Bytes::new(&[])).status);
    Shared {
        router: layer.router.take().unwrap_or(Router(null_mut())),
        workspace: Workspace::new(SCRATCH as usize, 0),
        scratch: Block::new(&vec![0; SCRATCH as usize]),
        _experts: experts,
    }
});

impl Layer {
    /// A layer whose numbers the input decides.
    #[must_use]
    pub fn new(data: &mut Bytes<'_>) -> Self {
        let mut seed = u32::from(data.byte());
        let own = Part::ALL.iter().filter(|&&part| part != Scratch);
        let memory = own.map(|&part| content(part, &mut seed)).collect();
        Self { router: None, workspace: None, memory }
    }

    fn router(&self) -> *mut cosmoe_router {
        self.router.as_ref().unwrap_or(&SHARED.router).0
    }

    fn workspace(&self) -> *mut cosmoe_workspace {
        self.workspace.as_ref().unwrap_or(&SHARED.workspace).0
    }

    /// A part's memory.
    #[must_use]
    pub fn block(&self, part: Part) -> &Block {
        self.memory.get(part as usize).unwrap_or(&SHARED.scratch)
    }

    /// Overwrites a part's memory.
    pub fn fill(&mut self, part: Part, byte: u8) {
        if let Some(block) = self.memory.get_mut(part as usize) {
            block.bytes_mut().fill(byte);
        }
    }

    /// A part as it should be.
    #[must_use]
    pub fn tensor(&self, part: Part) -> Tensor {
        let (dtype, lengths) = part.tensor();
        Tensor::new(self.block(part).start(), dtype, lengths)
    }

    /// Makes a call with a tensor, or NULL, for each that it takes.
    pub fn make(&mut self, call: &Call, raw: &[*const DLTensor], data: &mut Bytes<'_>) -> Made {
        let part = |part: Part| {
            let index = call.tensors.iter().position(|&(own, _)| own == part);
            index.map_or(null(), |index| raw[index])
        };
        (call.make)(self, &part, data)
    }

    fn route(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let (args, out) = (route_args(raw, data), route_out(raw, data));
        // SAFETY: structs have the bytes that they say, tensors keep to the layer's memory, handles are alive,
        // here and below.
        let status =
            unsafe { cosmoe_route(self.router(), args.pointer(), out.pointer(), self.workspace()) };
        Made { status, is_valid: Some(args.read().is_some() && out.read().is_some()) }
    }

    fn route_and_plan(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let (args, out) = (route_args(raw, data), route_out(raw, data));
        let (plan, plan_out) = (plan_config(data), plan_out(raw, data));
        let (router, workspace) = (self.router(), self.workspace());
        // SAFETY: as above.
        let status = unsafe {
            let (args, out, plan) = (args.pointer(), out.pointer(), plan.pointer());
            cosmoe_route_and_plan(router, args, out, plan, plan_out.pointer(), workspace)
        };
        let is_valid = args.read().is_some()
            && out.read().is_some()
            && plan.read().is_some()
            && plan_out.read().is_some();
        Made { status, is_valid: Some(is_valid) }
    }

    fn select(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let struct_size = size_of::<cosmoe_select_args>();
        let (logits, num_tokens) = (raw(Logits), raw(NumTokens));
        let args = Struct::new(data, cosmoe_select_args { struct_size, logits, num_tokens });
        let out = route_out(raw, data);
        // SAFETY: as above.
        let status = unsafe {
            cosmoe_select(self.router(), args.pointer(), out.pointer(), self.workspace())
        };
        Made { status, is_valid: Some(args.read().is_some() && out.read().is_some()) }
    }

    fn plan(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let struct_size = size_of::<cosmoe_plan_args>();
        let (ids, weights) = (raw(Ids), raw(Weights));
        let args = Struct::new(data, cosmoe_plan_args { struct_size, ids, weights });
        let (plan, out) = (plan_config(data), plan_out(raw, data));
        // SAFETY: as above.
        let status = unsafe {
            let (plan, args, out) = (plan.pointer(), args.pointer(), out.pointer());
            cosmoe_plan(backend(), plan, args, out, self.workspace())
        };
        let is_valid = args.read().is_some() && plan.read().is_some() && out.read().is_some();
        Made { status, is_valid: Some(is_valid) }
    }

    fn gather(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let args = cosmoe_gather_args {
            struct_size: size_of::<cosmoe_gather_args>(),
            tokens: raw(Tokens),
            assignment_of_row: raw(AssignmentOfRow),
            top_k: K.wrapping_add(data.number()),
        };
        let args = Struct::new(data, args);
        // SAFETY: as above.
        let status = unsafe { cosmoe_gather(backend(), args.pointer(), raw(Grouped)) };
        let is_valid = match args.read() {
            Some(args) if args.top_k == K => Some(true),
            // Rows of no token are padding, but there is an end to what an index can count.
            Some(args) if args.top_k > 0 => None,
            _ => Some(false),
        };
        Made { status, is_valid }
    }

    fn combine(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let args = cosmoe_combine_args {
            struct_size: size_of::<cosmoe_combine_args>(),
            grouped: raw(Grouped),
            row_of_assignment: raw(RowOfAssignment),
            weights: raw(Weights),
        };
        let args = Struct::new(data, args);
        // SAFETY: as above.
        let status = unsafe { cosmoe_combine(backend(), args.pointer(), raw(Out)) };
        Made { status, is_valid: Some(args.read().is_some()) }
    }

    fn new_router(&mut self, raw: &Raw<'_>, data: &mut Bytes<'_>) -> Made {
        let mut config = cosmoe_router_config {
            struct_size: size_of::<cosmoe_router_config>(),
            num_experts: E,
            top_k: K,
            score: i32::from(data.byte() % 4),
            tau_token: 0.0,
            tau_expert: 1e-3,
            scale: 1.0,
            gate: i32::from(data.byte() % 5),
            renormalize: i32::from(data.byte() % 2),
            bias_placement: i32::from(data.byte() % 3),
            group_score: 0,
            num_groups: 0,
            top_groups: 0,
            route_scale: 1.0,
            reserved: 0,
        };
        if data.byte() % 2 == 1 {
            (config.num_groups, config.top_groups) = (3, 2);
        }
        let config = Struct::new(data, config);
        let experts = [raw(Experts), raw(ProjectedExperts)];
        let weights = cosmoe_router_weights {
            struct_size: size_of::<cosmoe_router_weights>(),
            experts: experts.into_iter().find(|raw| !raw.is_null()).unwrap_or(null()),
            bias: raw(Bias),
            projection: raw(Projection),
            projection_bias: raw(ProjectionBias),
        };
        let weights = Struct::new(data, weights);
        let mut router = null_mut();
        // SAFETY: as above.
        let status = unsafe {
            cosmoe_router_new(backend(), config.pointer(), weights.pointer(), &raw mut router)
        };
        assert_eq!(router.is_null(), status != cosmoe_status::COSMOE_OK);
        if !router.is_null() {
            self.router = Some(Router(router));
        }
        Made { status, is_valid: Some(config.read().is_some() && weights.read().is_some()) }
    }

    fn borrow(&mut self, raw: &Raw<'_>, _: &mut Bytes<'_>) -> Made {
        let mut workspace = null_mut();
        // SAFETY: as above; the tensors share nothing with what other calls get.
        let status = unsafe {
            cosmoe_workspace_borrow(backend(), raw(Scratch), raw(State), &raw mut workspace)
        };
        assert_eq!(workspace.is_null(), status != cosmoe_status::COSMOE_OK);
        if !workspace.is_null() {
            self.workspace = Some(Workspace(workspace));
        }
        Made { status, is_valid: Some(true) }
    }
}

impl Call {
    /// Whether it makes a handle that later calls use.
    #[must_use]
    pub fn makes_handle(&self) -> bool {
        self.required.is_empty()
    }
}

fn route_args(raw: &Raw<'_>, data: &mut Bytes<'_>) -> Struct<cosmoe_route_args> {
    let struct_size = size_of::<cosmoe_route_args>();
    let (tokens, num_tokens) = (raw(Tokens), raw(NumTokens));
    Struct::new(data, cosmoe_route_args { struct_size, tokens, num_tokens })
}

fn route_out(raw: &Raw<'_>, data: &mut Bytes<'_>) -> Struct<cosmoe_route_out> {
    let struct_size = size_of::<cosmoe_route_out>();
    let (ids, weights, scores) = (raw(Ids), raw(Weights), raw(Scores));
    Struct::new(data, cosmoe_route_out { struct_size, ids, weights, scores })
}

/// One assignment for each expert, the heaviest.
fn plan_config(data: &mut Bytes<'_>) -> Struct<cosmoe_plan_config> {
    let config = cosmoe_plan_config {
        struct_size: size_of::<cosmoe_plan_config>(),
        num_experts: E,
        align: ALIGN,
        capacity: 1,
        drop_policy: 1,
        capacity_per_expert: 1,
        capacity_factor: 0.0,
        window_begin: 0,
        window_end: 0,
    };
    Struct::new(data, config)
}

fn plan_out(raw: &Raw<'_>, data: &mut Bytes<'_>) -> Struct<cosmoe_plan_out> {
    let out = cosmoe_plan_out {
        struct_size: size_of::<cosmoe_plan_out>(),
        expert_demand: raw(Demand),
        expert_counts: raw(Counts),
        expert_offsets: raw(Offsets),
        row_of_assignment: raw(RowOfAssignment),
        assignment_of_row: raw(AssignmentOfRow),
        expert_of_block: raw(ExpertOfBlock),
        stats: raw(Stats),
    };
    Struct::new(data, out)
}

/// Floats from -1 to 1, ids and rows around those that there are.
fn content(part: Part, seed: &mut u32) -> Block {
    let (dtype, lengths) = part.tensor();
    let mut number = || {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *seed >> 8
    };
    let count = lengths.iter().product::<i64>();
    if dtype == U8 {
        return Block::new(&vec![0; count as usize]);
    }
    let bytes: Vec<u8> = (0..count)
        .flat_map(|_| match dtype {
            F32 => (number() as f32 / 8_388_608.0 - 1.0).to_ne_bytes(),
            _ => ((number() % 16) as i32 - 2).to_ne_bytes(),
        })
        .collect();
    Block::new(&bytes)
}
