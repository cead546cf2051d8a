//! A router over tensors.

mod padded;
mod side;

use candle_core::Tensor;
use cosmoe::{PlanConfig, RouterConfig};

pub use padded::Padded;

use self::side::Side;
use crate::error::Result;
use crate::memory::Place;
use crate::operations::{Fixed, Projection};
use crate::plan::Plan;
use crate::routing::Routing;
use crate::tensor::{Entries, FLOATS, Rows};

/// Experts and what was prepared of them: routes tokens on the device that the experts are on.
///
/// Tokens are `[.., D]`, with any leading dimensions, which what comes back has too: modules of candle pass
/// `[batch, sequence, D]`. They are `f32`, `f16` or `bf16`, and so are the experts, in the tokens' dtype or
/// `f32`.
///
/// The experts are kept and, where their layout allows, read in place. Whoever changes their values, as
/// [`Var::set`](candle_core::Var::set) does, calls [`refresh`](Self::refresh) before the next route.
///
/// A clone shares what was prepared and the workspaces. Any number of threads may route at once: each call has
/// a workspace of its own.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use cosmoe_candle::{Router, RouterConfig};
///
/// # fn main() -> cosmoe_candle::Result<()> {
/// let experts = Tensor::new(&[[1_f32, 0.0], [0.0, 2.0], [-1.0, 1.0]], &Device::Cpu)?;
/// let config = RouterConfig::builder(3, 1).build()?;
/// let router = Router::new(config, &experts)?;
/// let routing = router.route(&Tensor::new(&[[[0.5_f32, 4.0]]], &Device::Cpu)?)?;
/// assert_eq!(routing.ids.to_vec3::<i32>()?, [[[1]]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Router {
    fixed: Fixed,
    place: Place,
    side: Side,
}

impl Router {
    /// Prepares experts `[E, D]` (`[E, R]` in `f32` behind a projection). On CUDA it waits for the device, and
    /// the first one of a process loads cosmoe's kernels.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe): those of [`cosmoe::Backend::prepare`], device and dtype, and
    /// on CUDA why there is no backend (`cosmoe::cuda::Cuda::new`); [`Error::Candle`](crate::Error::Candle)
    /// where candle fails to allocate or copy.
    pub fn new(config: RouterConfig, experts: &Tensor) -> Result<Self> {
        let place = Place::of("experts", experts)?;
        let experts = Rows::new("experts", experts, &place, &FLOATS)?;
        let side = Side::new(&place, &config, &experts)?;
        let fixed = Fixed { config, experts, bias: None, projection: None };
        Ok(Self { fixed, place, side })
    }

    /// Adds a bias `[E]`, which acts where the configuration says. Routes read what it then holds if it is `f32`
    /// without gaps; else it is widened or copied now.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe) for its device, dtype or rank;
    /// [`Error::Candle`](crate::Error::Candle) where candle fails to copy. Its length is looked at by the
    /// routes.
    pub fn with_bias(mut self, bias: &Tensor) -> Result<Self> {
        self.fixed.bias = Some(Entries::floats("bias", bias, &self.place)?);
        Ok(self)
    }

    /// Puts a projection in front: x becomes P x + p, with P `[R, D]` in the tokens' dtype or `f32` and p `[R]`,
    /// as candle's `Linear` has them. Both are read in place or copied as [`with_bias`](Self::with_bias) says.
    ///
    /// # Errors
    /// Those of [`with_bias`](Self::with_bias), of either tensor. The shapes are looked at by the routes.
    pub fn with_projection(mut self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let weight = Rows::new("projection", weight, &self.place, &FLOATS)?;
        let bias = bias.map(|bias| Entries::floats("projection.bias", bias, &self.place));
        self.fixed.projection = Some(Projection { weight, bias: bias.transpose()? });
        Ok(self)
    }

    /// Prepares other experts, or the same ones anew after their values have changed. Clones keep what they
    /// have. On CUDA it waits for the device.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); nothing has changed then.
    pub fn refresh(&mut self, experts: &Tensor) -> Result<()> {
        let experts = Rows::new("experts", experts, &self.place, &FLOATS)?;
        self.side = Side::new(&self.place, &self.fixed.config, &experts)?;
        self.fixed.experts = experts;
        Ok(())
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &RouterConfig {
        &self.fixed.config
    }

    /// The same router for batches of which only the first tokens are real: as many as `num_tokens` says, a
    /// `u32` tensor of one element on this device, read there when a call's work is done. The others get ids
    /// -1, weights 0, scores 0, and are in no plan.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe) for its device, dtype or shape.
    pub fn padded(&self, num_tokens: &Tensor) -> Result<Padded<'_>> {
        let num_tokens = Entries::number("num_tokens", num_tokens, &self.place)?;
        Ok(Padded::new(self, Some(num_tokens)))
    }

    /// Routes tokens `[.., D]`.
    ///
    /// # Errors
    /// [`Error::Cosmoe`](crate::Error::Cosmoe): those of [`cosmoe::Backend::route`], device and dtype;
    /// [`Error::Candle`](crate::Error::Candle) where candle fails to allocate or copy.
    pub fn route(&self, tokens: &Tensor) -> Result<Routing> {
        Padded::new(self, None).route(tokens)
    }

    /// Routes tokens and also returns the scores `[.., E]`, `f32`, that selection read before any gate.
    ///
    /// # Errors
    /// Those of [`route`](Self::route).
    pub fn route_with_scores(&self, tokens: &Tensor) -> Result<(Routing, Tensor)> {
        Padded::new(self, None).route_with_scores(tokens)
    }

    /// Routes tokens and plans their dispatch: on CUDA in fewer launches than the two calls.
    ///
    /// # Errors
    /// Those of [`route`](Self::route) and [`plan`](Self::plan).
    pub fn route_and_plan(&self, tokens: &Tensor, plan: &PlanConfig) -> Result<(Routing, Plan)> {
        Padded::new(self, None).route_and_plan(tokens, plan)
    }

    /// Selects from logits `[.., E]` that another router made, with this one's bias. Score, scale and
    /// projection are not used.
    ///
    /// # Errors
    /// Those of [`cosmoe::Backend::select`], else as [`route`](Self::route).
    pub fn select(&self, logits: &Tensor) -> Result<Routing> {
        Padded::new(self, None).select(logits)
    }

    /// Plans the dispatch of a routing, in this router's workspace.
    ///
    /// # Errors
    /// Those of [`Plan::new`].
    pub fn plan(&self, config: &PlanConfig, routing: &Routing) -> Result<Plan> {
        Plan::in_place(self.place.clone(), config, &routing.ids, Some(&routing.weights))
    }
}
