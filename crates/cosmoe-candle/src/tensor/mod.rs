//! candle's tensors as the matrices and vectors that cosmoe takes: in place where the layout allows, else as
//! copies that candle makes.

mod entries;
mod rows;

use candle_core::{DType, Tensor};

pub(crate) use entries::Entries;
pub(crate) use rows::Rows;

use crate::error::{self, Result};
use crate::memory::Place;

/// What tokens, experts, logits and expert outputs may be.
pub(crate) const FLOATS: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// Device first, then dtype: a shape says nothing of a tensor that is not taken anyway.
fn check(argument: &'static str, tensor: &Tensor, place: &Place, dtypes: &[DType]) -> Result<()> {
    place.check(argument, tensor)?;
    if dtypes.contains(&tensor.dtype()) {
        return Ok(());
    }
    Err(error::dtype(argument, dtypes, tensor.dtype()))
}
