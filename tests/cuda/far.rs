//! Rows so far apart that their places are beyond 32 bits: of all that is between them nothing is touched.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use cosmoe::cuda::{Buffer, interop};
use cosmoe::{
    Backend, CudaSpace, DType, MatrixMut, MatrixRef, PrepareArgs, RouteArgs, RouteOut, RouteShape,
    RouterConfig, Scalar, SelectArgs, SelectOut, SelectShape,
};
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr};
use half::{bf16, f16};

use crate::common::{Matrix, Options, Rng, RouteInput, Runner, SelectInput, assert_bits};
use crate::device::OnDevice;
use crate::run::Lent;

crate::tests!("far": routes, selections);

/// Elements between rows: their number times this is beyond 32 bits, and for tiles whole rows are aligned.
const STRIDE: usize = (1 << 31) + 8;

/// A matrix whose rows may be far apart, on the device.
struct Far<T> {
    bytes: CudaSlice<u8>,
    shape: (usize, usize),
    stride: usize,
    element: PhantomData<T>,
}

#[allow(unsafe_code)]
impl<T: Scalar + Pod> Far<T> {
    const SIZE: usize = size_of::<T>();

    fn new(stream: &Arc<CudaStream>, (rows, cols): (usize, usize), stride: usize) -> Self {
        let elements = (rows - 1) * stride + cols;
        // SAFETY: rows are written before they are read, here or by a kernel.
        let bytes = unsafe { stream.alloc(elements * Self::SIZE).unwrap() };
        Self { bytes, shape: (rows, cols), stride, element: PhantomData }
    }

    fn of(stream: &Arc<CudaStream>, matrix: &Matrix, stride: usize, to: impl Fn(f64) -> T) -> Self {
        let mut far = Self::new(stream, (matrix.rows, matrix.cols), stride);
        for (r, row) in matrix.to_rows().iter().enumerate() {
            let row: Vec<T> = row.iter().map(|&v| to(v)).collect();
            let place = far.place(r);
            let mut there = far.bytes.slice_mut(place);
            stream.memcpy_htod(bytemuck::cast_slice::<T, u8>(&row), &mut there).unwrap();
        }
        far
    }

    fn place(&self, row: usize) -> Range<usize> {
        let begin = row * self.stride * Self::SIZE;
        begin..begin + self.shape.1 * Self::SIZE
    }

    fn view(&self, stream: &CudaStream) -> MatrixRef<'_, T, CudaSpace> {
        let (address, (rows, cols)) = (self.bytes.device_ptr(stream).0, self.shape);
        // SAFETY: the memory is there as long as the view, and has these rows.
        unsafe { MatrixRef::from_raw_parts(address as *const T, rows, cols, self.stride).unwrap() }
    }

    fn view_mut(&mut self, stream: &CudaStream) -> MatrixMut<'_, T, CudaSpace> {
        let (address, (rows, cols)) = (self.bytes.device_ptr(stream).0, self.shape);
        // SAFETY: as above, and borrowed alone.
        unsafe { MatrixMut::from_raw_parts(address as *mut T, rows, cols, self.stride).unwrap() }
    }

    fn read(&self, stream: &Arc<CudaStream>) -> Vec<T> {
        let row = |r| stream.clone_dtoh(&self.bytes.slice(self.place(r))).unwrap();
        (0..self.shape.0)
            .flat_map(|r| {
                row(r).chunks(Self::SIZE).map(bytemuck::pod_read_unaligned).collect::<Vec<T>>()
            })
            .collect()
    }
}

fn stream() -> Arc<CudaStream> {
    CudaContext::new(0).unwrap().new_stream().unwrap()
}

/// Whether so many bytes are free; says so where they are not.
fn has_room(bytes: usize) -> bool {
    let free = CudaContext::new(0).unwrap().mem_get_info().unwrap().0;
    if free < bytes {
        eprintln!("SKIPPED: the device has {free} bytes free, the test needs {bytes}");
    }
    free >= bytes
}

/// Two tokens, two experts: tokens and ids are far apart, or experts and weights, as there is room for.
fn routes() {
    // Rows of 2 and of 4 bytes an element.
    if !has_room(STRIDE * 6 + (1 << 20)) {
        return;
    }
    let (stream, mut rng) = (stream(), Rng::new(121));
    let cuda = interop::from_stream(&stream).unwrap();
    let (t, d, e) = (2, 1104, 2);
    let input = RouteInput::new(
        Matrix::normal(DType::BF16, (t, d), 0, &mut rng),
        Matrix::normal(DType::BF16, (e, d), 0, &mut rng),
    );
    let config = RouterConfig::builder(e, 1).build().unwrap();
    let expected = OnDevice(cuda.clone()).run_route(&config, &input);
    let shape = RouteShape {
        tokens: t,
        hidden: d,
        projected: None,
        token_dtype: DType::BF16,
        expert_dtype: DType::BF16,
    };
    let size = cuda.route_workspace(&config, shape).unwrap();
    for (tokens_far, experts_far) in [(STRIDE, d), (d, STRIDE)] {
        let tokens = Far::of(&stream, &input.tokens, tokens_far, bf16::from_f64);
        let experts = Far::of(&stream, &input.experts, experts_far, bf16::from_f64);
        let mut ids: Far<i32> = Far::new(&stream, (t, 1), tokens_far);
        let mut weights: Far<f32> = Far::new(&stream, (t, 1), experts_far);
        let args = PrepareArgs { experts: experts.view(&stream).into() };
        let prepared = cuda.prepare(&config, args).unwrap();
        let mut lent = Lent::new(&cuda, size, Options::default());
        let args = RouteArgs {
            tokens: tokens.view(&stream).into(),
            experts: experts.view(&stream).into(),
            bias: None,
            projection: None,
            num_tokens: None,
        };
        let (ids_out, weights_out) = (ids.view_mut(&stream), weights.view_mut(&stream));
        let out = RouteOut { ids: ids_out, weights: weights_out, scores: None };
        cuda.route(&config, &prepared, args, out, lent.workspace()).unwrap();
        assert_eq!(ids.read(&stream), expected.ids);
        assert_bits(&tokens_far, &weights.read(&stream), &expected.weights);
    }
}

fn selections() {
    // Two rows of 2 bytes an element between three.
    if !has_room(STRIDE * 4 + (1 << 20)) {
        return;
    }
    let (stream, mut rng) = (stream(), Rng::new(122));
    let cuda = interop::from_stream(&stream).unwrap();
    for (e, k) in [(40, 3), (40, 20)] {
        let logits = Matrix::normal(DType::F16, (3, e), 0, &mut rng);
        let config = RouterConfig::builder(e, k).build().unwrap();
        let input = SelectInput { logits, bias: None, num_tokens: None };
        let expected = OnDevice(cuda.clone()).run_select(&config, &input);
        let logits = Far::of(&stream, &input.logits, STRIDE, f16::from_f64);
        let mut ids = vec![0; 3 * k];
        let shape = SelectShape { tokens: 3, dtype: DType::F16 };
        let size = cuda.select_workspace(&config, shape).unwrap();
        let mut lent = Lent::new(&cuda, size, Options::default());
        let mut near = Buffer::new(&cuda, &ids).unwrap();
        let mut weights = Buffer::new(&cuda, &vec![0.0_f32; 3 * k]).unwrap();
        let args = SelectArgs { logits: logits.view(&stream).into(), bias: None, num_tokens: None };
        let out = SelectOut {
            ids: near.matrix_mut(0, (3, k), k).unwrap(),
            weights: weights.matrix_mut(0, (3, k), k).unwrap(),
        };
        cuda.select(&config, args, out, lent.workspace()).unwrap();
        ids = near.read().unwrap();
        assert_eq!(ids, expected.ids);
        assert_bits(&"far", &weights.read().unwrap(), &expected.weights);
    }
}
