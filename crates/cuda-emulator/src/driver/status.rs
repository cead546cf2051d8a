//! What a call ends in: CUDA's codes, their names, and a reason for the reader.

/// A `CUresult`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i32);

/// The codes that the driver interface itself gives; those of launches come with their reports.
impl Code {
    pub(crate) const INVALID_VALUE: Code = Code(1);
    pub(crate) const OUT_OF_MEMORY: Code = Code(2);
    pub(crate) const NOT_INITIALIZED: Code = Code(3);
    pub(crate) const NO_DEVICE: Code = Code(100);
    pub(crate) const INVALID_DEVICE: Code = Code(101);
    pub(crate) const INVALID_IMAGE: Code = Code(200);
    pub(crate) const INVALID_CONTEXT: Code = Code(201);
    pub(crate) const NO_BINARY_FOR_GPU: Code = Code(209);
    pub(crate) const UNSUPPORTED_LIMIT: Code = Code(215);
    pub(crate) const PEER_ACCESS_UNSUPPORTED: Code = Code(217);
    pub(crate) const INVALID_PTX: Code = Code(218);
    pub(crate) const FILE_NOT_FOUND: Code = Code(301);
    pub(crate) const INVALID_HANDLE: Code = Code(400);
    pub(crate) const ILLEGAL_STATE: Code = Code(401);
    pub(crate) const NOT_FOUND: Code = Code(500);
    pub(crate) const LAUNCH_OUT_OF_RESOURCES: Code = Code(701);
    pub(crate) const CONTEXT_IS_DESTROYED: Code = Code(709);
    pub(crate) const HOST_MEMORY_ALREADY_REGISTERED: Code = Code(712);
    pub(crate) const HOST_MEMORY_NOT_REGISTERED: Code = Code(713);
    pub(crate) const COOPERATIVE_LAUNCH_TOO_LARGE: Code = Code(720);
    pub(crate) const NOT_PERMITTED: Code = Code(800);
    pub(crate) const NOT_SUPPORTED: Code = Code(801);
    pub(crate) const STREAM_CAPTURE_UNSUPPORTED: Code = Code(900);
    pub(crate) const STREAM_CAPTURE_INVALIDATED: Code = Code(901);
    pub(crate) const STREAM_CAPTURE_MERGE: Code = Code(902);
    pub(crate) const STREAM_CAPTURE_UNMATCHED: Code = Code(903);
    pub(crate) const STREAM_CAPTURE_UNJOINED: Code = Code(904);
    pub(crate) const STREAM_CAPTURE_ISOLATION: Code = Code(905);
    pub(crate) const STREAM_CAPTURE_IMPLICIT: Code = Code(906);
    pub(crate) const CAPTURED_EVENT: Code = Code(907);
    pub(crate) const STREAM_CAPTURE_WRONG_THREAD: Code = Code(908);
    pub(crate) const GRAPH_EXEC_UPDATE_FAILURE: Code = Code(910);
    pub(crate) const UNKNOWN: Code = Code(999);

    /// Its name and description as C strings, if it is one of CUDA's.
    pub(crate) fn texts(self) -> Option<(&'static str, &'static str)> {
        let at = TABLE.binary_search_by_key(&self.0, |row| row.0).ok()?;
        Some((TABLE[at].1, TABLE[at].2))
    }

    /// Its name without the end of the C string; `CUDA_ERROR_UNKNOWN` for what is none of CUDA's.
    pub(crate) fn name(self) -> &'static str {
        self.texts().map_or("CUDA_ERROR_UNKNOWN", |(name, _)| name.trim_end_matches('\0'))
    }
}

/// Why a call fails. With a reason, the reason is printed: the caller gets no more than a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) why: Option<String>,
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self { code, why: None }
    }
}

/// What a call returns inside.
pub(crate) type Outcome<T = ()> = Result<T, Fault>;

/// A fault with a reason.
pub(crate) fn fault<T>(code: Code, why: impl Into<String>) -> Outcome<T> {
    Err(Fault { code, why: Some(why.into()) })
}

/// Every code of CUDA 13, in ascending order; the texts end as C strings do.
#[rustfmt::skip]
const TABLE: &[(i32, &str, &str)] = &[
    (0, "CUDA_SUCCESS\0", "no error\0"),
    (1, "CUDA_ERROR_INVALID_VALUE\0", "invalid argument\0"),
    (2, "CUDA_ERROR_OUT_OF_MEMORY\0", "out of memory\0"),
    (3, "CUDA_ERROR_NOT_INITIALIZED\0", "initialization error\0"),
    (4, "CUDA_ERROR_DEINITIALIZED\0", "driver shutting down\0"),
    (5, "CUDA_ERROR_PROFILER_DISABLED\0", "profiler disabled\0"),
    (6, "CUDA_ERROR_PROFILER_NOT_INITIALIZED\0", "profiler not initialized\0"),
    (7, "CUDA_ERROR_PROFILER_ALREADY_STARTED\0", "profiler already started\0"),
    (8, "CUDA_ERROR_PROFILER_ALREADY_STOPPED\0", "profiler already stopped\0"),
    (34, "CUDA_ERROR_STUB_LIBRARY\0", "the driver library is a stub\0"),
    (36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER\0", "the call requires a newer driver\0"),
    (46, "CUDA_ERROR_DEVICE_UNAVAILABLE\0", "the device is busy or unavailable\0"),
    (100, "CUDA_ERROR_NO_DEVICE\0", "no CUDA-capable device is detected\0"),
    (101, "CUDA_ERROR_INVALID_DEVICE\0", "invalid device ordinal\0"),
    (102, "CUDA_ERROR_DEVICE_NOT_LICENSED\0", "the device lacks a licence\0"),
    (200, "CUDA_ERROR_INVALID_IMAGE\0", "the kernel image is invalid\0"),
    (201, "CUDA_ERROR_INVALID_CONTEXT\0", "invalid device context\0"),
    (202, "CUDA_ERROR_CONTEXT_ALREADY_CURRENT\0", "the context is already current\0"),
    (205, "CUDA_ERROR_MAP_FAILED\0", "mapping of a buffer failed\0"),
    (206, "CUDA_ERROR_UNMAP_FAILED\0", "unmapping of a buffer failed\0"),
    (207, "CUDA_ERROR_ARRAY_IS_MAPPED\0", "the array is mapped\0"),
    (208, "CUDA_ERROR_ALREADY_MAPPED\0", "the resource is already mapped\0"),
    (209, "CUDA_ERROR_NO_BINARY_FOR_GPU\0", "no kernel image is available for the device\0"),
    (210, "CUDA_ERROR_ALREADY_ACQUIRED\0", "the resource is already acquired\0"),
    (211, "CUDA_ERROR_NOT_MAPPED\0", "the resource is not mapped\0"),
    (212, "CUDA_ERROR_NOT_MAPPED_AS_ARRAY\0", "the resource is not mapped as an array\0"),
    (213, "CUDA_ERROR_NOT_MAPPED_AS_POINTER\0", "the resource is not mapped as a pointer\0"),
    (214, "CUDA_ERROR_ECC_UNCORRECTABLE\0", "uncorrectable ECC error\0"),
    (215, "CUDA_ERROR_UNSUPPORTED_LIMIT\0", "the limit is not supported\0"),
    (216, "CUDA_ERROR_CONTEXT_ALREADY_IN_USE\0", "the context is in use by another thread\0"),
    (217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED\0", "peer access is not supported between the devices\0"),
    (218, "CUDA_ERROR_INVALID_PTX\0", "a PTX compilation failed\0"),
    (219, "CUDA_ERROR_INVALID_GRAPHICS_CONTEXT\0", "invalid graphics context\0"),
    (220, "CUDA_ERROR_NVLINK_UNCORRECTABLE\0", "uncorrectable NVLink error\0"),
    (221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND\0", "the PTX compiler was not found\0"),
    (222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION\0", "the PTX version is not supported\0"),
    (223, "CUDA_ERROR_JIT_COMPILATION_DISABLED\0", "PTX compilation is disabled\0"),
    (224, "CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY\0", "the execution affinity is not supported\0"),
    (225, "CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC\0", "device-side synchronization is not supported\0"),
    (226, "CUDA_ERROR_CONTAINED\0", "contained error\0"),
    (300, "CUDA_ERROR_INVALID_SOURCE\0", "the kernel source is invalid\0"),
    (301, "CUDA_ERROR_FILE_NOT_FOUND\0", "file not found\0"),
    (302, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND\0", "shared object symbol not found\0"),
    (303, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED\0", "shared object initialization failed\0"),
    (304, "CUDA_ERROR_OPERATING_SYSTEM\0", "an operating system call failed\0"),
    (400, "CUDA_ERROR_INVALID_HANDLE\0", "invalid resource handle\0"),
    (401, "CUDA_ERROR_ILLEGAL_STATE\0", "the operation cannot be performed in the present state\0"),
    (402, "CUDA_ERROR_LOSSY_QUERY\0", "the query would lose information\0"),
    (500, "CUDA_ERROR_NOT_FOUND\0", "named symbol not found\0"),
    (600, "CUDA_ERROR_NOT_READY\0", "device not ready\0"),
    (700, "CUDA_ERROR_ILLEGAL_ADDRESS\0", "an illegal memory access was encountered\0"),
    (701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES\0", "too many resources requested for launch\0"),
    (702, "CUDA_ERROR_LAUNCH_TIMEOUT\0", "the launch timed out and was terminated\0"),
    (703, "CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING\0", "launch with incompatible texturing\0"),
    (704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED\0", "peer access is already enabled\0"),
    (705, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED\0", "peer access has not been enabled\0"),
    (708, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE\0", "cannot set while the primary context is active\0"),
    (709, "CUDA_ERROR_CONTEXT_IS_DESTROYED\0", "the context is destroyed\0"),
    (710, "CUDA_ERROR_ASSERT\0", "device-side assert triggered\0"),
    (711, "CUDA_ERROR_TOO_MANY_PEERS\0", "peer mapping resources exhausted\0"),
    (712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED\0", "part or all of the memory is already registered\0"),
    (713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED\0", "the pointer does not correspond to registered memory\0"),
    (714, "CUDA_ERROR_HARDWARE_STACK_ERROR\0", "hardware stack error\0"),
    (715, "CUDA_ERROR_ILLEGAL_INSTRUCTION\0", "an illegal instruction was encountered\0"),
    (716, "CUDA_ERROR_MISALIGNED_ADDRESS\0", "misaligned address\0"),
    (717, "CUDA_ERROR_INVALID_ADDRESS_SPACE\0", "operation not supported on the address space\0"),
    (718, "CUDA_ERROR_INVALID_PC\0", "invalid program counter\0"),
    (719, "CUDA_ERROR_LAUNCH_FAILED\0", "unspecified launch failure\0"),
    (720, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE\0", "too many blocks in cooperative launch\0"),
    (721, "CUDA_ERROR_TENSOR_MEMORY_LEAK\0", "tensor memory was not freed at exit\0"),
    (800, "CUDA_ERROR_NOT_PERMITTED\0", "operation not permitted\0"),
    (801, "CUDA_ERROR_NOT_SUPPORTED\0", "operation not supported\0"),
    (802, "CUDA_ERROR_SYSTEM_NOT_READY\0", "system not yet initialized\0"),
    (803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\0", "display driver and CUDA driver do not match\0"),
    (804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE\0", "forward compatibility is not supported on the device\0"),
    (805, "CUDA_ERROR_MPS_CONNECTION_FAILED\0", "MPS client failed to connect\0"),
    (806, "CUDA_ERROR_MPS_RPC_FAILURE\0", "MPS server call failed\0"),
    (807, "CUDA_ERROR_MPS_SERVER_NOT_READY\0", "MPS server is not ready\0"),
    (808, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED\0", "MPS clients exhausted\0"),
    (809, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED\0", "MPS connections exhausted\0"),
    (810, "CUDA_ERROR_MPS_CLIENT_TERMINATED\0", "MPS client terminated\0"),
    (811, "CUDA_ERROR_CDP_NOT_SUPPORTED\0", "device-side launches are not supported\0"),
    (812, "CUDA_ERROR_CDP_VERSION_MISMATCH\0", "device-side launch version mismatch\0"),
    (900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED\0", "operation not permitted when stream is capturing\0"),
    (901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED\0", "operation failed due to a previous error during capture\0"),
    (902, "CUDA_ERROR_STREAM_CAPTURE_MERGE\0", "operation would result in a merge of separate capture sequences\0"),
    (903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED\0", "capture was not ended in the same stream as it began\0"),
    (904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED\0", "capturing stream has unjoined work\0"),
    (905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION\0", "dependency created on uncaptured work in another stream\0"),
    (906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT\0", "operation would make the legacy stream depend on a capturing blocking stream\0"),
    (907, "CUDA_ERROR_CAPTURED_EVENT\0", "operation not permitted on an event last recorded in a capturing stream\0"),
    (908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD\0", "attempt to terminate a thread-local capture sequence from another thread\0"),
    (909, "CUDA_ERROR_TIMEOUT\0", "wait operation timed out\0"),
    (910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE\0", "the graph update was not performed because it violated constraints\0"),
    (911, "CUDA_ERROR_EXTERNAL_DEVICE\0", "error on an external device\0"),
    (912, "CUDA_ERROR_INVALID_CLUSTER_SIZE\0", "invalid cluster size\0"),
    (913, "CUDA_ERROR_FUNCTION_NOT_LOADED\0", "the function is not loaded\0"),
    (914, "CUDA_ERROR_INVALID_RESOURCE_TYPE\0", "invalid resource type\0"),
    (915, "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION\0", "invalid resource configuration\0"),
    (916, "CUDA_ERROR_KEY_ROTATION\0", "key rotation in progress\0"),
    (999, "CUDA_ERROR_UNKNOWN\0", "unknown error\0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_have_ended_texts() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(TABLE.iter().all(|row| row.1.starts_with("CUDA_") && row.1.ends_with('\0')));
        assert!(TABLE.iter().all(|row| row.2.len() > 1 && row.2.ends_with('\0')));
        assert_eq!(Code(716).name(), "CUDA_ERROR_MISALIGNED_ADDRESS");
        assert_eq!(Code(12345).texts(), None);
    }
}
