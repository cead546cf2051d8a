//! What the tests share: kernels, contexts, calls that must fail.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtrMut, DriverError, LaunchConfig,
    PushKernelArg,
};
use cudarc::nvrtc::Ptx;

/// Kernels: `add(out, a, b, n)`, `scale(out, n, factor)`, `shared` (fixed and dynamic shared
/// memory), `nothing`, `broken` (traps), `bounded` (at most 64 threads), and a variable `table`.
pub(crate) const KERNELS: &str = "
.version 8.0
.target sm_80
.address_size 64

.visible .global .align 4 .b32 table[4] = {1, 2, 3, 4};

.visible .entry add(.param .u64 o, .param .u64 a, .param .u64 b, .param .u32 n)
{
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .f32 %f<4>;
    .reg .b64 %rd<8>;
    ld.param.u64 %rd1, [o];
    ld.param.u64 %rd2, [a];
    ld.param.u64 %rd3, [b];
    ld.param.u32 %r1, [n];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra done;
    mul.wide.u32 %rd4, %r5, 4;
    add.s64 %rd5, %rd2, %rd4;
    ld.global.f32 %f1, [%rd5];
    add.s64 %rd6, %rd3, %rd4;
    ld.global.f32 %f2, [%rd6];
    add.rn.f32 %f3, %f1, %f2;
    add.s64 %rd7, %rd1, %rd4;
    st.global.f32 [%rd7], %f3;
done:
    ret;
}

.visible .entry scale(.param .u64 o, .param .u32 n, .param .f32 factor)
{
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .f32 %f<4>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [o];
    ld.param.u32 %r1, [n];
    ld.param.f32 %f1, [factor];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra done;
    mul.wide.u32 %rd2, %r5, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.f32 %f2, [%rd3];
    mul.rn.f32 %f3, %f1, %f2;
    st.global.f32 [%rd3], %f3;
done:
    ret;
}

.extern .shared .align 16 .b8 pool[];

.visible .entry shared()
{
    .shared .align 16 .b8 fixed[1024];
    .reg .b32 %r<3>;
    mov.u32 %r1, fixed;
    mov.u32 %r2, pool;
    st.shared.u32 [%r1], %r2;
    ret;
}

.visible .entry nothing()
{
    ret;
}

.visible .entry broken()
{
    trap;
    ret;
}

.visible .entry bounded()
.maxntid 64, 1, 1
{
    ret;
}
";

/// A context with the kernels loaded.
pub(crate) struct Device {
    pub(crate) context: Arc<CudaContext>,
    pub(crate) module: Arc<cudarc::driver::CudaModule>,
}

impl Device {
    pub(crate) fn new(ordinal: usize) -> Self {
        let context = CudaContext::new(ordinal).expect("the emulated device");
        let module = context.load_module(Ptx::from_src(KERNELS)).expect("the kernels");
        Self { context, module }
    }

    pub(crate) fn function(&self, name: &str) -> CudaFunction {
        self.module.load_function(name).expect(name)
    }

    /// Launches `add` for `n` elements with that many threads a block.
    pub(crate) fn add(
        &self,
        stream: &CudaStream,
        out: &mut CudaSlice<f32>,
        a: &CudaSlice<f32>,
        b: &CudaSlice<f32>,
        n: u32,
    ) -> Result<(), DriverError> {
        let function = self.function("add");
        let mut launch = stream.launch_builder(&function);
        launch.arg(out).arg(a).arg(b).arg(&n);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(n.div_ceil(64), 64)) }.map(|_| ())
    }

    /// Launches `add` with its first operand as output.
    pub(crate) fn add_in_place(
        &self,
        stream: &CudaStream,
        a: &mut CudaSlice<f32>,
        b: &CudaSlice<f32>,
    ) {
        let function = self.function("add");
        let n = a.len() as u32;
        let (address, _guard) = a.device_ptr_mut(stream);
        let mut launch = stream.launch_builder(&function);
        launch.arg(&address).arg(&address).arg(b).arg(&n);
        // SAFETY: the arguments are those of the kernel; each thread reads and writes its element.
        unsafe { launch.launch(config(n.div_ceil(64), 64)) }.expect("a launch");
    }

    /// Launches `scale` in place.
    pub(crate) fn scale(
        &self,
        stream: &CudaStream,
        out: &mut CudaSlice<f32>,
        factor: f32,
    ) -> Result<(), DriverError> {
        let function = self.function("scale");
        let n = out.len() as u32;
        let mut launch = stream.launch_builder(&function);
        launch.arg(out).arg(&n).arg(&factor);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(n.div_ceil(64), 64)) }.map(|_| ())
    }
}

/// Blocks in a row, threads in a row.
pub(crate) fn config(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// The code that a call failed with.
#[track_caller]
pub(crate) fn code<T>(result: Result<T, DriverError>) -> i32 {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(DriverError(error)) => error as i32,
    }
}

/// A code of the C interface.
pub(crate) fn raw(result: CUresult) -> i32 {
    result as i32
}

/// Launches a function through the C interface.
pub(crate) fn launch_raw(
    function: sys::CUfunction,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    arguments: &mut [*mut c_void],
) -> i32 {
    // SAFETY: the arguments are those of the kernel.
    raw(unsafe {
        sys::cuLaunchKernel(
            function,
            grid[0],
            grid[1],
            grid[2],
            block[0],
            block[1],
            block[2],
            dynamic_shared,
            std::ptr::null_mut(),
            arguments.as_mut_ptr(),
            std::ptr::null_mut(),
        )
    })
}

/// A function that only the emulator exports.
fn extension<F: Copy>(name: &str) -> F {
    // SAFETY: the library is loaded for ever, and the caller names the function's type.
    *unsafe { sys::culib().get::<F>(name.as_bytes()) }.expect(name)
}

/// `cuEmulatorSet`.
pub(crate) fn set(key: &str, value: &str) -> i32 {
    type Set = unsafe extern "C" fn(*const c_char, *const c_char) -> i32;
    let (key, value) = (CString::new(key).expect("no zero"), CString::new(value).expect("no zero"));
    // SAFETY: two strings that end with a zero.
    unsafe { extension::<Set>("cuEmulatorSet")(key.as_ptr(), value.as_ptr()) }
}

/// `cuEmulatorReset`.
pub(crate) fn reset() -> i32 {
    // SAFETY: the function takes nothing.
    unsafe { extension::<unsafe extern "C" fn() -> i32>("cuEmulatorReset")() }
}

/// The text that `cuEmulatorCounts` or `cuEmulatorReport` gives.
pub(crate) fn text(name: &str) -> Option<String> {
    let get = extension::<unsafe extern "C" fn(*mut c_char, usize) -> i64>(name);
    // SAFETY: without a buffer only the length is asked for.
    let length = usize::try_from(unsafe { get(std::ptr::null_mut(), 0) }).ok()?;
    let mut buffer = vec![0u8; length + 1];
    // SAFETY: the buffer has room for the text and its end.
    unsafe { get(buffer.as_mut_ptr().cast(), buffer.len()) };
    assert_eq!(buffer.pop(), Some(0));
    Some(String::from_utf8(buffer).expect("UTF-8"))
}
