//! Tensors whose rows have gaps, from an offset on.

use cosmoe_capi::*;

use crate::calls::{Device, POISON, Tensor};

/// Rows with a gap behind each, from an offset on.
pub(crate) struct Laid {
    pub(crate) tensor: Tensor,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

const OFFSET: usize = 4;
const GAP: usize = 5;

impl Laid {
    pub(crate) fn new(
        device: &Device,
        dtype: DLDataType,
        rows: usize,
        cols: usize,
        values: &[u8],
    ) -> Self {
        let element = usize::from(dtype.bits) / 8;
        let stride = cols + GAP;
        let bytes = (OFFSET + rows * stride) * element;
        let mut all = vec![POISON as u8; bytes];
        if !values.is_empty() {
            for (r, row) in values.chunks_exact(cols * element).enumerate() {
                all[(OFFSET + r * stride) * element..][..row.len()].copy_from_slice(row);
            }
        }
        let mut tensor = Tensor::new(device, dtype, &[(OFFSET + rows * stride) as i64]);
        tensor.write(&all);
        tensor.reshape(&[rows as i64, cols as i64]);
        tensor.restride(&[stride as i64, 1]);
        tensor.dl.byte_offset = (OFFSET * element) as u64;
        Self { tensor, rows, cols }
    }

    /// The rows; what is between them is untouched.
    pub(crate) fn read(&self) -> Vec<u8> {
        let element = usize::from(self.tensor.dl.dtype.bits) / 8;
        let all = self.tensor.read();
        let (before, rows) = all.split_at(OFFSET * element);
        assert!(before.iter().all(|&byte| byte == POISON as u8));
        let mut found = Vec::new();
        for row in rows.chunks_exact((self.cols + GAP) * element) {
            let (row, gap) = row.split_at(self.cols * element);
            assert!(gap.iter().all(|&byte| byte == POISON as u8), "written between rows");
            found.extend_from_slice(row);
        }
        assert_eq!(found.len(), self.rows * self.cols * element);
        found
    }
}

pub(crate) fn bytes<T: cosmoe::Scalar>(values: &[T]) -> Vec<u8> {
    // SAFETY: numbers are bytes.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }.to_vec()
}
