//! The one place that launches kernels.

use std::ptr::null_mut;

use bytemuck::Pod;
use cudarc::driver::sys;

use super::check;
use super::stream::Stream;
use crate::cuda::params::Entry;
use crate::error::{Error, Result};

/// Blocks along x and y.
const LIMITS: [u64; 2] = [i32::MAX as u64, 65_535];

/// Blocks of a launch, and the threads of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cuda) struct Grid {
    pub(in crate::cuda) blocks: [u64; 2],
    pub(in crate::cuda) threads: u32,
}

/// Submits a kernel; a grid without blocks does nothing.
///
/// # Safety
/// What `params` points to is memory of the stream's device that the kernel may access as its source
/// says, until it has run.
pub(in crate::cuda) unsafe fn launch<P: Pod>(
    stream: &Stream,
    entry: &Entry<P>,
    grid: Grid,
    params: &P,
) -> Result<()> {
    let Some([x, y]) = checked_blocks(grid)? else { return Ok(()) };
    debug_assert!(grid.threads > 0 && grid.threads <= entry.max_threads, "{grid:?}");
    let function = stream.context().function(entry)?;
    let _current = stream.context().enter()?;
    let mut arguments = [std::ptr::from_ref(params).cast_mut().cast()];
    // SAFETY: the function takes one parameter, a struct of P's size (a test compares the two for
    // every kernel), which the driver copies before it returns; the stream is alive and its context
    // current; for the memory the caller vouches.
    check(unsafe {
        sys::cuLaunchKernel(
            function,
            x,
            y,
            1,
            grid.threads,
            1,
            1,
            entry.shared,
            stream.handle(),
            arguments.as_mut_ptr(),
            null_mut(),
        )
    })
}

/// The blocks as the driver takes them; nothing where there are none.
fn checked_blocks(grid: Grid) -> Result<Option<[u32; 2]>> {
    let mut blocks = [0; 2];
    for (axis, (to, (&count, limit))) in
        blocks.iter_mut().zip(grid.blocks.iter().zip(LIMITS)).enumerate()
    {
        if count > limit {
            let argument = ["grid.x", "grid.y"][axis];
            return Err(Error::size(argument, format!("at most {limit} blocks"), count));
        }
        // Both limits fit.
        *to = count as u32;
    }
    Ok((blocks != [0; 2] && !blocks.contains(&0)).then_some(blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_stay_within_the_devices_limits() {
        let blocks = |x, y| checked_blocks(Grid { blocks: [x, y], threads: 1 });
        assert_eq!(blocks(1, 65_535), Ok(Some([1, 65_535])));
        assert_eq!(blocks(2_147_483_647, 1), Ok(Some([2_147_483_647, 1])));
        assert_eq!(blocks(0, 1), Ok(None));
        assert_eq!(blocks(3, 0), Ok(None));
        let message =
            "grid.x: size not supported: expected at most 2147483647 blocks, found 2147483648";
        assert_eq!(blocks(1 << 31, 1).unwrap_err().to_string(), message);
        let message = "grid.y: size not supported: expected at most 65535 blocks, found 65536";
        assert_eq!(blocks(1, 65_536).unwrap_err().to_string(), message);
    }
}
