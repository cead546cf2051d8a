//! A selection from logits that another router made.

use cosmoe::{Backend, RouterConfig, SelectArgs, SelectOut, SelectShape};

use super::elements;
use crate::error::Result;
use crate::memory::{Floats, Memory, Write, lend, view};
use crate::raw;
use crate::routing::Routing;
use crate::tensor::{Entries, Rows};

pub(crate) fn select<M: Memory>(
    memory: &M,
    config: &RouterConfig,
    logits: &Rows,
    bias: Option<&Entries>,
    num_tokens: Option<&Entries>,
) -> Result<Routing> {
    let backend = memory.backend();
    let shape = SelectShape { tokens: logits.rows(), dtype: logits.float() };
    let size = backend.select_workspace(config, shape)?;

    let storage = logits.storage();
    let read_logits = Floats::read(memory, &storage)?;
    let storage = bias.map(Entries::storage);
    let read_bias = lend(memory, storage.as_deref())?;
    let storage = num_tokens.map(Entries::storage);
    let read_num_tokens = lend(memory, storage.as_deref())?;
    let args = SelectArgs {
        logits: read_logits.view(logits)?,
        bias: view::<M, _>(bias, read_bias.as_ref())?,
        num_tokens: view::<M, _>(num_tokens, read_num_tokens.as_ref())?,
    };

    let (rows, top_k) = (logits.rows(), config.top_k());
    let mut ids = memory.allocate::<i32>(elements("ids", rows, top_k)?)?;
    let mut weights = memory.allocate::<f32>(elements("weights", rows, top_k)?)?;
    {
        let mut write_ids = memory.write(&mut ids)?;
        let mut write_weights = memory.write(&mut weights)?;
        let out = SelectOut {
            ids: raw::matrix_mut(write_ids.vector(), (rows, top_k))?,
            weights: raw::matrix_mut(write_weights.vector(), (rows, top_k))?,
        };
        memory.with_workspace(size, |workspace| backend.select(config, args, out, workspace))?;
    }
    let shape = logits.shape(top_k);
    let (ids, weights) = (memory.tensor(ids, &shape), memory.tensor(weights, &shape));
    Ok(Routing { ids, weights })
}
