//! Runs `gather` and `combine` on rows of host vectors. Test bodies take `&impl RowRunner`, so that a
//! backend with its own memory can run them: it only has to copy in and out.

use cosmoe::{
    Backend, CombineArgs, Element, GatherArgs, Host, MatrixMut, MatrixRef, Scalar, VectorRef,
};

/// Where rows lie in memory; never changes a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Elements in front of the first row.
    pub start: usize,
    /// Elements between rows.
    pub pad: usize,
}

/// What elements hold that belong to no row: NaN, where there is one.
const GAP: u8 = 0xff;
/// What elements of an output hold before a call.
const UNWRITTEN: u8 = 0xa5;
/// Elements behind the last row.
const BEHIND: usize = 16;

fn filled<T: Scalar>(byte: u8) -> T {
    let mut value = T::zeroed();
    bytemuck::bytes_of_mut(&mut value).fill(byte);
    value
}

/// Rows in memory, with gaps around them.
pub struct Laid<T> {
    pub data: Vec<T>,
    pub start: usize,
    pub rows: usize,
    pub width: usize,
    pub stride: usize,
}

impl<T: Scalar> Laid<T> {
    pub fn new(rows: &[Vec<T>], width: usize, layout: Layout) -> Self {
        let mut laid = Self::unwritten(rows.len(), width, layout);
        for (r, row) in rows.iter().enumerate().filter(|_| width > 0) {
            laid.data[laid.start + r * laid.stride..][..width].copy_from_slice(row);
        }
        laid
    }

    pub fn unwritten(rows: usize, width: usize, layout: Layout) -> Self {
        let (start, stride) = (layout.start, width + layout.pad);
        let mut laid = Self { data: Vec::new(), start, rows, width, stride };
        laid.data = vec![filled(GAP); start + laid.extent() + BEHIND];
        for r in (0..rows).filter(|_| width > 0) {
            laid.data[start + r * stride..][..width].fill(filled(UNWRITTEN));
        }
        laid
    }

    /// Elements from the first row's first to the last row's last.
    pub fn extent(&self) -> usize {
        if self.rows == 0 || self.width == 0 {
            return 0;
        }
        (self.rows - 1) * self.stride + self.width
    }

    /// The rows, if everything around them is untouched.
    #[track_caller]
    pub fn into_rows(self) -> Vec<Vec<T>> {
        let mut rows = Vec::with_capacity(self.rows);
        let mut end = 0;
        let gap = |range: std::ops::Range<usize>| {
            let bytes: &[u8] = bytemuck::cast_slice(&self.data[range.clone()]);
            assert!(bytes.iter().all(|&b| b == GAP), "written around rows, in {range:?}");
        };
        if self.extent() > 0 {
            for r in 0..self.rows {
                let start = self.start + r * self.stride;
                gap(end..start);
                end = start + self.width;
                rows.push(self.data[start..end].to_vec());
            }
        } else {
            rows.resize(self.rows, Vec::new());
        }
        gap(end..self.data.len());
        rows
    }
}

pub trait RowRunner {
    /// `tokens` are `width` wide rows.
    fn run_gather<T: Scalar>(
        &self,
        tokens: &[Vec<T>],
        width: usize,
        assignment_of_row: &[i32],
        top_k: usize,
        layout: Layout,
    ) -> Vec<Vec<T>>;

    /// `grouped` are `width` wide rows; there are `top_k` weights and row numbers a token.
    fn run_combine<T: Element>(
        &self,
        grouped: &[Vec<T>],
        width: usize,
        row_of_assignment: &[i32],
        weights: &[f32],
        top_k: usize,
        layout: Layout,
    ) -> Vec<Vec<T>>;
}

impl<B: Backend<Space = Host>> RowRunner for B {
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
        let args = GatherArgs {
            tokens: host(&from),
            assignment_of_row: VectorRef::new(assignment_of_row),
            top_k,
        };
        self.gather(args, host_mut(&mut to)).unwrap();
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
        let mut to = Laid::unwritten(tokens, width, layout);
        let weights = rows_of(weights, top_k);
        let weights = Laid::new(&weights, top_k, layout);
        let args = CombineArgs {
            grouped: host(&from),
            row_of_assignment: VectorRef::new(row_of_assignment),
            weights: host(&weights),
        };
        self.combine(args, host_mut(&mut to)).unwrap();
        to.into_rows()
    }
}

/// `[rows, cols]` as rows.
pub fn rows_of<T: Copy>(data: &[T], cols: usize) -> Vec<Vec<T>> {
    if cols == 0 { Vec::new() } else { data.chunks_exact(cols).map(<[T]>::to_vec).collect() }
}

fn host<T: Scalar>(laid: &Laid<T>) -> MatrixRef<'_, T> {
    let data = &laid.data[laid.start..][..laid.extent()];
    MatrixRef::with_row_stride(data, laid.rows, laid.width, laid.stride).unwrap()
}

fn host_mut<T: Scalar>(laid: &mut Laid<T>) -> MatrixMut<'_, T> {
    let extent = laid.extent();
    let data = &mut laid.data[laid.start..][..extent];
    MatrixMut::with_row_stride(data, laid.rows, laid.width, laid.stride).unwrap()
}
