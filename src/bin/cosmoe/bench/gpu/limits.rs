//! What this GPU does at most: a copy within its memory, and arithmetic in registers.
#![allow(unsafe_code)]

use std::time::Duration;

use cosmoe::DType;
use cudarc::driver::{LaunchConfig, PushKernelArg, sys};
use cudarc::nvrtc::Ptx;

use super::{Gpu, driver};
use crate::bench::memory::Float;
use crate::bench::report::Limits;
use crate::error::Failure;

/// Bytes of a copy: far beyond every L2.
const COPY_BYTES: usize = 1 << 30;

/// Time for each of the two.
const BUDGET: Duration = Duration::from_millis(250);

/// Warps of a block, and blocks for each multiprocessor: enough to keep every scheduler busy.
const WARPS: u32 = 8;
const BLOCKS: u32 = 2;

/// Rounds of the loop of a launch, and independent chains in a round.
const ROUNDS: u32 = 4096;
const CHAINS: u32 = 8;

pub(super) fn limits<T: Float>(gpu: &Gpu) -> Result<Limits, Failure> {
    let (flops_per_second, arithmetic) = arithmetic(gpu, T::DTYPE)?;
    Ok(Limits { bytes_per_second: copies(gpu)?, flops_per_second, arithmetic })
}

/// Bytes read and bytes written.
fn copies(gpu: &Gpu) -> Result<f64, Failure> {
    let bytes = if gpu.emulated { 1 << 16 } else { COPY_BYTES };
    let from = gpu.stream.alloc_zeros::<u8>(bytes).map_err(driver)?;
    let mut to = gpu.stream.alloc_zeros::<u8>(bytes).map_err(driver)?;
    let copy = || gpu.stream.memcpy_dtod(&from, &mut to).map_err(driver);
    let spread = gpu.watch.repeat(gpu.budget(), 1, copy)?;
    Ok(2.0 * bytes as f64 / spread.min)
}

/// The rate of the instructions that products of a dtype are made of, and what they are called.
fn arithmetic(gpu: &Gpu, dtype: DType) -> Result<(f64, &'static str), Failure> {
    // One instruction of a warp: m16n8k16, or 32 fused multiply-adds.
    let (text, flops, name) = match dtype {
        DType::F32 => (scalar(), 2 * 32, "fma"),
        _ => (matrix(dtype.name()), 2 * 16 * 8 * 16, "mma"),
    };
    let module = gpu.context.load_module(Ptx::from_src(text)).map_err(driver)?;
    let function = module.load_function("rate").map_err(driver)?;
    let count = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
    let count = gpu.context.attribute(count).map_err(driver)?;
    let blocks = if gpu.emulated { 1 } else { u32::try_from(count).unwrap_or(1) * BLOCKS };
    let rounds = if gpu.emulated { 4 } else { ROUNDS };
    let threads = 32 * WARPS;
    let mut out = gpu.stream.alloc_zeros::<f32>((blocks * threads) as usize).map_err(driver)?;
    let config =
        LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 };
    let spread = gpu.watch.repeat(gpu.budget(), 1, || {
        let mut launch = gpu.stream.launch_builder(&function);
        launch.arg(&mut out).arg(&rounds);
        // SAFETY: the kernel takes a pointer and a u32, and writes a float for each thread, which `out` has.
        unsafe { launch.launch(config) }.map(drop).map_err(driver)
    })?;
    let instructions = f64::from(blocks * WARPS) * f64::from(rounds * CHAINS);
    Ok((instructions * f64::from(flops) / spread.min, name))
}

impl Gpu {
    fn budget(&self) -> Duration {
        if self.emulated { Duration::ZERO } else { BUDGET }
    }
}

/// A loop of matrix instructions on registers of zeros, which the assembler cannot know.
fn matrix(element: &str) -> String {
    let step = |i: u32| {
        let sums: Vec<String> = (4 * i..4 * i + 4).map(|r| format!("%f{r}")).collect();
        let sums = sums.join(", ");
        format!(
            "mma.sync.aligned.m16n8k16.row.col.f32.{element}.{element}.f32 {{{sums}}}, \
             {{%r4, %r4, %r4, %r4}}, {{%r4, %r4}}, {{{sums}}};"
        )
    };
    kernel(4 * CHAINS, &(0..CHAINS).map(step).collect::<Vec<_>>().join("\n"))
}

/// The same of fused multiply-adds.
fn scalar() -> String {
    let step = |i: u32| format!("fma.rn.f32 %f{i}, %f{i}, %f100, %f100;");
    kernel(CHAINS, &(0..CHAINS).map(step).collect::<Vec<_>>().join("\n"))
}

/// `rate(out, rounds)`: so many rounds of `steps` on `sums` registers, whose total goes to `out`.
fn kernel(sums: u32, steps: &str) -> String {
    let all = |line: &dyn Fn(u32) -> String| (0..sums).map(line).collect::<Vec<_>>().join("\n");
    let clear = all(&|i| format!("mov.f32 %f{i}, %f100;"));
    let total = all(&|i| format!("add.rn.f32 %f101, %f101, %f{i};"));
    format!(
        ".version 7.0
.target sm_80
.address_size 64
.visible .entry rate(
.param .u64 rate_param_0,
.param .u32 rate_param_1
)
{{
.reg .pred %p<2>;
.reg .b32 %r<8>;
.reg .f32 %f<104>;
.reg .b64 %rd<5>;
ld.param.u64 %rd1, [rate_param_0];
ld.param.u32 %r1, [rate_param_1];
cvta.to.global.u64 %rd2, %rd1;
mov.u32 %r2, %ctaid.x;
mov.u32 %r3, %ntid.x;
mov.u32 %r5, %tid.x;
mad.lo.s32 %r6, %r2, %r3, %r5;
mul.wide.u32 %rd3, %r6, 4;
add.s64 %rd4, %rd2, %rd3;
shr.u32 %r4, %r1, 31;
cvt.rn.f32.u32 %f100, %r4;
mov.f32 %f101, %f100;
{clear}
$L_round:
{steps}
add.s32 %r1, %r1, -1;
setp.ne.s32 %p1, %r1, 0;
@%p1 bra $L_round;
{total}
st.global.f32 [%rd4], %f101;
ret;
}}
"
    )
}
