//! All unsafe code of this crate: parts of views, and memory of any content on a device.
#![allow(unsafe_code)]

use std::ops::Range;

use cosmoe::{Error, MatrixMut, MatrixRef, Result, Scalar, Space, VectorMut, VectorRef};

/// Elements `range` of a vector.
pub(crate) fn part<T: Scalar, S: Space>(
    whole: VectorRef<'_, T, S>,
    range: Range<usize>,
) -> Result<VectorRef<'_, T, S>> {
    if range.start > range.end || range.end > whole.len() {
        return Err(beyond(whole.len(), &range));
    }
    // wrapping_add: a device's address belongs to no allocation of this process.
    let first = whole.as_ptr().wrapping_add(range.start);
    // SAFETY: these elements are among those that `whole` vouches for, and for as long.
    Ok(unsafe { VectorRef::from_raw_parts(first, range.len()) })
}

/// The same elements as rows that start `row_stride` apart.
pub(crate) fn matrix<T: Scalar, S: Space>(
    elements: VectorRef<'_, T, S>,
    (rows, cols): (usize, usize),
    row_stride: usize,
) -> Result<MatrixRef<'_, T, S>> {
    // SAFETY: the elements are those that `elements` vouches for: that there are enough is checked
    // before anyone gets the view.
    let view = unsafe { MatrixRef::from_raw_parts(elements.as_ptr(), rows, cols, row_stride) }?;
    if view.extent() > elements.len() {
        return Err(beyond(elements.len(), &(0..view.extent())));
    }
    Ok(view)
}

/// The first elements as rows without gaps, to be written.
pub(crate) fn matrix_mut<T: Scalar, S: Space>(
    mut elements: VectorMut<'_, T, S>,
    (rows, cols): (usize, usize),
) -> Result<MatrixMut<'_, T, S>> {
    let len = elements.len();
    // SAFETY: as for `matrix`; `elements` is consumed, so that this view is the only one.
    let view = unsafe { MatrixMut::from_raw_parts(elements.as_mut_ptr(), rows, cols, cols) }?;
    if view.extent() > len {
        return Err(beyond(len, &(0..view.extent())));
    }
    Ok(view)
}

/// Vectors of these lengths, one after the other from the first element on.
pub(crate) fn split<T: Scalar, S: Space, const N: usize>(
    mut whole: VectorMut<'_, T, S>,
    lens: [usize; N],
) -> Result<[VectorMut<'_, T, S>; N]> {
    let total = lens.iter().try_fold(0_usize, |sum, &len| sum.checked_add(len));
    match total {
        Some(total) if total <= whole.len() => {}
        _ => return Err(beyond(whole.len(), &(0..total.unwrap_or(usize::MAX)))),
    }
    let mut first = whole.as_mut_ptr();
    Ok(lens.map(|len| {
        let start = first;
        first = first.wrapping_add(len);
        // SAFETY: these elements are among those that `whole` vouches for, and for as long; `whole` is
        // consumed and no two parts share one.
        unsafe { VectorMut::from_raw_parts(start, len) }
    }))
}

/// The same 32 bits, read as signed: 2^32 - 1 is -1.
pub(crate) fn signed<S: Space>(ids: VectorRef<'_, u32, S>) -> VectorRef<'_, i32, S> {
    // SAFETY: the elements are those that `ids` vouches for; i32 has u32's size and alignment, and
    // every bit pattern is one.
    unsafe { VectorRef::from_raw_parts(ids.as_ptr().cast(), ids.len()) }
}

/// `len` elements of any content, in memory that candle allocates in the order of the device's stream.
#[cfg(feature = "cuda")]
pub(crate) fn device_memory<T: Scalar + candle_core::cuda::cudarc::driver::DeviceRepr>(
    device: &candle_core::CudaDevice,
    len: usize,
) -> candle_core::Result<candle_core::cuda::cudarc::driver::CudaSlice<T>> {
    // SAFETY: every bit pattern is a value of a `Scalar`, and what is allocated here is written before it
    // is read: outputs by the call that they are made for, or they are dropped; scratch by its kernels.
    unsafe { device.alloc(len) }
}

/// The same memory, written as signed numbers.
#[cfg(feature = "cuda")]
pub(crate) fn signed_mut(
    numbers: &mut candle_core::cuda::cudarc::driver::CudaSlice<u32>,
) -> Option<candle_core::cuda::cudarc::driver::CudaViewMut<'_, i32>> {
    let len = numbers.len();
    // SAFETY: as for `signed`.
    unsafe { numbers.transmute_mut(len) }
}

fn beyond(len: usize, range: &Range<usize>) -> Error {
    let expected = format!("elements below {len}");
    let found = format!("elements {} .. {}", range.start, range.end);
    Error::ShapeMismatch { argument: "storage", expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_inside_the_whole() {
        let data = [1_u32, 2, 3, 4, 5, u32::MAX];
        let whole = VectorRef::new(&data);
        let tail = part(whole, 4..6).unwrap();
        assert_eq!(signed(tail).as_slice(), [5, -1]);
        assert!(part(whole, 6..6).unwrap().is_empty());
        let reversed = Range { start: 3, end: 2 };
        for range in [5..7, 7..7, reversed] {
            assert!(part(whole, range).is_err());
        }
        let error = part(whole, 5..7).unwrap_err().to_string();
        assert_eq!(error, "storage: expected shape elements below 6, found elements 5 .. 7");
    }

    #[test]
    fn rows_lie_inside_the_elements() {
        let data = [1_i32, 2, 3, 4, 5];
        let view = matrix(VectorRef::new(&data), (2, 2), 3).unwrap();
        assert_eq!((view.row(0), view.row(1)), (&data[..2], &data[3..]));
        assert!(matrix(VectorRef::new(&data), (3, 2), 2).is_err());
        assert!(matrix(VectorRef::new(&data), (2, 2), 1).is_err());
        let mut data = [0_i32; 5];
        assert!(matrix_mut(VectorMut::new(&mut data), (3, 2)).is_err());
        matrix_mut(VectorMut::new(&mut data), (2, 2)).unwrap().row_mut(1).fill(7);
        assert_eq!(data, [0, 0, 7, 7, 0]);
    }

    #[test]
    fn split_parts_are_apart() {
        let mut data = [0_i32; 5];
        let [a, b, c] = split(VectorMut::new(&mut data), [2, 0, 2]).unwrap();
        a.into_slice().fill(1);
        c.into_slice().fill(3);
        assert!(b.is_empty());
        assert_eq!(data, [1, 1, 3, 3, 0]);
        assert!(split(VectorMut::new(&mut data), [3, 3]).is_err());
        assert!(split(VectorMut::new(&mut data), [usize::MAX, 1]).is_err());
    }
}
