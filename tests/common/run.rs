//! Runs the operations on host vectors. Test bodies take `&impl Runner`, so that a backend with its
//! own memory can run them: it only has to copy in and out here.

use cosmoe::{
    Backend, Host, MatrixMut, PrepareArgs, Projection, RouteArgs, RouteOut, RouterConfig,
    SelectArgs, SelectOut, SelectShape, VectorMut, VectorRef, Workspace, WorkspaceSize,
};

use super::input::{RouteInput, SelectInput};

/// What ids hold before a call: an element that no call may leave.
const UNWRITTEN_ID: i32 = i32::MIN + 7;
const UNWRITTEN: f32 = f32::from_bits(0x7fa0_1234);

/// How to call; never changes a result.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub scores: bool,
    /// Elements between the rows of outputs.
    pub pad: usize,
    /// What scratch holds before the call.
    pub garbage: u8,
    /// Bytes by which scratch is away from 64-byte alignment.
    pub misaligned: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { scores: true, pad: 0, garbage: 0xff, misaligned: 1 }
    }
}

#[derive(Clone, Debug)]
pub struct Routed {
    pub ids: Vec<i32>,
    pub weights: Vec<f32>,
    pub scores: Option<Vec<f32>>,
    pub top_k: usize,
}

#[derive(Clone, Debug)]
pub struct Selected {
    pub ids: Vec<i32>,
    pub weights: Vec<f32>,
    pub top_k: usize,
}

impl Routed {
    pub fn row_ids(&self, t: usize) -> Vec<usize> {
        self.ids[t * self.top_k..][..self.top_k].iter().map(|&e| e as usize).collect()
    }

    pub fn row_weights(&self, t: usize) -> &[f32] {
        &self.weights[t * self.top_k..][..self.top_k]
    }
}

impl Selected {
    pub fn row_ids(&self, t: usize) -> Vec<usize> {
        self.ids[t * self.top_k..][..self.top_k].iter().map(|&e| e as usize).collect()
    }

    pub fn row_weights(&self, t: usize) -> &[f32] {
        &self.weights[t * self.top_k..][..self.top_k]
    }
}

pub trait Runner {
    fn route_with(&self, config: &RouterConfig, input: &RouteInput, options: Options) -> Routed;
    fn select_with(&self, config: &RouterConfig, input: &SelectInput, options: Options)
    -> Selected;

    fn run_route(&self, config: &RouterConfig, input: &RouteInput) -> Routed {
        self.route_with(config, input, Options::default())
    }

    fn run_select(&self, config: &RouterConfig, input: &SelectInput) -> Selected {
        self.select_with(config, input, Options::default())
    }
}

/// An output matrix with a gap between its rows.
struct Output<T> {
    data: Vec<T>,
    rows: usize,
    cols: usize,
    stride: usize,
    unwritten: T,
}

impl<T: cosmoe::Scalar> Output<T> {
    fn new(rows: usize, cols: usize, pad: usize, unwritten: T) -> Self {
        let stride = cols + pad;
        let len = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
        Self { data: vec![unwritten; len], rows, cols, stride, unwritten }
    }

    fn view(&mut self) -> MatrixMut<'_, T> {
        MatrixMut::with_row_stride(&mut self.data, self.rows, self.cols, self.stride).unwrap()
    }

    /// The rows without their gaps, which must be untouched; every element must be written.
    fn take(self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.rows * self.cols);
        let bytes = |v: &T| bytemuck::bytes_of(v).to_vec();
        for r in 0..self.rows {
            let row = &self.data[r * self.stride..];
            for (c, value) in row.iter().enumerate().take(self.stride) {
                let untouched = bytes(value) == bytes(&self.unwritten);
                assert_eq!(untouched, c >= self.cols, "row {r}, column {c}: {value:?}");
            }
            out.extend_from_slice(&row[..self.cols]);
        }
        out
    }
}

/// Exactly the workspace asked for, in the state that `options` says.
pub(super) struct Lent {
    scratch: Vec<u8>,
    start: usize,
    state: Vec<u8>,
}

impl Lent {
    pub(super) fn new(size: WorkspaceSize, options: Options) -> Self {
        let scratch = vec![options.garbage; size.scratch + 128];
        let start = scratch.as_ptr().align_offset(64) + options.misaligned;
        Self { scratch, start, state: vec![0; size.state] }
    }

    pub(super) fn workspace(&mut self, size: WorkspaceSize) -> Workspace<'_> {
        Workspace {
            scratch: VectorMut::new(&mut self.scratch[self.start..][..size.scratch]),
            state: VectorMut::new(&mut self.state),
        }
    }

    /// State is left as found, and nothing around scratch is touched.
    pub(super) fn check(&self, size: WorkspaceSize, options: Options) {
        assert!(self.state.iter().all(|&b| b == 0), "state is not as found");
        let around =
            self.scratch[..self.start].iter().chain(&self.scratch[self.start + size.scratch..]);
        assert!(around.into_iter().all(|&b| b == options.garbage), "written outside scratch");
    }
}

impl<B: Backend<Space = Host>> Runner for B {
    fn route_with(&self, config: &RouterConfig, input: &RouteInput, options: Options) -> Routed {
        let (rows, top_k) = (input.tokens.rows, config.top_k());
        let prepare = PrepareArgs { experts: input.experts.view() };
        let prepared = self.prepare(config, prepare).unwrap();
        let num_tokens = input.num_tokens.map(|n| [n]);
        let args = RouteArgs {
            tokens: input.tokens.view(),
            experts: input.experts.view(),
            bias: input.bias.as_deref().map(VectorRef::new),
            projection: input.projection.as_ref().map(|(weight, bias)| Projection {
                weight: weight.view(),
                bias: bias.as_deref().map(VectorRef::new),
            }),
            num_tokens: num_tokens.as_ref().map(|n| VectorRef::new(n)),
        };
        let shape = cosmoe::RouteShape {
            tokens: rows,
            hidden: input.tokens.cols,
            projected: input.projection.as_ref().map(|(weight, _)| weight.rows),
            token_dtype: input.tokens.dtype(),
            expert_dtype: input.experts.dtype(),
        };
        let size = self.route_workspace(config, shape).unwrap();
        let mut lent = Lent::new(size, options);
        let mut ids = Output::new(rows, top_k, options.pad, UNWRITTEN_ID);
        let mut weights = Output::new(rows, top_k, options.pad, UNWRITTEN);
        let mut scores =
            options.scores.then(|| Output::new(rows, config.num_experts(), options.pad, UNWRITTEN));
        let out = RouteOut {
            ids: ids.view(),
            weights: weights.view(),
            scores: scores.as_mut().map(Output::view),
        };
        Backend::route(self, config, &prepared, args, out, lent.workspace(size)).unwrap();
        lent.check(size, options);
        Routed { ids: ids.take(), weights: weights.take(), scores: scores.map(Output::take), top_k }
    }

    fn select_with(
        &self,
        config: &RouterConfig,
        input: &SelectInput,
        options: Options,
    ) -> Selected {
        let (rows, top_k) = (input.logits.rows, config.top_k());
        let num_tokens = input.num_tokens.map(|n| [n]);
        let args = SelectArgs {
            logits: input.logits.view(),
            bias: input.bias.as_deref().map(VectorRef::new),
            num_tokens: num_tokens.as_ref().map(|n| VectorRef::new(n)),
        };
        let shape = SelectShape { tokens: rows, dtype: input.logits.dtype() };
        let size = self.select_workspace(config, shape).unwrap();
        let mut lent = Lent::new(size, options);
        let mut ids = Output::new(rows, top_k, options.pad, UNWRITTEN_ID);
        let mut weights = Output::new(rows, top_k, options.pad, UNWRITTEN);
        let out = SelectOut { ids: ids.view(), weights: weights.view() };
        Backend::select(self, config, args, out, lent.workspace(size)).unwrap();
        lent.check(size, options);
        Selected { ids: ids.take(), weights: weights.take(), top_k }
    }
}
