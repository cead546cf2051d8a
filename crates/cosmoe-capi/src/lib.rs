#![doc = include_str!("../README.md")]
// Every function takes pointers from C. What a caller owes is said once, in README.md and in the header's
// first comment; what the functions do about it is in `handle`, `growing` and `tensor`.
#![allow(unsafe_code, non_camel_case_types, clippy::missing_safety_doc)]

mod backend;
mod config;
mod dispatch;
mod float_environment;
#[cfg(fuzzing)]
pub mod fuzzing;
mod growing;
mod handle;
mod home;
mod route;
mod router;
mod status;
mod tensor;
mod workspace;

pub use backend::{
    cosmoe_backend, cosmoe_backend_config, cosmoe_backend_free, cosmoe_backend_new,
    cosmoe_backend_synchronize,
};
pub use config::{
    cosmoe_bias_placement, cosmoe_capacity, cosmoe_drop_policy, cosmoe_gate, cosmoe_group_score,
    cosmoe_plan_config, cosmoe_plan_config_init, cosmoe_plan_max_rows, cosmoe_router_config,
    cosmoe_router_config_init, cosmoe_score,
};
pub use dispatch::{
    cosmoe_combine, cosmoe_combine_args, cosmoe_gather, cosmoe_gather_args, cosmoe_plan,
    cosmoe_plan_args, cosmoe_plan_out, cosmoe_plan_workspace,
};
pub use route::{
    cosmoe_route, cosmoe_route_and_plan, cosmoe_route_and_plan_workspace, cosmoe_route_args,
    cosmoe_route_out, cosmoe_route_workspace, cosmoe_select, cosmoe_select_args,
    cosmoe_select_workspace,
};
pub use router::{
    cosmoe_router, cosmoe_router_free, cosmoe_router_new, cosmoe_router_refresh,
    cosmoe_router_weights,
};
pub use status::{
    cosmoe_last_cuda_error, cosmoe_last_error_message, cosmoe_status, cosmoe_status_name,
    cosmoe_version,
};
pub use tensor::{DLDataType, DLDevice, DLTensor};
pub use workspace::{
    cosmoe_workspace, cosmoe_workspace_borrow, cosmoe_workspace_free, cosmoe_workspace_new,
    cosmoe_workspace_size,
};
