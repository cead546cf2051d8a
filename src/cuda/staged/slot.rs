//! Device memory that grows with what is put into it.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::Arc;

use half::{bf16, f16};

use crate::cuda::driver::{Context, DeviceMemory};
use crate::element::{DType, Scalar};
use crate::error::Result;
use crate::view::{CudaSpace, FloatMatrixRef, MatrixMut, MatrixRef, VectorMut, VectorRef, each};

/// Room for one argument. Its context is given with every call and always the same.
#[derive(Debug, Default)]
pub(super) struct Slot {
    memory: Option<DeviceMemory>,
}

impl Slot {
    /// At least `bytes` of any content.
    pub(super) fn grow(&mut self, context: &Arc<Context>, bytes: usize) -> Result<()> {
        let has = self.memory.as_ref().map_or(0, DeviceMemory::bytes);
        if bytes > has {
            // What there was goes first: both may be too much.
            self.memory = None;
            self.memory = Some(DeviceMemory::new(context, bytes)?);
        }
        Ok(())
    }

    /// The start of at least as many elements as `grow` was last asked for.
    fn start<T>(&self) -> *mut T {
        let address = self.memory.as_ref().map(DeviceMemory::address);
        // Addresses of the device are numbers here: no object of this process is behind them.
        address.map_or(ptr::dangling_mut(), |at| ptr::without_provenance_mut(at as usize))
    }

    fn write<T: Scalar>(&mut self, context: &Arc<Context>, values: &[T]) -> Result<()> {
        self.grow(context, size_of_val(values))?;
        match &mut self.memory {
            Some(memory) => memory.write(bytemuck::cast_slice(values)),
            None => Ok(()),
        }
    }

    /// A copy of a matrix, without gaps between its rows.
    pub(super) fn matrix<'a, T: Scalar>(
        &'a mut self,
        context: &Arc<Context>,
        from: MatrixRef<'_, T>,
    ) -> Result<MatrixRef<'a, T, CudaSpace>> {
        let (rows, cols) = (from.rows(), from.cols());
        let whole = from.flattened();
        if whole.rows() == 1 {
            self.write(context, whole.row(0))?;
        } else {
            let packed: Vec<T> = (0..rows).flat_map(|r| from.row(r).iter().copied()).collect();
            self.write(context, &packed)?;
        }
        // SAFETY: the elements were just written, the allocation is aligned to any element, and the
        // view borrows this slot, which keeps it.
        unsafe { MatrixRef::from_raw_parts(self.start(), rows, cols, cols) }
    }

    /// The same of any element type.
    pub(super) fn floats<'a>(
        &'a mut self,
        context: &Arc<Context>,
        from: FloatMatrixRef<'_>,
    ) -> Result<FloatMatrixRef<'a, CudaSpace>> {
        Ok(each!(from, view => self.matrix(context, view)?.into()))
    }

    /// What [`floats`](Self::floats) has copied last, of this type and shape.
    pub(super) fn floats_there(
        &self,
        dtype: DType,
        (rows, cols): (usize, usize),
    ) -> Result<FloatMatrixRef<'_, CudaSpace>> {
        // SAFETY: as for `matrix`; callers ask for what they have put here.
        Ok(unsafe {
            match dtype {
                DType::BF16 => {
                    MatrixRef::<bf16, _>::from_raw_parts(self.start(), rows, cols, cols)?.into()
                }
                DType::F16 => {
                    MatrixRef::<f16, _>::from_raw_parts(self.start(), rows, cols, cols)?.into()
                }
                // The only others are f32.
                _ => MatrixRef::<f32, _>::from_raw_parts(self.start(), rows, cols, cols)?.into(),
            }
        })
    }

    /// A copy of a vector.
    pub(super) fn vector<'a, T: Scalar>(
        &'a mut self,
        context: &Arc<Context>,
        from: VectorRef<'_, T>,
    ) -> Result<VectorRef<'a, T, CudaSpace>> {
        self.write(context, from.as_slice())?;
        // SAFETY: as for `matrix`.
        Ok(unsafe { VectorRef::from_raw_parts(self.start(), from.len()) })
    }

    /// Room for a vector of any content.
    pub(super) fn room<'a, T: Scalar>(
        &'a mut self,
        context: &Arc<Context>,
        len: usize,
    ) -> Result<VectorMut<'a, T, CudaSpace>> {
        self.grow(context, len * size_of::<T>())?;
        // SAFETY: as for `matrix`, and the view borrows the slot for itself.
        Ok(unsafe { VectorMut::from_raw_parts(self.start(), len) })
    }

    /// Room for a matrix of any content.
    pub(super) fn matrix_room<'a, T: Scalar>(
        &'a mut self,
        context: &Arc<Context>,
        (rows, cols): (usize, usize),
    ) -> Result<MatrixMut<'a, T, CudaSpace>> {
        self.grow(context, rows * cols * size_of::<T>())?;
        // SAFETY: as for `room`.
        unsafe { MatrixMut::from_raw_parts(self.start(), rows, cols, cols) }
    }

    /// Copies elements back, which calls have written.
    pub(super) fn read<T: Scalar>(&self, to: &mut [T]) -> Result<()> {
        match &self.memory {
            Some(memory) if !to.is_empty() => memory.read(bytemuck::cast_slice_mut(to)),
            _ => Ok(()),
        }
    }

    /// Copies a matrix back, row by row where the host's rows have gaps.
    pub(super) fn read_matrix<T: Scalar>(&self, mut to: MatrixMut<'_, T>) -> Result<()> {
        let (rows, cols) = (to.rows(), to.cols());
        if cols == 0 {
            return Ok(());
        }
        let mut packed = vec![T::zeroed(); rows * cols];
        self.read(&mut packed)?;
        for (r, row) in packed.chunks_exact(cols).enumerate() {
            to.row_mut(r).copy_from_slice(row);
        }
        Ok(())
    }
}
