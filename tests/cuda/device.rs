//! Rows on the device: copies in, runs, copies out.

use cosmoe::cuda::{Buffer, Cuda};
use cosmoe::{Backend, CombineArgs, CudaSpace, Element, GatherArgs, MatrixMut, MatrixRef, Scalar};

use crate::common::rows::{Laid, Layout, RowRunner, rows_of};

/// Why nothing can run here.
pub(crate) fn missing() -> Option<String> {
    Cuda::new(0).err().map(|error| error.to_string())
}

/// A new stream on the first device.
pub(crate) fn cuda() -> Cuda {
    Cuda::new(0).unwrap()
}

/// Runs the cases of `common/row_cases.rs`.
pub(crate) struct OnDevice(pub(crate) Cuda);

impl RowRunner for OnDevice {
    fn run_gather<T: Scalar>(
        &self,
        tokens: &[Vec<T>],
        width: usize,
        assignment_of_row: &[i32],
        top_k: usize,
        layout: Layout,
    ) -> Vec<Vec<T>> {
        let from = Laid::new(tokens, width, layout);
        let mut to = Laid::unwritten(assignment_of_row.len(), width, layout);
        let source = Buffer::new(&self.0, &from.data).unwrap();
        let map = Buffer::new(&self.0, assignment_of_row).unwrap();
        let mut grouped = Buffer::new(&self.0, &to.data).unwrap();
        let args = GatherArgs {
            tokens: view(&source, &from),
            assignment_of_row: map.vector(0..map.len()).unwrap(),
            top_k,
        };
        self.0.gather(args, view_mut(&mut grouped, &to)).unwrap();
        to.data = grouped.read().unwrap();
        to.into_rows()
    }

    fn run_combine<T: Element>(
        &self,
        grouped: &[Vec<T>],
        width: usize,
        row_of_assignment: &[i32],
        weights: &[f32],
        top_k: usize,
        layout: Layout,
    ) -> Vec<Vec<T>> {
        let tokens = weights.len().checked_div(top_k).unwrap_or(0);
        let from = Laid::new(grouped, width, layout);
        let weights = Laid::new(&rows_of(weights, top_k), top_k, layout);
        let mut to = Laid::unwritten(tokens, width, layout);
        let source = Buffer::new(&self.0, &from.data).unwrap();
        let map = Buffer::new(&self.0, row_of_assignment).unwrap();
        let factors = Buffer::new(&self.0, &weights.data).unwrap();
        let mut out = Buffer::new(&self.0, &to.data).unwrap();
        let args = CombineArgs {
            grouped: view(&source, &from),
            row_of_assignment: map.vector(0..map.len()).unwrap(),
            weights: view(&factors, &weights),
        };
        self.0.combine(args, view_mut(&mut out, &to)).unwrap();
        to.data = out.read().unwrap();
        to.into_rows()
    }
}

pub(crate) fn view<'a, T: Scalar>(
    buffer: &'a Buffer<T>,
    laid: &Laid<T>,
) -> MatrixRef<'a, T, CudaSpace> {
    buffer.matrix(laid.start, (laid.rows, laid.width), laid.stride).unwrap()
}

pub(crate) fn view_mut<'a, T: Scalar>(
    buffer: &'a mut Buffer<T>,
    laid: &Laid<T>,
) -> MatrixMut<'a, T, CudaSpace> {
    buffer.matrix_mut(laid.start, (laid.rows, laid.width), laid.stride).unwrap()
}
