//! A route on CUDA where cudarc owns the stream and all memory, which calls borrow.
//!
//! `cargo run --release --example 02_cudarc_memory`, or without a GPU
//! `cargo xtask emulate -- cargo run --release --example 02_cudarc_memory`

mod support;

use std::error::Error;

use cosmoe::cuda::interop::{from_stream, lend, lend_mut};
use cosmoe::verify::Rng;
use cosmoe::{
    Backend, DType, MatrixRef, PrepareArgs, RouteArgs, RouteOut, RouteShape, Router, RouterConfig,
    Workspace,
};
use cudarc::driver::CudaContext;

const TOKENS: usize = 48;
const HIDDEN: usize = 256;
const EXPERTS: usize = 16;
const TOP_K: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    if !support::device_answers()? {
        return Ok(());
    }
    let mut rng = Rng::new(1);
    let mut normal = |len| -> Vec<f32> { (0..len).map(|_| rng.normal()).collect() };
    let (tokens, experts) = (normal(TOKENS * HIDDEN), normal(EXPERTS * HIDDEN));
    let config = RouterConfig::builder(EXPERTS, TOP_K).build()?;

    // What an engine on cudarc has: a stream, the model's weights, activations, room for results.
    let context = CudaContext::new(0)?;
    let stream = context.new_stream()?;
    let experts_there = stream.clone_htod(&experts)?;
    let tokens_there = stream.clone_htod(&tokens)?;
    let mut ids = stream.alloc_zeros::<i32>(TOKENS * TOP_K)?;
    let mut weights = stream.alloc_zeros::<f32>(TOKENS * TOP_K)?;

    // Once per model: the experts' norms.
    let cuda = from_stream(&stream)?;
    let experts_lent = lend(&cuda, &stream, &experts_there)?;
    let experts_view = experts_lent.matrix((EXPERTS, HIDDEN), HIDDEN)?.into();
    let prepared = cuda.prepare(&config, PrepareArgs { experts: experts_view })?;

    // Once for the largest batch: fewer tokens never need more. The driver refuses to allocate nothing.
    let shape = RouteShape {
        tokens: TOKENS,
        hidden: HIDDEN,
        projected: None,
        token_dtype: DType::F32,
        expert_dtype: DType::F32,
    };
    let size = cuda.route_workspace(&config, shape)?;
    let mut scratch = stream.alloc_zeros::<u8>(size.scratch.max(1))?;
    // This one must be zero before its first call; every call leaves it so.
    let mut state = stream.alloc_zeros::<u8>(size.state.max(1))?;

    // Once per batch. When what is lent is dropped, cudarc records that the memory is in use until then.
    {
        let tokens = lend(&cuda, &stream, &tokens_there)?;
        let mut ids = lend_mut(&cuda, &stream, &mut ids)?;
        let mut weights = lend_mut(&cuda, &stream, &mut weights)?;
        let mut scratch = lend_mut(&cuda, &stream, &mut scratch)?;
        let mut state = lend_mut(&cuda, &stream, &mut state)?;
        let args = RouteArgs {
            tokens: tokens.matrix((TOKENS, HIDDEN), HIDDEN)?.into(),
            experts: experts_view,
            bias: None,
            projection: None,
            num_tokens: None,
        };
        let out = RouteOut {
            ids: ids.matrix((TOKENS, TOP_K), TOP_K)?,
            weights: weights.matrix((TOKENS, TOP_K), TOP_K)?,
            scores: None,
        };
        let workspace = Workspace { scratch: scratch.vector(), state: state.vector() };
        cuda.route(&config, &prepared, args, out, workspace)?;
    }

    // In f32 the device and the CPU agree to the bit.
    let (ids, weights) = (stream.clone_dtoh(&ids)?, stream.clone_dtoh(&weights)?);
    let mut router = Router::new(config, MatrixRef::new(&experts, EXPERTS, HIDDEN)?)?;
    let expected = router.route(MatrixRef::new(&tokens, TOKENS, HIDDEN)?)?;
    assert_eq!(ids, expected.ids());
    assert_eq!(weights, expected.weights());
    println!("{}: {TOKENS} tokens routed as on the CPU", context.name()?);
    println!("token 0: experts {:?} with weights {:.3?}", &ids[..TOP_K], &weights[..TOP_K]);
    Ok(())
}
