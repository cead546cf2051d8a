//! A tensor as the rows of a matrix.

use candle_core::{DType, Layout, StorageRef, Tensor};
use cosmoe::{MatrixRef, Scalar, Space, VectorRef};

use super::check;
use crate::error::{self, Result};
use crate::memory::Place;
use crate::raw;

/// A tensor `[..., columns]` as `[rows, columns]`.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    tensor: Tensor,
    matrix: Matrix,
}

/// Where a matrix is in its storage, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Matrix {
    rows: usize,
    cols: usize,
    row_stride: usize,
    start: usize,
}

impl Rows {
    /// A tensor of two dimensions or more.
    pub(crate) fn new(
        argument: &'static str,
        tensor: &Tensor,
        place: &Place,
        dtypes: &[DType],
    ) -> Result<Self> {
        check(argument, tensor, place, dtypes)?;
        let dims = tensor.dims();
        let shape = || format!("{dims:?}");
        if dims.len() < 2 {
            return Err(error::shape(argument, "[.., rows, columns]", shape()));
        }
        // Broadcasting makes tensors that are larger than memory.
        if dims.iter().try_fold(1_usize, |len, &dim| len.checked_mul(dim)).is_none() {
            return Err(error::size(argument, shape()));
        }
        let tensor = tensor.detach();
        if let Some(matrix) = Matrix::in_place(tensor.layout()) {
            return Ok(Self { tensor, matrix });
        }
        let tensor = tensor.contiguous()?;
        let matrix = Matrix::packed(tensor.layout());
        Ok(Self { tensor, matrix })
    }

    pub(crate) fn rows(&self) -> usize {
        self.matrix.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.matrix.cols
    }

    /// Fails unless there are so many rows and columns.
    pub(crate) fn check(&self, argument: &'static str, expected: (usize, usize)) -> Result<()> {
        let found = (self.matrix.rows, self.matrix.cols);
        if expected == found {
            return Ok(());
        }
        let list = |(rows, cols)| format!("[{rows}, {cols}]");
        Err(error::shape(argument, list(expected), list(found)))
    }

    /// The tensor's dtype, where it is one of the floats.
    pub(crate) fn float(&self) -> cosmoe::DType {
        match self.tensor.dtype() {
            DType::BF16 => cosmoe::DType::BF16,
            DType::F16 => cosmoe::DType::F16,
            _ => cosmoe::DType::F32,
        }
    }

    /// The tensor's dimensions, but for the last one, which becomes `cols`.
    pub(crate) fn shape(&self, cols: usize) -> Vec<usize> {
        let dims = self.tensor.dims();
        let leading = dims.split_last().map_or(dims, |(_, leading)| leading);
        leading.iter().copied().chain([cols]).collect()
    }

    /// Keeps writers away until it is dropped.
    pub(crate) fn storage(&self) -> StorageRef<'_> {
        self.tensor.storage_and_layout().0
    }

    pub(crate) fn view<'a, T: Scalar, S: Space>(
        &self,
        storage: VectorRef<'a, T, S>,
    ) -> Result<MatrixRef<'a, T, S>> {
        let Matrix { rows, cols, row_stride, start } = self.matrix;
        let empty = rows == 0 || cols == 0;
        let extent = if empty { 0 } else { (rows - 1) * row_stride + cols };
        let elements = raw::part(storage, start..start + extent)?;
        Ok(raw::matrix(elements, (rows, cols), row_stride)?)
    }
}

impl Matrix {
    /// The rows of a layout as it is; none where columns are apart, rows overlap, or the leading
    /// dimensions do not step as one.
    fn in_place(layout: &Layout) -> Option<Self> {
        let packed = Self::packed(layout);
        let (_, leading) = layout.dims().split_last()?;
        let (&col_stride, strides) = layout.stride().split_last()?;
        if packed.rows == 0 || packed.cols == 0 {
            // It may start beyond its storage's end.
            return Some(Self { start: 0, ..packed });
        }
        if packed.cols > 1 && col_stride != 1 {
            return None;
        }
        // A dimension of size 1 is never stepped over, and its stride can be any number.
        let mut steps = leading.iter().zip(strides).rev().filter(|&(&len, _)| len > 1);
        let Some((&len, &row_stride)) = steps.next() else { return Some(packed) };
        let mut all = len * row_stride;
        for (&len, &stride) in steps {
            if stride != all {
                return None;
            }
            all = len * stride;
        }
        (row_stride >= packed.cols).then_some(Self { row_stride, ..packed })
    }

    /// Rows without gaps.
    fn packed(layout: &Layout) -> Self {
        let (cols, leading) = match layout.dims() {
            [leading @ .., cols] => (*cols, leading),
            [] => (1, &[][..]),
        };
        let rows = leading.iter().product();
        Self { rows, cols, row_stride: cols, start: layout.start_offset() }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Storage};

    use super::*;

    /// The rows as taken, and whether the tensor's own memory was.
    fn taken(tensor: &Tensor) -> (Vec<Vec<f32>>, bool) {
        let place = Place::Host(std::sync::Arc::default());
        let rows = Rows::new("tokens", tensor, &place, &[DType::F32]).unwrap();
        let address = |storage: &Storage| match storage {
            Storage::Cpu(storage) => storage.as_slice::<f32>().unwrap().as_ptr(),
            _ => panic!("a CPU tensor"),
        };
        let in_place = {
            let (original, _) = tensor.storage_and_layout();
            address(&original) == address(&rows.storage())
        };
        let storage = rows.storage();
        let Storage::Cpu(storage) = &*storage else { panic!("a CPU tensor") };
        let view = rows.view(VectorRef::new(storage.as_slice::<f32>().unwrap())).unwrap();
        assert_eq!((view.rows(), view.cols()), (rows.rows(), rows.cols()));
        let found = (0..view.rows()).map(|row| view.row(row).to_vec()).collect();
        (found, in_place)
    }

    /// What candle says the rows are.
    fn expected(tensor: &Tensor) -> Vec<Vec<f32>> {
        let cols = tensor.dim(candle_core::D::Minus1).unwrap();
        let rows = tensor.elem_count().checked_div(cols).unwrap_or(0);
        tensor.force_contiguous().unwrap().reshape((rows, cols)).unwrap().to_vec2().unwrap()
    }

    fn cube() -> Tensor {
        let all = Tensor::arange(0_f32, 60.0, &Device::Cpu).unwrap();
        all.reshape((3, 4, 5)).unwrap()
    }

    #[track_caller]
    fn check_rows(tensor: candle_core::Result<Tensor>, in_place: bool) {
        let tensor = tensor.unwrap();
        let (found, was) = taken(&tensor);
        assert_eq!(found, expected(&tensor), "{:?}", tensor.layout());
        assert_eq!(was, in_place, "{:?}", tensor.layout());
    }

    #[test]
    fn rows_of_contiguous_columns_are_taken_where_they_are() {
        check_rows(Ok(cube()), true);
        check_rows(cube().get(1), true);
        check_rows(cube().get(1).unwrap().narrow(0, 1, 2), true);
        check_rows(cube().get(1).unwrap().narrow(1, 2, 3), true);
        check_rows(cube().narrow(2, 1, 3), true);
        check_rows(cube().narrow(1, 2, 1), true);
        check_rows(cube().narrow(0, 2, 1).unwrap().narrow(1, 1, 3), true);
        check_rows(cube().get_on_dim(1, 3), true);
        // Three leading dimensions that step as one.
        check_rows(cube().reshape((3, 2, 2, 5)), true);
        check_rows(cube().reshape((3, 2, 2, 5)).unwrap().narrow(3, 1, 3), true);
        // One column: its stride says nothing.
        check_rows(cube().get(2).unwrap().narrow(1, 4, 1), true);
        check_rows(cube().narrow(2, 4, 1), true);
    }

    #[test]
    fn strides_of_dimensions_of_size_one_say_nothing() {
        let row = cube().get(1).unwrap().narrow(0, 2, 1).unwrap();
        check_rows(Ok(row.clone()), true);
        check_rows(row.unsqueeze(0), true);
        check_rows(row.unsqueeze(1), true);
        check_rows(row.squeeze(0).unwrap().broadcast_as((1, 5)), true);
        check_rows(cube().narrow(1, 2, 1).unwrap().transpose(0, 1), true);
        check_rows(cube().narrow(2, 2, 1).unwrap().narrow(1, 0, 1).unwrap().t(), true);
    }

    #[test]
    fn other_layouts_are_copied() {
        check_rows(cube().get(0).unwrap().t(), false);
        check_rows(cube().t(), false);
        check_rows(cube().transpose(0, 1), false);
        check_rows(cube().narrow(1, 1, 2), false);
        // Columns apart, of rows that do not overlap.
        check_rows(cube().get_on_dim(2, 1), false);
        check_rows(cube().get(0).unwrap().get(1).unwrap().broadcast_as((7, 5)), false);
        check_rows(cube().get(1).unwrap().narrow(1, 1, 1).unwrap().broadcast_as((4, 3)), false);
        check_rows(cube().get(1).unwrap().broadcast_as((2, 4, 5)), false);
        let one = cube().get(1).unwrap().get(1).unwrap().get(1).unwrap();
        check_rows(one.broadcast_as((3, 1)), false);
    }

    #[test]
    fn no_rows_and_no_columns() {
        for tensor in [
            cube().narrow(1, 4, 0),
            cube().narrow(2, 5, 0),
            cube().narrow(0, 3, 0),
            cube().narrow(0, 3, 0).unwrap().narrow(2, 3, 2),
            cube().narrow(0, 3, 0).unwrap().t(),
        ] {
            let tensor = tensor.unwrap();
            let rows = tensor.dims()[..2].iter().product::<usize>();
            let (found, in_place) = taken(&tensor);
            assert_eq!(found, vec![vec![0_f32; tensor.dims()[2]]; rows]);
            assert!(in_place);
        }
    }

    #[test]
    fn what_is_kept_is_part_of_no_graph() {
        let place = Place::Host(std::sync::Arc::default());
        let var = candle_core::Var::from_tensor(&cube()).unwrap();
        for tensor in [var.as_tensor().clone(), var.t().unwrap(), var.get(1).unwrap()] {
            let rows = Rows::new("experts", &tensor, &place, &[DType::F32]).unwrap();
            assert!(tensor.track_op() && !rows.tensor.track_op());
        }
    }

    #[test]
    fn a_view_larger_than_memory_is_refused() {
        let place = Place::Host(std::sync::Arc::default());
        let large = cube().get(0).unwrap().broadcast_as((1 << 31, 1 << 31, 4, 5)).unwrap();
        let error = Rows::new("tokens", &large, &place, &[DType::F32]).unwrap_err().to_string();
        let expected = "tokens: size not supported: expected a tensor that fits the address space, \
                        found [2147483648, 2147483648, 4, 5]";
        assert_eq!(error, expected);
    }
}
