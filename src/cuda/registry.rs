//! The kernels that this build holds. The build script compiles each file of `kernels/` to one
//! module and writes the tables that are included at the end; without a CUDA compiler they are
//! empty.

/// One file of `kernels/`, compiled: what the driver loads, and what the compilers said of it.
#[derive(Debug)]
pub(crate) struct Module {
    /// The file's name without `.cu`.
    pub(crate) name: &'static str,
    /// Machine code for every architecture in `archs`, and the PTX it was made from; aligned to 16
    /// bytes.
    pub(crate) fatbin: &'static [u8],
    /// Where in `fatbin` the PTX lies, first byte and the one after the last.
    ptx: (usize, usize),
    /// The architectures with machine code (80 is sm_80), ascending. Any later one runs the PTX.
    pub(crate) archs: &'static [u32],
    /// The file's kernels.
    pub(crate) kernels: &'static [Kernel],
}

/// One kernel of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// The name that the driver knows it by.
    pub name: &'static str,
    /// The most threads of a block, where the kernel's launch bounds say so.
    pub max_threads: Option<u32>,
    /// The size of each parameter in bytes.
    pub parameters: &'static [u32],
    /// What it takes on each architecture with machine code, as ptxas reported it; ascending.
    pub builds: &'static [Build],
}

/// What a kernel takes on one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Build {
    /// The architecture: 80 is sm_80.
    pub arch: u32,
    /// Registers of a thread.
    pub registers: u32,
    /// Static shared memory of a block in bytes.
    pub shared: u32,
    /// Bytes of registers spilled to memory, stores and loads together.
    pub spills: u32,
    /// Bytes of a thread's stack.
    pub stack: u32,
}

impl Module {
    /// The PTX, as the fatbin holds it: nvcc's text without comments and indentation, line for
    /// line.
    pub(crate) fn ptx(&self) -> &'static str {
        let (start, end) = self.ptx;
        // The build script found the text at this place.
        self.fatbin.get(start..end).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// The driver reads 8-byte fields of a fatbin where they lie.
#[repr(C, align(16))]
#[allow(dead_code, reason = "a build without kernels has none")]
struct Aligned<const LEN: usize>([u8; LEN]);

#[allow(unused_macros, reason = "a build without kernels has none")]
macro_rules! fatbin {
    ($path:literal, $len:literal) => {{
        static BYTES: Aligned<$len> = Aligned(*include_bytes!($path));
        &BYTES.0
    }};
}

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
