//! The driver's error codes: their names, and what to do about them.
//!
//! A table of our own: cudarc's error type asks the driver for its text, which panics where there is
//! no driver.

use crate::error::Error;

/// What the table says where nothing better is known.
const SEE_REFERENCE: &str = "see CUresult in the CUDA driver API reference";
const STICKY: &str = "a kernel did wrong and its context is lost: find it with compute-sanitizer, and start the process again";
const CAPTURE: &str = "the stream is being captured into a graph, where this call is not allowed";

/// Code, name, hint; ascending by code.
const CODES: &[(u32, &str, &str)] = &[
    (1, "CUDA_ERROR_INVALID_VALUE", "an argument of a driver call is out of range"),
    (2, "CUDA_ERROR_OUT_OF_MEMORY", "the device has too little free memory"),
    (3, "CUDA_ERROR_NOT_INITIALIZED", "cuInit has not been called in this process"),
    (4, "CUDA_ERROR_DEINITIALIZED", "the driver is shutting down"),
    (5, "CUDA_ERROR_PROFILER_DISABLED", SEE_REFERENCE),
    (6, "CUDA_ERROR_PROFILER_NOT_INITIALIZED", SEE_REFERENCE),
    (7, "CUDA_ERROR_PROFILER_ALREADY_STARTED", SEE_REFERENCE),
    (8, "CUDA_ERROR_PROFILER_ALREADY_STOPPED", SEE_REFERENCE),
    (
        34,
        "CUDA_ERROR_STUB_LIBRARY",
        "the libcuda found is the toolkit's stub: put the driver's in front of it",
    ),
    (
        36,
        "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER",
        "this driver call needs a newer driver: update it",
    ),
    (46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "another process holds the device exclusively"),
    (100, "CUDA_ERROR_NO_DEVICE", "no device is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES"),
    (101, "CUDA_ERROR_INVALID_DEVICE", "there is no device of that number"),
    (102, "CUDA_ERROR_DEVICE_NOT_LICENSED", "the device needs a licence"),
    (200, "CUDA_ERROR_INVALID_IMAGE", "the kernels of this build are damaged: build it again"),
    (201, "CUDA_ERROR_INVALID_CONTEXT", "no context is current, or it has been destroyed"),
    (202, "CUDA_ERROR_CONTEXT_ALREADY_CURRENT", SEE_REFERENCE),
    (205, "CUDA_ERROR_MAP_FAILED", SEE_REFERENCE),
    (206, "CUDA_ERROR_UNMAP_FAILED", SEE_REFERENCE),
    (207, "CUDA_ERROR_ARRAY_IS_MAPPED", SEE_REFERENCE),
    (208, "CUDA_ERROR_ALREADY_MAPPED", SEE_REFERENCE),
    (
        209,
        "CUDA_ERROR_NO_BINARY_FOR_GPU",
        "the kernels of this build fit compute capability 8.0 and later: see `cosmoe info`",
    ),
    (210, "CUDA_ERROR_ALREADY_ACQUIRED", SEE_REFERENCE),
    (211, "CUDA_ERROR_NOT_MAPPED", SEE_REFERENCE),
    (212, "CUDA_ERROR_NOT_MAPPED_AS_ARRAY", SEE_REFERENCE),
    (213, "CUDA_ERROR_NOT_MAPPED_AS_POINTER", SEE_REFERENCE),
    (214, "CUDA_ERROR_ECC_UNCORRECTABLE", "the device's memory is faulty"),
    (215, "CUDA_ERROR_UNSUPPORTED_LIMIT", SEE_REFERENCE),
    (216, "CUDA_ERROR_CONTEXT_ALREADY_IN_USE", SEE_REFERENCE),
    (217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED", SEE_REFERENCE),
    (218, "CUDA_ERROR_INVALID_PTX", "the driver cannot compile this build's PTX"),
    (219, "CUDA_ERROR_INVALID_GRAPHICS_CONTEXT", SEE_REFERENCE),
    (220, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "a link between devices is faulty"),
    (
        221,
        "CUDA_ERROR_JIT_COMPILER_NOT_FOUND",
        "the driver's PTX compiler (libnvidia-ptxjitcompiler) is not installed",
    ),
    (
        222,
        "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        "the driver is older than the nvcc of this build: update the driver, or build for this device with COSMOE_CUDA_ARCHS",
    ),
    (
        223,
        "CUDA_ERROR_JIT_COMPILATION_DISABLED",
        "compilation of PTX is switched off: build for this device with COSMOE_CUDA_ARCHS",
    ),
    (224, "CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY", SEE_REFERENCE),
    (225, "CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC", SEE_REFERENCE),
    (226, "CUDA_ERROR_CONTAINED", STICKY),
    (300, "CUDA_ERROR_INVALID_SOURCE", "the kernels of this build are damaged: build it again"),
    (301, "CUDA_ERROR_FILE_NOT_FOUND", SEE_REFERENCE),
    (302, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND", "the driver is not installed properly"),
    (303, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED", "the driver is not installed properly"),
    (304, "CUDA_ERROR_OPERATING_SYSTEM", "the operating system refused the driver's call"),
    (
        400,
        "CUDA_ERROR_INVALID_HANDLE",
        "a stream or context has been destroyed, or belongs to another context",
    ),
    (401, "CUDA_ERROR_ILLEGAL_STATE", SEE_REFERENCE),
    (402, "CUDA_ERROR_LOSSY_QUERY", SEE_REFERENCE),
    (500, "CUDA_ERROR_NOT_FOUND", "a kernel is missing from the loaded module"),
    (600, "CUDA_ERROR_NOT_READY", SEE_REFERENCE),
    (700, "CUDA_ERROR_ILLEGAL_ADDRESS", STICKY),
    (
        701,
        "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        "the kernel needs more registers or shared memory than the device has",
    ),
    (
        702,
        "CUDA_ERROR_LAUNCH_TIMEOUT",
        "a kernel ran longer than the display's time limit; its context is lost",
    ),
    (703, "CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING", SEE_REFERENCE),
    (704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", SEE_REFERENCE),
    (705, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED", SEE_REFERENCE),
    (708, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE", SEE_REFERENCE),
    (709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "the context has been destroyed or reset"),
    (710, "CUDA_ERROR_ASSERT", STICKY),
    (711, "CUDA_ERROR_TOO_MANY_PEERS", SEE_REFERENCE),
    (712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED", SEE_REFERENCE),
    (713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED", SEE_REFERENCE),
    (714, "CUDA_ERROR_HARDWARE_STACK_ERROR", STICKY),
    (715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", STICKY),
    (716, "CUDA_ERROR_MISALIGNED_ADDRESS", STICKY),
    (717, "CUDA_ERROR_INVALID_ADDRESS_SPACE", STICKY),
    (718, "CUDA_ERROR_INVALID_PC", STICKY),
    (719, "CUDA_ERROR_LAUNCH_FAILED", STICKY),
    (720, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE", SEE_REFERENCE),
    (721, "CUDA_ERROR_TENSOR_MEMORY_LEAK", SEE_REFERENCE),
    (800, "CUDA_ERROR_NOT_PERMITTED", "the driver does not permit this call here"),
    (801, "CUDA_ERROR_NOT_SUPPORTED", "the driver or device does not support this call"),
    (
        802,
        "CUDA_ERROR_SYSTEM_NOT_READY",
        "the system is still starting: check nvidia-fabricmanager",
    ),
    (
        803,
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "driver library and kernel module differ: start the machine again after a driver update",
    ),
    (
        804,
        "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
        "the forward-compatible driver does not support this device",
    ),
    (805, "CUDA_ERROR_MPS_CONNECTION_FAILED", "the MPS server cannot be reached"),
    (806, "CUDA_ERROR_MPS_RPC_FAILURE", SEE_REFERENCE),
    (807, "CUDA_ERROR_MPS_SERVER_NOT_READY", "the MPS server is not ready"),
    (808, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED", "the MPS server has too many clients"),
    (809, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED", SEE_REFERENCE),
    (810, "CUDA_ERROR_MPS_CLIENT_TERMINATED", SEE_REFERENCE),
    (811, "CUDA_ERROR_CDP_NOT_SUPPORTED", SEE_REFERENCE),
    (812, "CUDA_ERROR_CDP_VERSION_MISMATCH", SEE_REFERENCE),
    (900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", CAPTURE),
    (
        901,
        "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
        "an earlier call has invalidated the stream's capture",
    ),
    (902, "CUDA_ERROR_STREAM_CAPTURE_MERGE", CAPTURE),
    (903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", CAPTURE),
    (904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", CAPTURE),
    (905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", CAPTURE),
    (906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", CAPTURE),
    (907, "CUDA_ERROR_CAPTURED_EVENT", CAPTURE),
    (908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", CAPTURE),
    (909, "CUDA_ERROR_TIMEOUT", SEE_REFERENCE),
    (910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", SEE_REFERENCE),
    (911, "CUDA_ERROR_EXTERNAL_DEVICE", SEE_REFERENCE),
    (912, "CUDA_ERROR_INVALID_CLUSTER_SIZE", SEE_REFERENCE),
    (913, "CUDA_ERROR_FUNCTION_NOT_LOADED", SEE_REFERENCE),
    (914, "CUDA_ERROR_INVALID_RESOURCE_TYPE", SEE_REFERENCE),
    (915, "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION", SEE_REFERENCE),
    (916, "CUDA_ERROR_KEY_ROTATION", SEE_REFERENCE),
    (917, "CUDA_ERROR_STREAM_DETACHED", "the stream's context has been destroyed"),
    (918, "CUDA_ERROR_GRAPH_RECAPTURE_FAILURE", SEE_REFERENCE),
    (919, "CUDA_ERROR_FABRIC_NOT_READY", SEE_REFERENCE),
    (
        999,
        "CUDA_ERROR_UNKNOWN",
        "the driver failed inside: see the system log (dmesg) and nvidia-smi",
    ),
];

/// The error of a code that is not success.
pub(crate) fn error(code: u32) -> Error {
    let found = CODES.binary_search_by_key(&code, |&(code, ..)| code).map(|at| CODES[at]);
    let (_, name, hint) = found.unwrap_or((code, "CUresult", SEE_REFERENCE));
    Error::Cuda { code: i32::try_from(code).unwrap_or(i32::MAX), name, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_hints_end_without_a_stop() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for &(code, name, hint) in CODES {
            assert!(name.starts_with("CUDA_ERROR_"), "{code}");
            assert!(!hint.is_empty() && !hint.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn errors_name_the_code_and_say_what_to_do() {
        assert_eq!(
            error(2).to_string(),
            "CUDA error 2 (CUDA_ERROR_OUT_OF_MEMORY): the device has too little free memory"
        );
        assert_eq!(
            error(12_345).to_string(),
            "CUDA error 12345 (CUresult): see CUresult in the CUDA driver API reference"
        );
        assert_eq!(error(700).code(), 13);
    }

    /// The names are those of the driver's own header, as cudarc's bindings have them.
    #[test]
    fn names_are_the_drivers() {
        use cudarc::driver::sys::CUresult;
        for result in [
            CUresult::CUDA_ERROR_INVALID_VALUE,
            CUresult::CUDA_ERROR_OUT_OF_MEMORY,
            CUresult::CUDA_ERROR_STUB_LIBRARY,
            CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE,
            CUresult::CUDA_ERROR_NO_DEVICE,
            CUresult::CUDA_ERROR_INVALID_CONTEXT,
            CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU,
            CUresult::CUDA_ERROR_INVALID_PTX,
            CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
            CUresult::CUDA_ERROR_INVALID_HANDLE,
            CUresult::CUDA_ERROR_NOT_FOUND,
            CUresult::CUDA_ERROR_ILLEGAL_ADDRESS,
            CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
            CUresult::CUDA_ERROR_ASSERT,
            CUresult::CUDA_ERROR_MISALIGNED_ADDRESS,
            CUresult::CUDA_ERROR_LAUNCH_FAILED,
            CUresult::CUDA_ERROR_NOT_SUPPORTED,
            CUresult::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
            CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
            CUresult::CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
            CUresult::CUDA_ERROR_UNKNOWN,
        ] {
            let Error::Cuda { name, .. } = error(result as u32) else { panic!("{result:?}") };
            assert_eq!(name, format!("{result:?}"));
        }
    }
}
