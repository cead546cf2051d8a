//! A route on CUDA from raw device pointers, on a raw `CUstream`: for engines that have a binding of
//! their own.
//!
//! The engine's part is played by plain calls of the driver; with any other binding the pointers and the
//! handle (a `cudaStream_t` is one) are the same.
//!
//! `cargo run --release --example 03_raw_pointers`, or without a GPU
//! `cargo xtask emulate -- cargo run --release --example 03_raw_pointers`
#![allow(unsafe_code)]

mod support;

use std::error::Error;
use std::ptr::without_provenance_mut;

use cosmoe::cuda::Cuda;
use cosmoe::verify::Rng;
use cosmoe::{
    Backend, CudaSpace, DType, MatrixMut, MatrixRef, PrepareArgs, RouteArgs, RouteOut, RouteShape,
    Router, RouterConfig, Scalar, VectorMut, Workspace,
};
use cudarc::driver::{DriverError, result, sys};
use half::bf16;

const TOKENS: usize = 48;
const HIDDEN: usize = 256;
const EXPERTS: usize = 16;
const TOP_K: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    if !support::device_answers()? {
        return Ok(());
    }
    let mut rng = Rng::new(3);
    let tokens: Vec<bf16> = (0..TOKENS * HIDDEN).map(|_| bf16::from_f32(rng.normal())).collect();
    let experts: Vec<f32> = (0..EXPERTS * HIDDEN).map(|_| rng.normal()).collect();
    let config = RouterConfig::builder(EXPERTS, TOP_K).build()?;

    // Declared first and so dropped last: what is made of the engine's stream must not outlive it.
    let engine = Engine::new()?;
    // SAFETY: the stream and its context live as long as `engine`.
    let cuda = unsafe { Cuda::from_raw(engine.stream.cast()) }?;

    let tokens_there = engine.copy_of(&tokens)?;
    let experts_there = engine.copy_of(&experts)?;
    // SAFETY: the memory holds these elements, nothing writes it, and it is freed in the stream's order.
    let tokens_view: MatrixRef<'_, bf16, CudaSpace> =
        unsafe { MatrixRef::from_raw_parts(tokens_there.pointer(), TOKENS, HIDDEN, HIDDEN) }?;
    // SAFETY: as above.
    let experts_view: MatrixRef<'_, f32, CudaSpace> =
        unsafe { MatrixRef::from_raw_parts(experts_there.pointer(), EXPERTS, HIDDEN, HIDDEN) }?;
    let prepared = cuda.prepare(&config, PrepareArgs { experts: experts_view.into() })?;

    let shape = RouteShape {
        tokens: TOKENS,
        hidden: HIDDEN,
        projected: None,
        token_dtype: DType::BF16,
        expert_dtype: DType::F32,
    };
    let size = cuda.route_workspace(&config, shape)?;
    let scratch = engine.allocate(size.scratch)?;
    let state = engine.zeros(size.state)?;
    let ids = engine.allocate(TOKENS * TOP_K * size_of::<i32>())?;
    let weights = engine.allocate(TOKENS * TOP_K * size_of::<f32>())?;

    let args = RouteArgs {
        tokens: tokens_view.into(),
        experts: experts_view.into(),
        bias: None,
        projection: None,
        num_tokens: None,
    };
    // SAFETY: each allocation is as large as its view and freed in the stream's order; until `read`, which
    // comes later on the same stream, the call below alone uses it.
    let (out, workspace) = unsafe {
        let out = RouteOut {
            ids: MatrixMut::from_raw_parts(ids.pointer(), TOKENS, TOP_K, TOP_K)?,
            weights: MatrixMut::from_raw_parts(weights.pointer(), TOKENS, TOP_K, TOP_K)?,
            scores: None,
        };
        let scratch = VectorMut::from_raw_parts(scratch.pointer(), size.scratch);
        let state = VectorMut::from_raw_parts(state.pointer(), size.state);
        (out, Workspace { scratch, state })
    };
    cuda.route(&config, &prepared, args, out, workspace)?;

    // bf16 tokens beside f32 experts have the CPU's bits, as all of f32 has.
    let found_ids: Vec<i32> = ids.read()?;
    let found_weights: Vec<f32> = weights.read()?;
    let mut router = Router::new(config, MatrixRef::new(&experts, EXPERTS, HIDDEN)?)?;
    let expected = router.route(MatrixRef::new(&tokens, TOKENS, HIDDEN)?)?;
    assert_eq!(found_ids, expected.ids());
    assert_eq!(found_weights, expected.weights());
    println!("{TOKENS} bf16 tokens at {:p}: routed as on the CPU", tokens_view.as_ptr());
    println!("token 0: experts {:?} with weights {:.3?}", &found_ids[..2], &found_weights[..2]);
    Ok(())
}

/// The engine: a stream in a context, and memory in the order of that stream.
struct Engine {
    device: sys::CUdevice,
    stream: sys::CUstream,
}

impl Engine {
    fn new() -> Result<Self, DriverError> {
        result::init()?;
        let device = result::device::get(0)?;
        // SAFETY: the driver gave out the device, and the context is released when `self` goes.
        unsafe { result::ctx::set_current(result::primary_ctx::retain(device)?) }?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        Ok(Self { device, stream })
    }

    fn allocate(&self, bytes: usize) -> Result<Memory<'_>, DriverError> {
        let bytes = bytes.max(1); // the driver refuses to allocate nothing
        // SAFETY: the stream is alive.
        let address = unsafe { result::malloc_async(self.stream, bytes) }?;
        Ok(Memory { engine: self, address, bytes })
    }

    fn zeros(&self, bytes: usize) -> Result<Memory<'_>, DriverError> {
        let memory = self.allocate(bytes)?;
        // SAFETY: the memory has so many bytes.
        unsafe { result::memset_d8_async(memory.address, 0, memory.bytes, self.stream) }?;
        Ok(memory)
    }

    fn copy_of<T: Scalar>(&self, data: &[T]) -> Result<Memory<'_>, DriverError> {
        let memory = self.allocate(size_of_val(data))?;
        // SAFETY: the memory has as many bytes as `data`, which stays until the copy is done.
        unsafe {
            result::memcpy_htod_async(memory.address, data, self.stream)?;
            result::stream::synchronize(self.stream)?;
        }
        Ok(memory)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What `main` made of the stream is gone, and all memory, which borrows `self`. An error of an
        // earlier call would be reported again here, to nobody.
        // SAFETY: the stream is used by nobody, and the context was retained once.
        unsafe {
            let _ = result::stream::destroy(self.stream);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

/// An allocation of the engine's.
struct Memory<'e> {
    engine: &'e Engine,
    address: sys::CUdeviceptr,
    bytes: usize,
}

impl Memory<'_> {
    /// The address as a pointer: nothing of this process is behind it.
    fn pointer<T: Scalar>(&self) -> *mut T {
        without_provenance_mut(self.address as usize)
    }

    /// What is there when the stream has done all that was submitted.
    fn read<T: Scalar>(&self) -> Result<Vec<T>, DriverError> {
        let mut data = vec![T::zeroed(); self.bytes / size_of::<T>()];
        // SAFETY: the memory has as many bytes as `data`, of which any make a `T`, and the copy is done
        // before `data` is used.
        unsafe {
            result::memcpy_dtoh_async(&mut data, self.address, self.engine.stream)?;
            result::stream::synchronize(self.engine.stream)?;
        }
        Ok(data)
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: the address is of this stream, and used by nothing submitted after this.
        let _ = unsafe { result::free_async(self.address, self.engine.stream) };
    }
}
