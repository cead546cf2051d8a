//! The calls that route: from tokens, or from logits.

use std::sync::PoisonError;

use cosmoe::{Backend, RouteArgs, RouteOut, RouteShape, SelectArgs, SelectOut, SelectShape};

use crate::config::{self, cosmoe_plan_config};
use crate::dispatch::{PlanOutputs, cosmoe_plan_out};
use crate::growing::{self, Growing};
use crate::home::Home;
use crate::router::{Router, cosmoe_router, on_its_home, vector};
use crate::status::{Failure, Result, cosmoe_status, guard};
use crate::tensor::{DLDataType, DLTensor, Takes, Tensor};
use crate::workspace::{self, cosmoe_workspace, cosmoe_workspace_size};

/// What cosmoe_route reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_route_args {
    /// sizeof(cosmoe_route_args).
    pub struct_size: usize,
    /// `[T, D]` f32, f16 or bf16; T may be 0.
    pub tokens: *const DLTensor,
    /// `[1]` uint32 (or int32, read as such) in the backend's memory: how many leading tokens are real, cut off at T.
    /// The rest get ids -1, weights 0, scores 0. NULL: all are real.
    pub num_tokens: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_route_args {
    const NAME: &'static str = "cosmoe_route_args";
    const FIRST_SIZE: usize = 24;
}

/// What cosmoe_select reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_select_args {
    /// sizeof(cosmoe_select_args).
    pub struct_size: usize,
    /// `[T, E]` f32, f16 or bf16; T may be 0.
    pub logits: *const DLTensor,
    /// As in cosmoe_route_args.
    pub num_tokens: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_select_args {
    const NAME: &'static str = "cosmoe_select_args";
    const FIRST_SIZE: usize = 24;
}

/// What cosmoe_route and cosmoe_select write.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_route_out {
    /// sizeof(cosmoe_route_out).
    pub struct_size: usize,
    /// `[T, K]` int32, best first.
    pub ids: *const DLTensor,
    /// `[T, K]` f32.
    pub weights: *const DLTensor,
    /// `[T, E]` f32: the logits, with the bias where it is in the score. NULL if not wanted, and for cosmoe_select.
    pub scores: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_route_out {
    const NAME: &'static str = "cosmoe_route_out";
    const FIRST_SIZE: usize = 32;
}

impl<H: Home> Router<H> {
    fn shape(&self, tokens: i64, dtype: DLDataType) -> Result<RouteShape> {
        let experts = self.experts()?;
        let weights = experts.weights;
        let projection = experts.projection.map(|projection| projection.weight);
        Ok(RouteShape {
            tokens: config::size("tokens", tokens)?,
            hidden: projection.map_or(weights.cols(), |projection| projection.cols()),
            projected: projection.map(|projection| projection.rows()),
            token_dtype: dtype.float("dtype")?,
            expert_dtype: weights.dtype(),
        })
    }

    /// # Safety
    /// Tensors that are not NULL are what they say, and nothing else uses them during the call, on CUDA until
    /// the work that it submits is done.
    unsafe fn route(
        &self,
        args: &cosmoe_route_args,
        out: &cosmoe_route_out,
        plan: Option<(&cosmoe::PlanConfig, &cosmoe_plan_out)>,
        workspace: *mut cosmoe_workspace,
    ) -> Result<()> {
        let (home, config) = (&*self.home, &self.config);
        let backend = home.backend();
        let experts = self.experts()?;
        // SAFETY: as the caller vouches, here and below.
        let args = unsafe {
            RouteArgs {
                tokens: Tensor::matrix("tokens", args.tokens, Takes::FLOAT, home)?.floats()?,
                experts: experts.weights,
                bias: self.bias,
                projection: experts.projection,
                num_tokens: vector("num_tokens", args.num_tokens, Takes::Count, home)?,
            }
        };
        // SAFETY: as above.
        let out = unsafe {
            let scores = out.scores;
            RouteOut {
                ids: Tensor::matrix("out.ids", out.ids, Takes::I32, home)?.matrix_mut()?,
                weights: Tensor::matrix("out.weights", out.weights, Takes::F32, home)?
                    .matrix_mut()?,
                scores: if scores.is_null() {
                    None
                } else {
                    Some(Tensor::matrix("out.scores", scores, Takes::F32, home)?.matrix_mut()?)
                },
            }
        };
        let plan = match plan {
            None => None,
            // SAFETY: as above.
            Some((plan, plan_out)) => Some((plan, unsafe { PlanOutputs::new(plan_out, home) }?)),
        };
        let prepared = experts.prepared.read().unwrap_or_else(PoisonError::into_inner);
        let prepared = &*prepared;
        // SAFETY: as above.
        unsafe {
            workspace::lend(workspace, home, |lent| {
                home.install(|| match plan {
                    None => backend.route(config, prepared, args, out, lent),
                    Some((plan, plan_out)) => {
                        backend.route_and_plan(config, prepared, args, out, plan, plan_out.0, lent)
                    }
                })?;
                Ok(())
            })
        }
    }

    /// # Safety
    /// As for [`route`](Self::route).
    unsafe fn select(
        &self,
        args: &cosmoe_select_args,
        out: &cosmoe_route_out,
        workspace: *mut cosmoe_workspace,
    ) -> Result<()> {
        let (home, config) = (&*self.home, &self.config);
        if !out.scores.is_null() {
            let expected = "NULL, as the logits are the scores";
            return Err(Failure::invalid("out.scores", expected, format!("{:p}", out.scores)));
        }
        // SAFETY: as the caller vouches, here and below.
        let args = unsafe {
            SelectArgs {
                logits: Tensor::matrix("logits", args.logits, Takes::FLOAT, home)?.floats()?,
                bias: self.bias,
                num_tokens: vector("num_tokens", args.num_tokens, Takes::Count, home)?,
            }
        };
        // SAFETY: as above.
        let out = unsafe {
            SelectOut {
                ids: Tensor::matrix("out.ids", out.ids, Takes::I32, home)?.matrix_mut()?,
                weights: Tensor::matrix("out.weights", out.weights, Takes::F32, home)?
                    .matrix_mut()?,
            }
        };
        // SAFETY: as above.
        unsafe {
            workspace::lend(workspace, home, |lent| {
                home.install(|| home.backend().select(config, args, out, lent))?;
                Ok(())
            })
        }
    }
}

/// The workspace of a cosmoe_route of so many tokens of that type: never less for more tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_route_workspace(
    router: *const cosmoe_router,
    tokens: i64,
    dtype: DLDataType,
    out: *mut cosmoe_workspace_size,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers, here and below.
        let size = on_its_home!(unsafe { cosmoe_router::on(router) }?, router => {
            let shape = router.shape(tokens, dtype)?;
            router.home.backend().route_workspace(&router.config, shape)?
        });
        // SAFETY: as above.
        unsafe { cosmoe_workspace_size::put(out, size) }
    })
}

/// Scores every token against every expert and selects the K best of each; on CUDA on the stream of the router's
/// backend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_route(
    router: *const cosmoe_router,
    args: *const cosmoe_route_args,
    out: *const cosmoe_route_out,
    workspace: *mut cosmoe_workspace,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let on = cosmoe_router::on(router)?;
            let (args, out) = (growing::read("args", args)?, growing::read("out", out)?);
            on_its_home!(on, router => router.route(&args, &out, None, workspace))
        }
    })
}

/// The workspace of a cosmoe_route_and_plan: never less for more tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_route_and_plan_workspace(
    router: *const cosmoe_router,
    plan_config: *const cosmoe_plan_config,
    tokens: i64,
    dtype: DLDataType,
    out: *mut cosmoe_workspace_size,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers, here and below.
        let (on, plan) =
            unsafe { (cosmoe_router::on(router)?, config::plan("plan_config", plan_config)?) };
        let size = on_its_home!(on, router => {
            let shape = router.shape(tokens, dtype)?;
            router.home.backend().route_and_plan_workspace(&router.config, shape, &plan)?
        });
        // SAFETY: as above.
        unsafe { cosmoe_workspace_size::put(out, size) }
    })
}

/// cosmoe_route, and the cosmoe_plan of its ids and weights, in fewer kernels where that can be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_route_and_plan(
    router: *const cosmoe_router,
    args: *const cosmoe_route_args,
    out: *const cosmoe_route_out,
    plan_config: *const cosmoe_plan_config,
    plan_out: *const cosmoe_plan_out,
    workspace: *mut cosmoe_workspace,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let on = cosmoe_router::on(router)?;
            let plan = config::plan("plan_config", plan_config)?;
            let (args, out) = (growing::read("args", args)?, growing::read("out", out)?);
            let plan_out = growing::read("plan_out", plan_out)?;
            let plan = Some((&plan, &plan_out));
            on_its_home!(on, router => router.route(&args, &out, plan, workspace))
        }
    })
}

/// The workspace of a cosmoe_select of so many tokens of that type: never less for more tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_select_workspace(
    router: *const cosmoe_router,
    tokens: i64,
    dtype: DLDataType,
    out: *mut cosmoe_workspace_size,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers, here and below.
        let size = on_its_home!(unsafe { cosmoe_router::on(router) }?, router => {
            let tokens = config::size("tokens", tokens)?;
            let shape = SelectShape { tokens, dtype: dtype.float("dtype")? };
            router.home.backend().select_workspace(&router.config, shape)?
        });
        // SAFETY: as above.
        unsafe { cosmoe_workspace_size::put(out, size) }
    })
}

/// Selects from logits that another router made. Score and scale of the configuration are not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_select(
    router: *const cosmoe_router,
    args: *const cosmoe_select_args,
    out: *const cosmoe_route_out,
    workspace: *mut cosmoe_workspace,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let on = cosmoe_router::on(router)?;
            let (args, out) = (growing::read("args", args)?, growing::read("out", out)?);
            on_its_home!(on, router => router.select(&args, &out, workspace))
        }
    })
}
