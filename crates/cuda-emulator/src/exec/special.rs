//! Special registers: which are known, and their values for a warp.

use super::run::warp::Warp;
use crate::registers::{Bank, LANES};

/// Special registers whose value does not change while a warp runs.
pub(crate) fn is_known(name: &str) -> bool {
    matches!(
        name,
        "tid.x"
            | "tid.y"
            | "tid.z"
            | "ntid.x"
            | "ntid.y"
            | "ntid.z"
            | "ctaid.x"
            | "ctaid.y"
            | "ctaid.z"
            | "nctaid.x"
            | "nctaid.y"
            | "nctaid.z"
            | "laneid"
            | "warpid"
            | "nwarpid"
            | "smid"
            | "nsmid"
            | "gridid"
            | "lanemask_eq"
            | "lanemask_le"
            | "lanemask_lt"
            | "lanemask_ge"
            | "lanemask_gt"
            | "dynamic_smem_size"
            | "total_smem_size"
            | "envreg1"
            | "envreg2"
    )
}

/// What a warp's special registers are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) block_index: [u32; 3],
    pub(crate) warp: u32,
    pub(crate) multiprocessor: u32,
    pub(crate) multiprocessors: u32,
    pub(crate) grid_id: u64,
    pub(crate) dynamic_shared: u32,
    pub(crate) total_shared: u32,
    /// Address of a cooperative grid's workspace; 0 if the launch is none.
    pub(crate) grid_workspace: u64,
}

impl Identity {
    /// Thread index in the block of a lane.
    pub(crate) fn thread(&self, lane: u32) -> [u32; 3] {
        let linear = self.warp * LANES as u32 + lane;
        let [x, y, _] = self.block;
        [linear % x, linear / x % y, linear / x / y]
    }

    fn value(&self, name: &str, lane: u32) -> u64 {
        let thread = self.thread(lane);
        let threads = self.block.iter().product::<u32>();
        let bit = 1u32 << lane;
        let value = match name {
            "tid.x" => thread[0],
            "tid.y" => thread[1],
            "tid.z" => thread[2],
            "ntid.x" => self.block[0],
            "ntid.y" => self.block[1],
            "ntid.z" => self.block[2],
            "ctaid.x" => self.block_index[0],
            "ctaid.y" => self.block_index[1],
            "ctaid.z" => self.block_index[2],
            "nctaid.x" => self.grid[0],
            "nctaid.y" => self.grid[1],
            "nctaid.z" => self.grid[2],
            "laneid" => lane,
            "warpid" => self.warp,
            "nwarpid" => threads.div_ceil(LANES as u32),
            "smid" => self.multiprocessor,
            "nsmid" => self.multiprocessors,
            "gridid" => return self.grid_id,
            "lanemask_eq" => bit,
            "lanemask_lt" => bit - 1,
            "lanemask_le" => bit | (bit - 1),
            "lanemask_ge" => !(bit - 1),
            "lanemask_gt" => !(bit | (bit - 1)),
            "dynamic_smem_size" => self.dynamic_shared,
            "total_smem_size" => self.total_shared,
            "envreg1" => (self.grid_workspace >> 32) as u32,
            "envreg2" => self.grid_workspace as u32,
            _ => 0,
        };
        u64::from(value)
    }

    /// Fills the special registers that the program reads.
    pub(crate) fn fill(&self, bank: &Bank, warp: &mut Warp) {
        for (name, row) in &bank.specials32 {
            let row = &mut warp.registers.bank32[*row as usize];
            for (lane, value) in row.iter_mut().enumerate() {
                *value = self.value(name, lane as u32) as u32;
            }
        }
        for (name, row) in &bank.specials64 {
            let row = &mut warp.registers.bank64[*row as usize];
            for (lane, value) in row.iter_mut().enumerate() {
                *value = self.value(name, lane as u32);
            }
        }
    }
}
