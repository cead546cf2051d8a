//! cosmoe_router: a configuration, and experts with their prepared terms.

use std::sync::{Arc, PoisonError, RwLock};

use cosmoe::{Backend, FloatMatrixRef, PrepareArgs, Prepared, Projection, RouterConfig, VectorRef};

use crate::backend::cosmoe_backend;
use crate::config::{self, cosmoe_router_config};
use crate::growing::{self, Growing};
use crate::handle::{self, Handle};
#[cfg(feature = "cuda")]
use crate::home::OnCuda;
use crate::home::{AnyHome, Home, OnCpu, SpaceOf};
use crate::status::{Failure, Result, cosmoe_status, guard};
use crate::tensor::{DLTensor, Takes, Tensor};

/// The weights of a router, borrowed as long as it lives. T tokens, D hidden width, E experts, R projected width.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_router_weights {
    /// sizeof(cosmoe_router_weights).
    pub struct_size: usize,
    /// `[E, D]` in the tokens' dtype or f32, behind a projection `[E, R]` f32. NULL: a router that only selects.
    pub experts: *const DLTensor,
    /// `[E]` f32, or NULL.
    pub bias: *const DLTensor,
    /// `[R, D]` in the tokens' dtype or f32: a token x becomes P x + p. NULL without one.
    pub projection: *const DLTensor,
    /// `[R]` f32, or NULL.
    pub projection_bias: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_router_weights {
    const NAME: &'static str = "cosmoe_router_weights";
    const FIRST_SIZE: usize = 40;
}

/// A configuration, weights and what was computed of them once. Several threads may use one at the same time,
/// each with a workspace of its own; cosmoe_router_refresh waits for their calls.
#[derive(Debug)]
pub struct cosmoe_router {
    on: RouterOn,
}

impl Handle for cosmoe_router {
    const NAME: &'static str = "cosmoe_router";
    const TAG: u64 = u64::from_le_bytes(*b"cosmoe-r");
}

#[derive(Debug)]
pub(crate) enum RouterOn {
    Cpu(Router<OnCpu>),
    #[cfg(feature = "cuda")]
    Cuda(Router<OnCuda>),
}

impl cosmoe_router {
    /// # Safety
    /// The handle is NULL, or alive for as long as the result is used.
    pub(crate) unsafe fn on<'a>(router: *const Self) -> Result<&'a RouterOn> {
        // SAFETY: as the caller vouches.
        Ok(&unsafe { handle::value("router", router) }?.on)
    }
}

/// Does the same on whichever home a router is.
macro_rules! on_its_home {
    ($on:expr, $router:pat => $body:expr) => {
        match $on {
            crate::router::RouterOn::Cpu($router) => $body,
            #[cfg(feature = "cuda")]
            crate::router::RouterOn::Cuda($router) => $body,
        }
    };
}
pub(crate) use on_its_home;

#[derive(Debug)]
pub(crate) struct Router<H: Home> {
    pub(crate) home: Arc<H>,
    pub(crate) config: RouterConfig,
    pub(crate) bias: Option<VectorRef<'static, f32, SpaceOf<H>>>,
    experts: Option<Experts<H>>,
}

#[derive(Debug)]
pub(crate) struct Experts<H: Home> {
    pub(crate) weights: FloatMatrixRef<'static, SpaceOf<H>>,
    pub(crate) projection: Option<Projection<'static, SpaceOf<H>>>,
    pub(crate) prepared: RwLock<Prepared<H::Backend>>,
}

impl<H: Home> Router<H> {
    /// # Safety
    /// Tensors that are not NULL are what they say, alive and unchanged as long as the router.
    unsafe fn new(
        home: &Arc<H>,
        config: RouterConfig,
        weights: &cosmoe_router_weights,
    ) -> Result<Self> {
        // SAFETY: as the caller vouches, here and below.
        let bias = unsafe { vector("bias", weights.bias, Takes::F32, &**home) }?;
        if let Some(bias) = bias {
            fits("bias", &[config.num_experts()], &[bias.len()])?;
        }
        let mut router = Self { home: Arc::clone(home), config, bias, experts: None };
        if weights.experts.is_null() {
            if !weights.projection.is_null() || !weights.projection_bias.is_null() {
                let expected = "experts behind the projection";
                return Err(Failure::invalid("weights.experts", expected, "NULL"));
            }
            return Ok(router);
        }
        // SAFETY: as above.
        let experts =
            unsafe { Tensor::matrix("experts", weights.experts, Takes::FLOAT, &**home)?.floats() }?;
        // SAFETY: as above.
        let projection = unsafe { projection(weights, &**home, experts) }?;
        let prepare = || home.backend().prepare(&router.config, PrepareArgs { experts });
        let prepared = RwLock::new(home.install(prepare)?);
        router.experts = Some(Experts { weights: experts, projection, prepared });
        Ok(router)
    }

    pub(crate) fn experts(&self) -> Result<&Experts<H>> {
        let expected = "a router with experts, as only those score tokens";
        self.experts
            .as_ref()
            .ok_or_else(|| Failure::invalid("router", expected, "one that only selects"))
    }

    fn refresh(&self) -> Result<()> {
        let Experts { weights, prepared, .. } = self.experts()?;
        // Terms that a panic has left are overwritten by the next refresh.
        let mut prepared = prepared.write().unwrap_or_else(PoisonError::into_inner);
        let prepared = &mut *prepared;
        let args = PrepareArgs { experts: *weights };
        self.home.install(|| self.home.backend().refresh(&self.config, args, prepared))?;
        Ok(())
    }
}

/// # Safety
/// As for [`Router::new`].
unsafe fn projection<H: Home>(
    weights: &cosmoe_router_weights,
    home: &H,
    experts: FloatMatrixRef<'_, SpaceOf<H>>,
) -> Result<Option<Projection<'static, SpaceOf<H>>>> {
    // SAFETY: as the caller vouches, here and below.
    let bias = unsafe { vector("projection_bias", weights.projection_bias, Takes::F32, home) }?;
    if weights.projection.is_null() {
        return match bias {
            None => Ok(None),
            Some(_) => {
                Err(Failure::invalid("projection", "the matrix that its bias is for", "NULL"))
            }
        };
    }
    // SAFETY: as above.
    let weight =
        unsafe { Tensor::matrix("projection", weights.projection, Takes::FLOAT, home)?.floats() }?;
    // The library would say so when tokens are routed, far from where the mistake was made.
    if experts.dtype() != cosmoe::DType::F32 {
        let (argument, expected) = ("experts", "f32 (behind a projection)".to_owned());
        let found = experts.dtype().to_string();
        return Err(cosmoe::Error::DTypeMismatch { argument, expected, found }.into());
    }
    fits("projection", &[experts.cols(), weight.cols()], &[weight.rows(), weight.cols()])?;
    if let Some(bias) = bias {
        fits("projection_bias", &[weight.rows()], &[bias.len()])?;
    }
    Ok(Some(Projection { weight, bias }))
}

fn fits(argument: &'static str, expected: &[usize], found: &[usize]) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(cosmoe::Error::ShapeMismatch { argument, expected, found }.into())
}

/// A vector that may be NULL.
///
/// # Safety
/// It is NULL, or what it says for as long as the view is used, with elements of type T.
pub(crate) unsafe fn vector<'a, T: cosmoe::Scalar, H: Home>(
    argument: &'static str,
    raw: *const DLTensor,
    takes: Takes,
    home: &H,
) -> Result<Option<VectorRef<'a, T, SpaceOf<H>>>> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller vouches.
    unsafe { Ok(Some(Tensor::vector(argument, raw, takes, home)?.vector_ref()?)) }
}

/// Makes a router: checks the configuration and computes the experts' norms, in the order of the backend's
/// stream. Weights are borrowed: tensors' memory outlives the router, the DLTensors themselves need not.
/// Not for a stream that is being captured, as it allocates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_router_new(
    backend: *const cosmoe_backend,
    config: *const cosmoe_router_config,
    weights: *const cosmoe_router_weights,
    out: *mut *mut cosmoe_router,
) -> cosmoe_status {
    guard(|| {
        handle::check_out(out)?;
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let home = cosmoe_backend::home(backend)?;
            let config = config::router(config)?;
            let weights = growing::read("weights", weights)?;
            let on = match home {
                AnyHome::Cpu(home) => RouterOn::Cpu(Router::new(home, config, &weights)?),
                #[cfg(feature = "cuda")]
                AnyHome::Cuda(home) => RouterOn::Cuda(Router::new(home, config, &weights)?),
            };
            handle::give(out, cosmoe_router { on })
        }
    })
}

/// Computes the experts' norms again, after their memory got new values: no call may run in between. On CUDA in the
/// order of the stream, and part of a capture like any other call; on the CPU it allocates a buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_router_refresh(router: *mut cosmoe_router) -> cosmoe_status {
    // SAFETY: as the interface asks of its callers.
    guard(|| on_its_home!(unsafe { cosmoe_router::on(router) }?, router => router.refresh()))
}

/// Frees a router; NULL is none. Its weights stay the caller's. Graphs that were captured with a router need it as
/// long as they are launched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_router_free(router: *mut cosmoe_router) -> cosmoe_status {
    // SAFETY: as the interface asks of its callers.
    guard(|| unsafe { handle::free("router", router) })
}
