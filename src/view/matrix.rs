//! Row-major matrices with a row stride.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use super::space::{Host, Space};
use crate::element::Scalar;
use crate::error::{Error, Result};

/// A shared view of a row-major `[rows, cols]` matrix.
pub struct MatrixRef<'a, T, S: Space = Host> {
    ptr: *const T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    memory: PhantomData<(&'a [T], S)>,
}

/// An exclusive view of a row-major `[rows, cols]` matrix.
pub struct MatrixMut<'a, T, S: Space = Host> {
    ptr: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    memory: PhantomData<(&'a mut [T], S)>,
}

// SAFETY: a MatrixRef is a shared borrow of T's; it may cross threads exactly when &[T] may.
unsafe impl<T: Sync, S: Space> Send for MatrixRef<'_, T, S> {}
// SAFETY: as above.
unsafe impl<T: Sync, S: Space> Sync for MatrixRef<'_, T, S> {}
// SAFETY: a MatrixMut is an exclusive borrow of T's; it may cross threads exactly when &mut [T] may.
unsafe impl<T: Send, S: Space> Send for MatrixMut<'_, T, S> {}
// SAFETY: a shared MatrixMut gives out nothing but &[T].
unsafe impl<T: Sync, S: Space> Sync for MatrixMut<'_, T, S> {}

impl<T, S: Space> Clone for MatrixRef<'_, T, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, S: Space> Copy for MatrixRef<'_, T, S> {}

impl<T, S: Space> std::fmt::Debug for MatrixRef<'_, T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = std::any::type_name::<T>();
        write!(f, "MatrixRef<{name}>[{}, {}; stride {}]", self.rows, self.cols, self.row_stride)
    }
}

impl<T, S: Space> std::fmt::Debug for MatrixMut<'_, T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = std::any::type_name::<T>();
        write!(f, "MatrixMut<{name}>[{}, {}; stride {}]", self.rows, self.cols, self.row_stride)
    }
}

/// Elements from the first to one past the last of `[rows, cols]`, refused where that, in bytes,
/// is more than memory can hold.
fn extent(rows: usize, cols: usize, row_stride: usize, element_size: usize) -> Result<usize> {
    if row_stride < cols {
        return Err(Error::InvalidStride {
            argument: "row_stride",
            expected: format!("at least cols = {cols}"),
            found: row_stride.to_string(),
        });
    }
    if rows == 0 || cols == 0 {
        return Ok(0);
    }
    let elements = (rows - 1).checked_mul(row_stride).and_then(|n| n.checked_add(cols));
    match elements {
        Some(n) if n.checked_mul(element_size).is_some_and(|b| b <= isize::MAX as usize) => Ok(n),
        _ => Err(Error::size(
            "rows",
            "a matrix that fits the address space",
            format!("[{rows}, {cols}] with row stride {row_stride}"),
        )),
    }
}

fn check_len(len: usize, rows: usize, cols: usize, stride: usize, size: usize) -> Result<()> {
    let needed = extent(rows, cols, stride, size)?;
    let fits = if stride == cols { len == needed } else { len >= needed };
    if fits {
        return Ok(());
    }
    let expected = format!("{needed} elements for [{rows}, {cols}] with row stride {stride}");
    Err(Error::shape("data", expected, format!("{len} elements")))
}

macro_rules! accessors {
    ($name:ident) => {
        impl<T: Scalar, S: Space> $name<'_, T, S> {
            /// Number of rows.
            #[must_use]
            pub const fn rows(&self) -> usize {
                self.rows
            }

            /// Number of columns.
            #[must_use]
            pub const fn cols(&self) -> usize {
                self.cols
            }

            /// Elements from the start of one row to the start of the next.
            #[must_use]
            pub const fn row_stride(&self) -> usize {
                self.row_stride
            }

            /// Address of the first element.
            #[must_use]
            pub const fn as_ptr(&self) -> *const T {
                self.ptr
            }

            /// Elements from the first to one past the last, gaps between rows included.
            #[must_use]
            pub const fn extent(&self) -> usize {
                if self.rows == 0 || self.cols == 0 {
                    return 0;
                }
                (self.rows - 1) * self.row_stride + self.cols
            }
        }
    };
}
accessors!(MatrixRef);
accessors!(MatrixMut);

impl<'a, T: Scalar, S: Space> MatrixRef<'a, T, S> {
    /// A view of memory that the type system does not know, for instance a device's.
    ///
    /// # Errors
    /// [`Error::InvalidStride`] if `row_stride < cols`, [`Error::SizeNotSupported`] if the last
    /// element lies beyond the address space.
    ///
    /// # Safety
    /// For the view's life, and on a device until the work submitted with it is done, `ptr` is
    /// aligned to `T` and every element of every row lies in memory of `S` that nothing writes.
    pub unsafe fn from_raw_parts(
        ptr: *const T,
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Result<Self> {
        extent(rows, cols, row_stride, size_of::<T>())?;
        Ok(Self { ptr, rows, cols, row_stride, memory: PhantomData })
    }

    /// Rows `start .. start + rows`, cut off at the last row.
    #[must_use]
    pub fn row_range(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.rows);
        let rows = rows.min(self.rows - start);
        let offset = if rows == 0 || self.cols == 0 { 0 } else { start * self.row_stride };
        // wrapping_add: device addresses belong to no allocation of this process.
        Self { ptr: self.ptr.wrapping_add(offset), rows, ..*self }
    }
}

impl<T: Scalar, S: Space> MatrixMut<'_, T, S> {
    /// A view of memory that the type system does not know, for instance a device's.
    ///
    /// # Errors
    /// [`Error::InvalidStride`] if `row_stride < cols`, [`Error::SizeNotSupported`] if the last
    /// element lies beyond the address space.
    ///
    /// # Safety
    /// For the view's life, and on a device until the work submitted with it is done, `ptr` is
    /// aligned to `T` and every element of every row lies in memory of `S` that only this view, or
    /// work submitted after it to the same stream, reads or writes.
    pub unsafe fn from_raw_parts(
        ptr: *mut T,
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Result<Self> {
        extent(rows, cols, row_stride, size_of::<T>())?;
        Ok(Self { ptr, rows, cols, row_stride, memory: PhantomData })
    }

    /// Address of the first element.
    #[must_use]
    pub const fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr
    }

    /// A shorter exclusive borrow of the same elements.
    #[must_use]
    pub fn reborrow(&mut self) -> MatrixMut<'_, T, S> {
        MatrixMut { ptr: self.ptr, memory: PhantomData, ..*self }
    }

    /// A shorter shared borrow of the same elements.
    #[must_use]
    pub fn as_ref(&self) -> MatrixRef<'_, T, S> {
        MatrixRef {
            ptr: self.ptr,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            memory: PhantomData,
        }
    }
}

impl<'a, T: Scalar> MatrixRef<'a, T, Host> {
    /// A `[rows, cols]` matrix without gaps: `data` holds exactly its elements.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if `data` has another length, [`Error::SizeNotSupported`] if
    /// `rows * cols` overflows.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Result<Self> {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// A `[rows, cols]` matrix whose rows start `row_stride` elements apart.
    ///
    /// # Errors
    /// [`Error::InvalidStride`] if `row_stride < cols`, [`Error::ShapeMismatch`] if `data` is too
    /// short (or, with `row_stride == cols`, of another length), [`Error::SizeNotSupported`] if the
    /// extent overflows.
    pub fn with_row_stride(
        data: &'a [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Result<Self> {
        check_len(data.len(), rows, cols, row_stride, size_of::<T>())?;
        Ok(Self { ptr: data.as_ptr(), rows, cols, row_stride, memory: PhantomData })
    }

    /// The same elements in the same order, as one row where there are no gaps.
    pub(crate) fn flattened(self) -> Self {
        if self.row_stride != self.cols || self.rows == 0 {
            return self;
        }
        let cols = self.rows * self.cols;
        Self { rows: 1, cols, row_stride: cols, ..self }
    }

    /// Row `index`: [`cols`](Self::cols) elements.
    ///
    /// # Panics
    /// If there are no more than `index` rows.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn row(&self, index: usize) -> &'a [T] {
        assert!(index < self.rows, "row {index} of a matrix of {} rows", self.rows);
        if self.cols == 0 {
            return &[];
        }
        // SAFETY: the constructor vouched for `cols` shared elements at every row below `rows`.
        unsafe { std::slice::from_raw_parts(self.ptr.add(index * self.row_stride), self.cols) }
    }
}

impl<'a, T: Scalar> MatrixMut<'a, T, Host> {
    /// A `[rows, cols]` matrix without gaps: `data` holds exactly its elements.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if `data` has another length, [`Error::SizeNotSupported`] if
    /// `rows * cols` overflows.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Result<Self> {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// A `[rows, cols]` matrix whose rows start `row_stride` elements apart. Elements between the
    /// rows are never touched.
    ///
    /// # Errors
    /// [`Error::InvalidStride`] if `row_stride < cols`, [`Error::ShapeMismatch`] if `data` is too
    /// short (or, with `row_stride == cols`, of another length), [`Error::SizeNotSupported`] if the
    /// extent overflows.
    pub fn with_row_stride(
        data: &'a mut [T],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Result<Self> {
        check_len(data.len(), rows, cols, row_stride, size_of::<T>())?;
        Ok(Self { ptr: data.as_mut_ptr(), rows, cols, row_stride, memory: PhantomData })
    }

    /// Row `index`: [`cols`](Self::cols) elements.
    ///
    /// # Panics
    /// If there are no more than `index` rows.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn row_mut(&mut self, index: usize) -> &mut [T] {
        assert!(index < self.rows, "row {index} of a matrix of {} rows", self.rows);
        if self.cols == 0 {
            return &mut [];
        }
        // SAFETY: the constructor vouched for `cols` exclusive elements at every row below `rows`;
        // the result borrows `self`.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(index * self.row_stride), self.cols) }
    }

    /// Consecutive blocks of `rows` rows (the last may be shorter), for threads to share.
    #[must_use]
    pub fn into_row_chunks(self, rows: usize) -> RowChunksMut<'a, T> {
        RowChunksMut { rest: self, rows: rows.max(1) }
    }
}

/// Iterator over disjoint blocks of rows: see [`MatrixMut::into_row_chunks`].
pub struct RowChunksMut<'a, T> {
    rest: MatrixMut<'a, T, Host>,
    rows: usize,
}

impl<'a, T: Scalar> Iterator for RowChunksMut<'a, T> {
    type Item = MatrixMut<'a, T, Host>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.rows == 0 {
            return None;
        }
        let rows = self.rows.min(self.rest.rows);
        let rest_rows = self.rest.rows - rows;
        let last = rest_rows == 0 || self.rest.cols == 0;
        let offset = if last { 0 } else { rows * self.rest.row_stride };
        let head = MatrixMut { ptr: self.rest.ptr, rows, memory: PhantomData, ..self.rest };
        self.rest.rows = rest_rows;
        // The two views share no row, so both stay exclusive.
        self.rest.ptr = self.rest.ptr.wrapping_add(offset);
        Some(head)
    }
}
