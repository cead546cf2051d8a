//! Tensors whose fields a fuzzer chose, and what a call has to make of them.

use std::ops::Range;
use std::ptr::null_mut;

use cosmoe_capi::fuzzing::{Elements, Parsed};
use cosmoe_capi::{DLDataType, DLDevice, DLTensor};

use crate::{Block, Bytes};

/// An element type of single elements.
#[must_use]
pub const fn dtype(code: u8, bits: u8) -> DLDataType {
    DLDataType { code, bits, lanes: 1 }
}

const BF16: DLDataType = dtype(4, 16);
const F16: DLDataType = dtype(2, 16);
pub(crate) const F32: DLDataType = dtype(2, 32);
pub(crate) const I32: DLDataType = dtype(0, 32);
pub(crate) const U32: DLDataType = dtype(1, 32);
pub(crate) const U8: DLDataType = dtype(1, 8);

/// More dimensions are never looked at, so that nobody needs their lengths.
const MOST_DIMENSIONS: i32 = 8;

/// A tensor with a shape and strides of exactly as many numbers as it has dimensions.
#[derive(Debug)]
pub struct Tensor {
    dl: Box<DLTensor>,
    shape: Block,
    strides: Block,
    /// Whether calls get an address of it that is none.
    is_askew: bool,
}

impl Tensor {
    /// A tensor without gaps in host memory.
    #[must_use]
    pub fn new(data: *mut u8, dtype: DLDataType, lengths: &[i64]) -> Self {
        let (shape, strides) = (Block::of(lengths), Block::of(&[]));
        let dl = DLTensor {
            data: data.cast(),
            device: DLDevice { device_type: 1, device_id: 0 },
            ndim: lengths.len() as i32,
            dtype,
            shape: shape.start().cast(),
            strides: null_mut(),
            byte_offset: 0,
        };
        Self { dl: Box::new(dl), shape, strides, is_askew: false }
    }

    /// What a call gets.
    #[must_use]
    pub fn raw(&self) -> *const DLTensor {
        let raw = &raw const *self.dl;
        if self.is_askew { raw.wrapping_byte_add(4) } else { raw }
    }

    /// The tensor as it is.
    #[must_use]
    pub fn dl(&self) -> &DLTensor {
        &self.dl
    }

    /// Puts it elsewhere.
    pub fn set_data(&mut self, data: *mut u8) {
        self.dl.data = data.cast();
    }

    fn reshape(&mut self, lengths: &[i64]) {
        self.shape = Block::of(lengths);
        self.dl.shape = self.shape.start().cast();
    }

    fn restride(&mut self, steps: &[i64]) {
        self.strides = Block::of(steps);
        self.dl.strides = self.strides.start().cast();
    }

    /// Changes the field that the input names.
    pub fn spoil(&mut self, data: &mut Bytes<'_>) {
        let dl = &mut *self.dl;
        match data.below(16) {
            0 => dl.data = null_mut(),
            1 => dl.data = dl.data.wrapping_byte_offset(data.number() as isize),
            2 => dl.byte_offset = data.number() as u64,
            3 => dl.device.device_type = data.number() as i32,
            4 => dl.device.device_id = data.number() as i32,
            5 => self.set_dimensions(data.number() as i32),
            6 => dl.dtype = [BF16, F16, F32, I32, U32, U8][data.below(6)],
            7 => dl.dtype.code = data.byte(),
            8 => dl.dtype.bits = data.byte(),
            9 => dl.dtype.lanes = data.number() as u16,
            10 => {
                let mut lengths = self.shape.numbers();
                if !lengths.is_empty() {
                    let axis = data.below(lengths.len());
                    lengths[axis] = data.number();
                }
                self.reshape(&lengths);
            }
            11 => {
                let steps: Vec<_> = self.shape.numbers().iter().map(|_| data.number()).collect();
                self.restride(&steps);
            }
            // Rows that are so much further apart than without gaps.
            12 => {
                let lengths = self.shape.numbers();
                let behind = lengths.iter().skip(1);
                let mut steps: Vec<_> =
                    behind.map(|length| length.saturating_add(data.number())).collect();
                if !lengths.is_empty() {
                    steps.push(1);
                }
                self.restride(&steps);
            }
            13 => dl.shape = askew(&self.shape, data),
            14 => dl.strides = askew(&self.strides, data),
            _ => match data.below(4) {
                0 => dl.shape = null_mut(),
                1 => dl.strides = null_mut(),
                2 => self.is_askew = true,
                _ => dl.data = data.number() as usize as *mut _,
            },
        }
    }

    fn set_dimensions(&mut self, ndim: i32) {
        self.dl.ndim = ndim;
        let count = if (0..=MOST_DIMENSIONS).contains(&ndim) { ndim as usize } else { 0 };
        let resized = |block: &Block| {
            let mut numbers = block.numbers();
            numbers.resize(count, 1);
            numbers
        };
        let (lengths, steps) = (resized(&self.shape), resized(&self.strides));
        self.reshape(&lengths);
        if !self.dl.strides.is_null() {
            self.restride(&steps);
        }
    }

    /// What a call that takes such a tensor sees; none where it has to refuse it.
    #[must_use]
    pub fn facts(&self, rank: usize, elements: Elements) -> Option<Facts> {
        let dl = &*self.dl;
        let element = element_size(dl.dtype, elements)?;
        let is_number = elements == Elements::Count && dl.ndim == 0;
        let arrays = [dl.shape, dl.strides];
        let are_arrays = arrays.iter().all(|array| array.is_aligned());
        let is_shaped = is_number || dl.ndim == rank as i32 && !dl.shape.is_null();
        let is_on_host = matches!(dl.device.device_type, 1 | 3);
        if self.is_askew || !is_shaped || !are_arrays || !is_on_host {
            return None;
        }
        let lengths = self.shape.numbers();
        let lengths: Option<Vec<_>> =
            lengths.iter().map(|&length| u64::try_from(length).ok()).collect();
        let (rows, cols) = match *lengths? {
            [] => (1, 1),
            [len] => (1, len),
            [rows, cols] => (rows, cols),
            _ => return None,
        };
        if rows == 0 || cols == 0 {
            return Some(Facts { start: None, rows, cols, row_stride: cols, element });
        }
        let mut row_stride = cols;
        if !dl.strides.is_null() {
            let steps = self.strides.numbers();
            if cols > 1 && steps.last() != Some(&1) {
                return None;
            }
            if rows > 1 {
                row_stride = u64::try_from(steps[0]).ok().filter(|&step| step >= cols)?;
            }
        }
        let start = dl.data.addr() as u128 + u128::from(dl.byte_offset);
        let bytes = (u128::from(rows - 1) * u128::from(row_stride) + u128::from(cols))
            * u128::from(element);
        let is_memory = start + bytes <= isize::MAX as u128;
        if dl.data.is_null() || !start.is_multiple_of(u128::from(element)) || !is_memory {
            return None;
        }
        Some(Facts { start: Some(start as usize), rows, cols, row_stride, element })
    }
}

fn element_size(dtype: DLDataType, elements: Elements) -> Option<u64> {
    let taken = match elements {
        Elements::Floats => &[F32, F16, BF16][..],
        Elements::F32 => &[F32],
        Elements::I32 => &[I32],
        Elements::Count => &[U32, I32],
        Elements::U8 => &[U8],
        Elements::Bytes => &[],
    };
    let bits = u64::from(dtype.bits) * u64::from(dtype.lanes);
    let is_taken = taken.contains(&dtype) || elements == Elements::Bytes;
    (is_taken && matches!(bits, 8 | 16 | 32)).then_some(bits / 8)
}

fn askew(block: &Block, data: &mut Bytes<'_>) -> *mut i64 {
    block.start().wrapping_add(1 + data.below(7)).cast()
}

/// Rows of elements side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Where the first element is, if there is one.
    start: Option<usize>,
    rows: u64,
    cols: u64,
    row_stride: u64,
    element: u64,
}

impl Facts {
    /// Lengths of a matrix; a vector is one row.
    #[must_use]
    pub fn shape(&self) -> (u64, u64) {
        (self.rows, self.cols)
    }

    /// The addresses of a row's elements.
    fn row(&self, index: u64) -> Range<usize> {
        let start = self.start.unwrap_or(0) as u64 + index * self.row_stride * self.element;
        start as usize..(start + self.cols * self.element) as usize
    }

    /// The addresses from the first element to the last; none without elements.
    #[must_use]
    pub fn range(&self) -> Option<Range<usize>> {
        let start = self.start?;
        Some(start..self.row(self.rows - 1).end)
    }

    /// Whether that address is one of an element.
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        let Some(range) = self.range() else { return false };
        let pitch = (self.row_stride * self.element) as usize;
        range.contains(&address) && (address - range.start) % pitch.max(1) < self.row(0).len()
    }

    /// That the parser's view is this one.
    pub fn check(&self, parsed: &Parsed) {
        let Parsed { start, rows, cols, row_stride, extent, element } = *parsed;
        assert_eq!([rows, cols, element].map(|n| n as u64), [self.rows, self.cols, self.element]);
        assert!(start != 0 && start.is_multiple_of(element), "{parsed:?}");
        let Some(range) = self.range() else {
            assert_eq!(extent, 0);
            return;
        };
        assert_eq!((start, row_stride as u64), (range.start, self.row_stride));
        // Without wrapping around: in this build sums and products that do are found out.
        assert_eq!(start + extent * element, range.end);
        assert_eq!(start + ((rows - 1) * row_stride + cols - 1) * element, range.end - element);
    }
}
