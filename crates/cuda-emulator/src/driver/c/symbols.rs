//! `cuGetProcAddress`: functions by name.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::contexts::*;
use super::copies::*;
use super::devices::*;
use super::errors::*;
use super::events::*;
use super::extension::*;
use super::functions::*;
use super::graph_nodes::*;
use super::graphs::*;
use super::launches::*;
use super::memory::*;
use super::memsets::*;
use super::modules::*;
use super::pools::*;
use super::streams::*;
use super::{Out, give, put, string, unsupported};
use crate::driver::library::call;
use crate::driver::status::{Code, Outcome, fault};

/// Functions by their names in the library.
macro_rules! implemented {
    ($($name:ident)*) => {
        fn lookup(name: &str) -> Option<*const ()> {
            match name {
                $(stringify!($name) => Some($name as *const ()),)*
                _ => unsupported::lookup(name),
            }
        }
    };
}

implemented! {
    cuCtxCreate_v2 cuCtxCreate_v3 cuCtxCreate_v4 cuCtxDestroy_v2 cuCtxEnablePeerAccess
    cuCtxGetApiVersion cuCtxGetCacheConfig cuCtxGetCurrent cuCtxGetDevice cuCtxGetDevice_v2
    cuCtxGetFlags cuCtxGetId cuCtxGetLimit cuCtxGetStreamPriorityRange cuCtxPopCurrent_v2
    cuCtxPushCurrent_v2 cuCtxSetCacheConfig cuCtxSetCurrent cuCtxSetFlags cuCtxSetLimit
    cuCtxSynchronize cuDeviceCanAccessPeer cuDeviceComputeCapability cuDeviceGet
    cuDeviceGetAttribute cuDeviceGetByPCIBusId cuDeviceGetCount cuDeviceGetDefaultMemPool
    cuDeviceGetMemPool cuDeviceGetName cuDeviceGetP2PAttribute cuDeviceGetPCIBusId cuDeviceGetUuid
    cuDeviceGetUuid_v2 cuDevicePrimaryCtxGetState cuDevicePrimaryCtxRelease_v2
    cuDevicePrimaryCtxReset_v2 cuDevicePrimaryCtxRetain cuDevicePrimaryCtxSetFlags_v2
    cuDeviceSetMemPool cuDeviceTotalMem_v2 cuDriverGetVersion cuEmulatorCounts cuEmulatorReport
    cuEmulatorReset cuEmulatorSet cuEventCreate cuEventDestroy_v2 cuEventElapsedTime
    cuEventElapsedTime_v2 cuEventQuery cuEventRecord cuEventRecordWithFlags cuEventSynchronize
    cuFuncGetAttribute cuFuncGetModule cuFuncGetName cuFuncGetParamCount cuFuncGetParamInfo
    cuFuncIsLoaded cuFuncLoad cuFuncSetAttribute cuFuncSetCacheConfig cuGetErrorName
    cuGetErrorString cuGetExportTable cuGetProcAddress cuGetProcAddress_v2 cuGraphAddEmptyNode
    cuGraphAddHostNode cuGraphAddKernelNode cuGraphAddKernelNode_v2 cuGraphAddMemsetNode
    cuGraphCreate cuGraphDestroy cuGraphExecDestroy cuGraphExecGetFlags
    cuGraphExecKernelNodeSetParams cuGraphExecKernelNodeSetParams_v2 cuGraphExecUpdate
    cuGraphExecUpdate_v2 cuGraphGetNodes cuGraphInstantiateWithFlags cuGraphInstantiateWithParams
    cuGraphInstantiate_v2 cuGraphKernelNodeSetParams cuGraphKernelNodeSetParams_v2 cuGraphLaunch
    cuGraphNodeGetType cuGraphUpload cuInit cuLaunchCooperativeKernel cuLaunchHostFunc
    cuLaunchKernel cuLaunchKernelEx cuMemAllocAsync cuMemAllocFromPoolAsync cuMemAllocHost_v2
    cuMemAllocManaged cuMemAllocPitch_v2 cuMemAlloc_v2 cuMemFreeAsync cuMemFreeHost cuMemFree_v2
    cuMemGetAddressRange_v2 cuMemGetInfo_v2 cuMemHostAlloc cuMemHostGetDevicePointer_v2
    cuMemHostGetFlags cuMemHostRegister_v2 cuMemHostUnregister cuMemPoolCreate cuMemPoolDestroy
    cuMemPoolGetAttribute cuMemPoolSetAttribute cuMemPoolTrimTo cuMemcpy cuMemcpy2DAsync_v2
    cuMemcpy2DUnaligned_v2 cuMemcpy2D_v2 cuMemcpyAsync cuMemcpyDtoDAsync_v2 cuMemcpyDtoD_v2
    cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2 cuMemcpyPeer
    cuMemcpyPeerAsync cuMemsetD16Async cuMemsetD16_v2 cuMemsetD2D16Async cuMemsetD2D16_v2
    cuMemsetD2D32Async cuMemsetD2D32_v2 cuMemsetD2D8Async cuMemsetD2D8_v2 cuMemsetD32Async
    cuMemsetD32_v2 cuMemsetD8Async cuMemsetD8_v2 cuModuleEnumerateFunctions cuModuleGetFunction
    cuModuleGetFunctionCount cuModuleGetGlobal_v2 cuModuleGetLoadingMode cuModuleLoad
    cuModuleLoadData cuModuleLoadDataEx cuModuleLoadFatBinary cuModuleUnload
    cuOccupancyAvailableDynamicSMemPerBlock cuOccupancyMaxActiveBlocksPerMultiprocessor
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags cuOccupancyMaxActiveClusters
    cuOccupancyMaxPotentialBlockSize cuOccupancyMaxPotentialBlockSizeWithFlags
    cuOccupancyMaxPotentialClusterSize cuPointerGetAttribute cuPointerGetAttributes
    cuPointerSetAttribute cuProfilerStart cuProfilerStop cuStreamBeginCapture_v2 cuStreamCreate
    cuStreamCreateWithPriority cuStreamDestroy_v2 cuStreamEndCapture cuStreamGetCaptureInfo
    cuStreamGetCaptureInfo_v2 cuStreamGetCaptureInfo_v3 cuStreamGetCtx cuStreamGetDevice
    cuStreamGetFlags cuStreamGetId cuStreamGetPriority cuStreamIsCapturing cuStreamQuery
    cuStreamSynchronize cuStreamWaitEvent cuThreadExchangeStreamCaptureMode
}

/// Names without a version, the version of CUDA from which on they mean a function, and its name.
#[rustfmt::skip]
const VERSIONS: &[(&str, c_int, &str)] = &[
    ("cuArray3DCreate", 0, "cuArray3DCreate_v2"),
    ("cuArray3DGetDescriptor", 0, "cuArray3DGetDescriptor_v2"),
    ("cuArrayCreate", 0, "cuArrayCreate_v2"),
    ("cuArrayGetDescriptor", 0, "cuArrayGetDescriptor_v2"),
    ("cuCtxCreate", 0, "cuCtxCreate_v2"),
    ("cuCtxCreate", 13000, "cuCtxCreate_v4"),
    ("cuCtxDestroy", 0, "cuCtxDestroy_v2"),
    ("cuCtxPopCurrent", 0, "cuCtxPopCurrent_v2"),
    ("cuCtxPushCurrent", 0, "cuCtxPushCurrent_v2"),
    ("cuDeviceGetUuid", 0, "cuDeviceGetUuid_v2"),
    ("cuDevicePrimaryCtxRelease", 0, "cuDevicePrimaryCtxRelease_v2"),
    ("cuDevicePrimaryCtxReset", 0, "cuDevicePrimaryCtxReset_v2"),
    ("cuDevicePrimaryCtxSetFlags", 0, "cuDevicePrimaryCtxSetFlags_v2"),
    ("cuDeviceTotalMem", 0, "cuDeviceTotalMem_v2"),
    ("cuEventDestroy", 0, "cuEventDestroy_v2"),
    ("cuEventElapsedTime", 0, "cuEventElapsedTime_v2"),
    ("cuGetProcAddress", 0, "cuGetProcAddress_v2"),
    ("cuGraphAddDependencies", 0, "cuGraphAddDependencies"),
    ("cuGraphAddDependencies", 13000, "cuGraphAddDependencies_v2"),
    ("cuGraphAddKernelNode", 0, "cuGraphAddKernelNode_v2"),
    ("cuGraphAddNode", 0, "cuGraphAddNode"),
    ("cuGraphAddNode", 13000, "cuGraphAddNode_v2"),
    ("cuGraphExecKernelNodeSetParams", 0, "cuGraphExecKernelNodeSetParams_v2"),
    ("cuGraphExecUpdate", 0, "cuGraphExecUpdate_v2"),
    ("cuGraphGetEdges", 0, "cuGraphGetEdges"),
    ("cuGraphGetEdges", 13000, "cuGraphGetEdges_v2"),
    ("cuGraphInstantiate", 0, "cuGraphInstantiateWithFlags"),
    ("cuGraphKernelNodeGetParams", 0, "cuGraphKernelNodeGetParams_v2"),
    ("cuGraphKernelNodeSetParams", 0, "cuGraphKernelNodeSetParams_v2"),
    ("cuGraphNodeGetDependencies", 0, "cuGraphNodeGetDependencies"),
    ("cuGraphNodeGetDependencies", 13000, "cuGraphNodeGetDependencies_v2"),
    ("cuGraphNodeGetDependentNodes", 0, "cuGraphNodeGetDependentNodes"),
    ("cuGraphNodeGetDependentNodes", 13000, "cuGraphNodeGetDependentNodes_v2"),
    ("cuGraphRemoveDependencies", 0, "cuGraphRemoveDependencies"),
    ("cuGraphRemoveDependencies", 13000, "cuGraphRemoveDependencies_v2"),
    ("cuGraphicsResourceGetMappedPointer", 0, "cuGraphicsResourceGetMappedPointer_v2"),
    ("cuGraphicsResourceSetMapFlags", 0, "cuGraphicsResourceSetMapFlags_v2"),
    ("cuIpcOpenMemHandle", 0, "cuIpcOpenMemHandle_v2"),
    ("cuLinkAddData", 0, "cuLinkAddData_v2"),
    ("cuLinkAddFile", 0, "cuLinkAddFile_v2"),
    ("cuLinkCreate", 0, "cuLinkCreate_v2"),
    ("cuMemAdvise", 0, "cuMemAdvise"),
    ("cuMemAdvise", 13000, "cuMemAdvise_v2"),
    ("cuMemAlloc", 0, "cuMemAlloc_v2"),
    ("cuMemAllocHost", 0, "cuMemAllocHost_v2"),
    ("cuMemAllocPitch", 0, "cuMemAllocPitch_v2"),
    ("cuMemFree", 0, "cuMemFree_v2"),
    ("cuMemGetAddressRange", 0, "cuMemGetAddressRange_v2"),
    ("cuMemGetInfo", 0, "cuMemGetInfo_v2"),
    ("cuMemHostGetDevicePointer", 0, "cuMemHostGetDevicePointer_v2"),
    ("cuMemHostRegister", 0, "cuMemHostRegister_v2"),
    ("cuMemPrefetchAsync", 0, "cuMemPrefetchAsync"),
    ("cuMemPrefetchAsync", 13000, "cuMemPrefetchAsync_v2"),
    ("cuMemcpy2D", 0, "cuMemcpy2D_v2"),
    ("cuMemcpy2DAsync", 0, "cuMemcpy2DAsync_v2"),
    ("cuMemcpy2DUnaligned", 0, "cuMemcpy2DUnaligned_v2"),
    ("cuMemcpy3D", 0, "cuMemcpy3D_v2"),
    ("cuMemcpy3DAsync", 0, "cuMemcpy3DAsync_v2"),
    ("cuMemcpy3DBatchAsync", 0, "cuMemcpy3DBatchAsync"),
    ("cuMemcpy3DBatchAsync", 13000, "cuMemcpy3DBatchAsync_v2"),
    ("cuMemcpyAtoA", 0, "cuMemcpyAtoA_v2"),
    ("cuMemcpyAtoD", 0, "cuMemcpyAtoD_v2"),
    ("cuMemcpyAtoH", 0, "cuMemcpyAtoH_v2"),
    ("cuMemcpyAtoHAsync", 0, "cuMemcpyAtoHAsync_v2"),
    ("cuMemcpyBatchAsync", 0, "cuMemcpyBatchAsync"),
    ("cuMemcpyBatchAsync", 13000, "cuMemcpyBatchAsync_v2"),
    ("cuMemcpyDtoA", 0, "cuMemcpyDtoA_v2"),
    ("cuMemcpyDtoD", 0, "cuMemcpyDtoD_v2"),
    ("cuMemcpyDtoDAsync", 0, "cuMemcpyDtoDAsync_v2"),
    ("cuMemcpyDtoH", 0, "cuMemcpyDtoH_v2"),
    ("cuMemcpyDtoHAsync", 0, "cuMemcpyDtoHAsync_v2"),
    ("cuMemcpyHtoA", 0, "cuMemcpyHtoA_v2"),
    ("cuMemcpyHtoAAsync", 0, "cuMemcpyHtoAAsync_v2"),
    ("cuMemcpyHtoD", 0, "cuMemcpyHtoD_v2"),
    ("cuMemcpyHtoDAsync", 0, "cuMemcpyHtoDAsync_v2"),
    ("cuMemsetD16", 0, "cuMemsetD16_v2"),
    ("cuMemsetD2D16", 0, "cuMemsetD2D16_v2"),
    ("cuMemsetD2D32", 0, "cuMemsetD2D32_v2"),
    ("cuMemsetD2D8", 0, "cuMemsetD2D8_v2"),
    ("cuMemsetD32", 0, "cuMemsetD32_v2"),
    ("cuMemsetD8", 0, "cuMemsetD8_v2"),
    ("cuModuleGetGlobal", 0, "cuModuleGetGlobal_v2"),
    ("cuStreamBatchMemOp", 0, "cuStreamBatchMemOp_v2"),
    ("cuStreamBeginCapture", 0, "cuStreamBeginCapture_v2"),
    ("cuStreamDestroy", 0, "cuStreamDestroy_v2"),
    ("cuStreamGetCaptureInfo", 0, "cuStreamGetCaptureInfo_v2"),
    ("cuStreamGetCaptureInfo", 13000, "cuStreamGetCaptureInfo_v3"),
    ("cuStreamUpdateCaptureDependencies", 0, "cuStreamUpdateCaptureDependencies"),
    ("cuStreamUpdateCaptureDependencies", 13000, "cuStreamUpdateCaptureDependencies_v2"),
    ("cuStreamWaitValue32", 0, "cuStreamWaitValue32_v2"),
    ("cuStreamWaitValue64", 0, "cuStreamWaitValue64_v2"),
    ("cuStreamWriteValue32", 0, "cuStreamWriteValue32_v2"),
    ("cuStreamWriteValue64", 0, "cuStreamWriteValue64_v2"),
    ("cuTexRefGetAddress", 0, "cuTexRefGetAddress_v2"),
    ("cuTexRefSetAddress", 0, "cuTexRefSetAddress_v2"),
    ("cuTexRefSetAddress2D", 0, "cuTexRefSetAddress2D_v3"),
];

/// Streams without a handle mean the legacy default stream; the other meaning is a flag.
const PER_THREAD_DEFAULT_STREAM: u64 = 2;

/// The function that a name means to a program built for that version of CUDA.
fn find(name: &str, version: c_int) -> Option<*const ()> {
    let newest = VERSIONS.iter().rev().find(|row| row.0 == name && row.1 <= version);
    lookup(newest.map_or(name, |row| row.2))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGetProcAddress_v2(
    name: *const c_char,
    function: Out<'_, *const c_void>,
    version: c_int,
    flags: u64,
    status: Out<'_, c_uint>,
) -> i32 {
    call("cuGetProcAddress_v2", || {
        // SAFETY: the caller's string ends with a zero.
        let name = unsafe { string(name) }?;
        if flags & PER_THREAD_DEFAULT_STREAM != 0 {
            let why = "functions with a default stream a thread are not emulated";
            return fault(Code::NOT_SUPPORTED, why);
        }
        let found = find(&name, version);
        put(function, found.map_or(std::ptr::null(), <*const ()>::cast))?;
        match (found, status.is_some()) {
            (None, false) => return Err(Code::NOT_FOUND.into()),
            (None, true) => give(status, 1),
            (Some(_), _) => give(status, 0),
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGetProcAddress(
    name: *const c_char,
    function: Out<'_, *const c_void>,
    version: c_int,
    flags: u64,
) -> i32 {
    // SAFETY: the same contract.
    unsafe { cuGetProcAddress_v2(name, function, version, flags, None) }
}

/// There are no private tables.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn cuGetExportTable(
    table: Out<'_, *const c_void>,
    _id: *const c_void,
) -> i32 {
    call("cuGetExportTable", || -> Outcome {
        put(table, std::ptr::null())?;
        Err(Code::NOT_FOUND.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_function_of_their_version() {
        let versioned = |name, version| find(name, version).map(|found| found as usize);
        assert_eq!(versioned("cuMemAlloc", 12_000), Some(cuMemAlloc_v2 as *const () as usize));
        assert_eq!(versioned("cuCtxCreate", 12_000), Some(cuCtxCreate_v2 as *const () as usize));
        assert_eq!(versioned("cuCtxCreate", 13_000), Some(cuCtxCreate_v4 as *const () as usize));
        assert_eq!(versioned("cuInit", 13_000), Some(cuInit as *const () as usize));
        assert_eq!(versioned("cuNoSuchFunction", 13_000), None);
        for (name, _, symbol) in VERSIONS {
            assert!(lookup(symbol).is_some(), "{name} means {symbol}, which is nowhere");
        }
    }
}
