//! ldmatrix and mma.sync.

use super::bytes::read;
use super::launch::Run;
use super::memory::{inside_shared, offsets};
use super::step::At;
use crate::check;
use crate::exec::program::{Address, MmaKind};
use crate::exec::windows;
use crate::number::mma;
use crate::registers::{LANES, R32};
use crate::report::Finding;

/// Bytes of a row of an 8x8 matrix of 16-bit elements.
const ROW: u32 = 16;

impl Run<'_> {
    /// Lane 8i + r gives the address of row r of matrix i; lane t gets the pair at row t / 4, columns
    /// 2 (t mod 4) and the next; transposed, rows and columns change places.
    pub(super) fn load_matrix(
        &mut self,
        at: &mut At<'_>,
        dests: &[R32],
        address: Address,
        generic: bool,
        transposed: bool,
    ) -> Result<(), Finding> {
        let base = if generic { windows::SHARED } else { 0 };
        let offsets = offsets(&self.addresses(at, address), base);
        let count = dests.len();
        let addressing = if count == 4 { u32::MAX } else { (1 << (8 * count)) - 1 };
        if self.checks {
            let a = check::Access::weak(at.pc, ROW, check::Op::Read);
            self.checker.shared(at.who, &a, addressing, &offsets)?;
        }
        self.tally.shared(addressing, &offsets, ROW);
        for (matrix, dest) in dests.iter().enumerate() {
            let mut rows = [0u128; 8];
            for (r, row) in rows.iter_mut().enumerate() {
                let lane = 8 * matrix + r;
                let offset = inside_shared(&at.block.shared, offsets[lane], ROW, lane)?;
                *row = read(&at.block.shared, offset, ROW);
            }
            let element = |row: usize, column: usize| (rows[row] >> (16 * column)) as u16;
            let mut values = [0u32; LANES];
            for (lane, value) in values.iter_mut().enumerate() {
                let (r, c) = (lane / 4, 2 * (lane % 4));
                let (low, high) = if transposed {
                    (element(c, r), element(c + 1, r))
                } else {
                    (element(r, c), element(r, c + 1))
                };
                *value = u32::from(low) | u32::from(high) << 16;
            }
            at.warp.registers.set32(*dest, &values, u32::MAX);
        }
        Ok(())
    }

    pub(super) fn multiply(
        &mut self,
        at: &mut At<'_>,
        kind: MmaKind,
        d: &[R32; 4],
        a: &[R32; 4],
        b: &[R32; 2],
        c: &[R32; 4],
    ) {
        let registers = &at.warp.registers;
        let a = a.map(|r| *registers.get32(r));
        let b = b.map(|r| *registers.get32(r));
        let c = c.map(|r| *registers.get32(r));
        let result = match kind {
            MmaKind::F16K16 => mma::m16n8k16(self.mma, mma::Kind::F16, &a, &b, &c),
            MmaKind::Bf16K16 => mma::m16n8k16(self.mma, mma::Kind::Bf16, &a, &b, &c),
            MmaKind::F16K8 => mma::m16n8k8(self.mma, mma::Kind::F16, &[a[0], a[1]], &[b[0]], &c),
            MmaKind::Bf16K8 => mma::m16n8k8(self.mma, mma::Kind::Bf16, &[a[0], a[1]], &[b[0]], &c),
        };
        for (dest, row) in d.iter().zip(&result) {
            at.warp.registers.set32(*dest, row, u32::MAX);
        }
    }
}
