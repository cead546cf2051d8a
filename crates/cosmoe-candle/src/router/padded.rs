//! A router's calls, with a count of real tokens or without.

use candle_core::Tensor;
use cosmoe::PlanConfig;

use super::Router;
use super::side::Side;
use crate::error::Result;
use crate::memory::{Place, on};
use crate::operations::{self, Batch};
use crate::plan::Plan;
use crate::routing::Routing;
use crate::tensor::{Entries, FLOATS, Rows};

/// A router for batches that are padded to a fixed size: see [`Router::padded`].
#[derive(Debug, Clone)]
pub struct Padded<'a> {
    router: &'a Router,
    num_tokens: Option<Entries>,
}

impl<'a> Padded<'a> {
    pub(super) fn new(router: &'a Router, num_tokens: Option<Entries>) -> Self {
        Self { router, num_tokens }
    }

    /// [`Router::route`].
    ///
    /// # Errors
    /// Those of [`Router::route`].
    pub fn route(&self, tokens: &Tensor) -> Result<Routing> {
        let tokens = self.rows("tokens", tokens)?;
        let batch = self.batch(&tokens);
        on!(Side, &self.router.side, at => operations::route(&*at.memory, &at.prepared, batch))
    }

    /// [`Router::route_with_scores`].
    ///
    /// # Errors
    /// Those of [`Router::route_with_scores`].
    pub fn route_with_scores(&self, tokens: &Tensor) -> Result<(Routing, Tensor)> {
        let tokens = self.rows("tokens", tokens)?;
        let batch = self.batch(&tokens);
        on!(Side, &self.router.side, at => {
            operations::route_with_scores(&*at.memory, &at.prepared, batch)
        })
    }

    /// [`Router::route_and_plan`].
    ///
    /// # Errors
    /// Those of [`Router::route_and_plan`].
    pub fn route_and_plan(&self, tokens: &Tensor, plan: &PlanConfig) -> Result<(Routing, Plan)> {
        let tokens = self.rows("tokens", tokens)?;
        let batch = self.batch(&tokens);
        let (routing, planned) = on!(Side, &self.router.side, at => {
            operations::route_and_plan(&*at.memory, &at.prepared, batch, plan)
        })?;
        let shape = (tokens.rows(), self.router.config().top_k());
        Ok((routing, Plan::of(self.router.place.clone(), plan, shape, planned)))
    }

    /// [`Router::select`].
    ///
    /// # Errors
    /// Those of [`Router::select`].
    pub fn select(&self, logits: &Tensor) -> Result<Routing> {
        let logits = self.rows("logits", logits)?;
        let (config, bias) = (&self.router.fixed.config, self.router.fixed.bias.as_ref());
        let num_tokens = self.num_tokens.as_ref();
        on!(Place, &self.router.place, memory => {
            operations::select(&**memory, config, &logits, bias, num_tokens)
        })
    }

    fn rows(&self, argument: &'static str, tensor: &Tensor) -> Result<Rows> {
        Rows::new(argument, tensor, &self.router.place, &FLOATS)
    }

    fn batch<'b>(&'b self, tokens: &'b Rows) -> Batch<'b> {
        Batch { fixed: &self.router.fixed, tokens, num_tokens: self.num_tokens.as_ref() }
    }
}
