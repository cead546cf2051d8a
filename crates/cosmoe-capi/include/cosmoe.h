/*
 * cosmoe: sparse Mixture-of-Experts routing on the CPU and on CUDA devices.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Generated from the Rust sources of cosmoe-capi; do not edit.
 *
 * What a caller owes:
 * - Handles come from the _new functions and are used until their _free. A freed handle is not used again: that
 *   is undefined (builds of the library with debug assertions find it out).
 * - A struct's first field, struct_size, is its sizeof; other fields that are not used are zero. Fields that later
 *   versions add are zero for those who do not know them.
 * - A DLTensor is borrowed: data, shape, strides and byte_offset are what they say, and are never freed here.
 *   Rows have their elements side by side (last stride 1) and may be any stride apart. shape and strides are only
 *   read during a call. Memory stays as long as the call; a router's weights and a workspace's memory as long as
 *   these; on CUDA all of it until the work submitted is done, and as long as graphs that it was captured into are
 *   launched. Outputs share no memory with anything else, where a tensor's memory is all from its first element to its
 *   last; what lies between its rows is not written.
 *
 * What a caller gets:
 * - A status from every call, and on failure a message: cosmoe_last_error_message. A call that failed has written
 *   nothing else, and the next valid one works.
 * - On the CPU a call is done when it returns. On CUDA it is submitted to the backend's stream, without waiting
 *   and without allocating, so that it can be captured into a graph. The _new functions, _borrow and _synchronize
 *   allocate or wait: on a stream that is being captured they refuse.
 * - All functions may be called from any thread; a workspace serves one call at a time, and says so.
 * - Results that depend neither on threads nor on the caller's floating-point environment.
 */


#ifndef COSMOE_H
#define COSMOE_H

#include <stddef.h>
#include <stdint.h>

#define COSMOE_VERSION "0.1.0"
#define COSMOE_VERSION_MAJOR 0
#define COSMOE_VERSION_MINOR 1
#define COSMOE_VERSION_PATCH 0

/* DLPack's types: those of <dlpack/dlpack.h> where that is found, or was included before; else the same here. */
#if !defined(DLPACK_DLPACK_H_) && defined(__has_include)
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#endif
#endif
#ifndef DLPACK_DLPACK_H_
enum { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3, kDLCUDAManaged = 13 };
enum { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4 };
typedef struct {
    int32_t device_type;
    int32_t device_id;
} DLDevice;
typedef struct {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
} DLDataType;
typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides;
    uint64_t byte_offset;
} DLTensor;
#endif


// What every function returns. A call that failed has written nothing but the message of
// cosmoe_last_error_message, and the next valid call works; only after a CUDA error that ends its context (700 and
// the like) no call on that context does.
typedef enum cosmoe_status {
    // A defect of the library: please report it.
    COSMOE_INTERNAL = -1,
    // Done; on CUDA: submitted to the stream.
    COSMOE_OK = 0,
    // A value lies outside its range or clashes with another one, or a pointer is NULL.
    COSMOE_INVALID_ARGUMENT = 1,
    // Shapes do not fit together.
    COSMOE_SHAPE_MISMATCH = 2,
    // An element type that the call does not take.
    COSMOE_DTYPE_MISMATCH = 3,
    // Elements of a row are not side by side, or rows overlap.
    COSMOE_INVALID_STRIDE = 4,
    // Memory or a workspace of another device.
    COSMOE_WRONG_DEVICE = 5,
    // The workspace is smaller than the query said.
    COSMOE_WORKSPACE_TOO_SMALL = 6,
    // A size beyond what index types or memory hold.
    COSMOE_SIZE_NOT_SUPPORTED = 7,
    // A valid request that this device or build does not serve.
    COSMOE_UNSUPPORTED = 8,
    // This build holds no CUDA kernels.
    COSMOE_KERNELS_NOT_BUILT = 9,
    // There is no CUDA driver on this machine.
    COSMOE_DRIVER_NOT_FOUND = 10,
    // The CUDA driver reports no device.
    COSMOE_NO_DEVICE = 11,
    // The CUDA driver is too old for the kernels.
    COSMOE_DRIVER_TOO_OLD = 12,
    // A call of the CUDA driver failed, perhaps one that was submitted earlier.
    COSMOE_CUDA = 13,
} cosmoe_status;

// Where a bias acts.
typedef enum cosmoe_bias_placement {
    // Selection and gate read z + b.
    COSMOE_BIAS_IN_SCORE = 0,
    // Selection reads z, the gate reads z + b.
    COSMOE_BIAS_AFTER_SELECTION = 1,
    // Selection reads g(z) + b, the gate reads z.
    COSMOE_BIAS_SELECTION_ONLY = 2,
} cosmoe_bias_placement;

// How many assignments an expert takes.
typedef enum cosmoe_capacity {
    // All of them.
    COSMOE_CAPACITY_UNLIMITED = 0,
    // capacity_per_expert.
    COSMOE_CAPACITY_PER_EXPERT = 1,
    // ceil(T*K * capacity_factor / E - 1e-9), where T counts masked rows too.
    COSMOE_CAPACITY_FACTOR = 2,
} cosmoe_capacity;

// Which assignments of an expert beyond its capacity are dropped.
typedef enum cosmoe_drop_policy {
    // The highest assignment indices.
    COSMOE_DROP_BY_POSITION = 0,
    // The lowest weights, among equal ones the highest assignment indices.
    COSMOE_DROP_BY_WEIGHT = 1,
} cosmoe_drop_policy;

// How the selected experts' logits become weights.
typedef enum cosmoe_gate {
    // Softmax over the selected experts.
    COSMOE_GATE_SOFTMAX_SELECTED = 0,
    // Softmax over all experts.
    COSMOE_GATE_SOFTMAX_ALL = 1,
    // 1 / (1 + exp(-z)).
    COSMOE_GATE_SIGMOID = 2,
    // sqrt(log1p(exp(z))).
    COSMOE_GATE_SQRT_SOFTPLUS = 3,
    // The logit itself.
    COSMOE_GATE_IDENTITY = 4,
} cosmoe_gate;

// How a group of experts is scored.
typedef enum cosmoe_group_score {
    // The sum of the two best selection scores of the group.
    COSMOE_GROUP_SUM_OF_TOP_TWO = 0,
    // The best selection score of the group.
    COSMOE_GROUP_MAX = 1,
} cosmoe_group_score;

// How a token row x and an expert row w give a score.
typedef enum cosmoe_score {
    // `<x,w> / (|x| + tau_token) / (|w| + tau_expert)`.
    COSMOE_SCORE_PERTURBED_COSINE = 0,
    // `<x,w> / |x| / |w|`.
    COSMOE_SCORE_COSINE = 1,
    // `<x,w>`.
    COSMOE_SCORE_LINEAR = 2,
    // `-|x - w|`.
    COSMOE_SCORE_LAPLACE = 3,
} cosmoe_score;

// A device, and on CUDA its stream. Several threads may use one at the same time.
typedef struct cosmoe_backend cosmoe_backend;

// A configuration, weights and what was computed of them once. Several threads may use one at the same time,
// each with a workspace of its own; cosmoe_router_refresh waits for their calls.
typedef struct cosmoe_router cosmoe_router;

// Memory for intermediate results: of one call at a time, which is seen to, and on CUDA of one stream.
typedef struct cosmoe_workspace cosmoe_workspace;

// Where a backend computes. All zeros but struct_size and device are defaults.
typedef struct cosmoe_backend_config {
    // sizeof(cosmoe_backend_config).
    size_t struct_size;
    // {kDLCPU, 0}, or {kDLCUDA, number of the device}.
    DLDevice device;
    // CUDA: a CUstream or cudaStream_t, which outlives the backend and all that is made with it. NULL and 1
    // are the legacy default stream, 2 is the default stream of the thread that makes a call; they are of the
    // context that is current when the backend is made, or where that is another device's, or none, of the device's
    // primary one. NULL on the CPU.
    void *stream;
    // CPU: 0 for as many threads as the process may use, started by the first backend that says 0 and shared by all
    // that do; 1 for the calling thread alone; more for so many threads of the backend's own, which every call goes
    // to. 0 on CUDA. After fork, threads are the parent's: make new backends with 1 or more.
    int64_t num_threads;
} cosmoe_backend_config;

// What a router computes. Fill it with cosmoe_router_config_init, then change what differs.
typedef struct cosmoe_router_config {
    // sizeof(cosmoe_router_config).
    size_t struct_size;
    // E, 1 or more.
    int64_t num_experts;
    // K, 1 to E: experts selected per token.
    int64_t top_k;
    // A cosmoe_score; perturbed cosine by default.
    int32_t score;
    // Perturbed cosine: added to a token's L2 norm; finite, 0 or more; 0 by default.
    float tau_token;
    // Perturbed cosine: added to an expert's L2 norm; finite, 0 or more; 1e-3 by default.
    float tau_expert;
    // 1 / temperature, from score to logit; finite, above 0; 1 by default.
    float scale;
    // A cosmoe_gate; softmax over the selected by default.
    int32_t gate;
    // Not 0 to divide weights by their sum over the selected. Of softmax over all, sigmoid and sqrt-softplus; of no
    // meaning with the others.
    int32_t renormalize;
    // A cosmoe_bias_placement; in the score by default. Without a bias it says nothing.
    int32_t bias_placement;
    // A cosmoe_group_score; the sum of the top two by default.
    int32_t group_score;
    // G, a divisor of E: experts are G groups of E/G, of which the best are kept. 0, no groups, by default.
    int64_t num_groups;
    // g, 1 to G: groups kept per token. 0 without groups.
    int64_t top_groups;
    // Factor on every weight; finite, 0 or more; 1 by default.
    float route_scale;
    // 0. It is here so that there is no padding that a later field could take.
    int32_t reserved;
} cosmoe_router_config;

// How assignments become rows of the expert-major buffer. Fill it with cosmoe_plan_config_init, then change
// what differs.
typedef struct cosmoe_plan_config {
    // sizeof(cosmoe_plan_config).
    size_t struct_size;
    // E, 1 or more.
    int64_t num_experts;
    // Each expert's segment is padded up to a multiple of so many rows; 1, no padding, by default.
    int64_t align;
    // A cosmoe_capacity; unlimited by default.
    int32_t capacity;
    // A cosmoe_drop_policy; by position by default.
    int32_t drop_policy;
    // Assignments per expert, with COSMOE_CAPACITY_PER_EXPERT; 0 drops everything.
    int64_t capacity_per_expert;
    // Finite, 0 or more, with COSMOE_CAPACITY_FACTOR.
    double capacity_factor;
    // The first expert that gets rows: those of this rank. Ids outside the window count as invalid.
    int64_t window_begin;
    // One past the last expert that gets rows; 0, by default, is E.
    int64_t window_end;
} cosmoe_plan_config;

// Bytes that a call needs: what the queries answer.
typedef struct cosmoe_workspace_size {
    // sizeof(cosmoe_workspace_size).
    size_t struct_size;
    // Bytes of any content, at any alignment.
    size_t scratch;
    // Bytes that are zeroed once and left as found by every call, at most 4096.
    size_t state;
} cosmoe_workspace_size;

// What cosmoe_plan reads.
typedef struct cosmoe_plan_args {
    // sizeof(cosmoe_plan_args).
    size_t struct_size;
    // `[T, K]` int32, also another router's: -1 is masked; other values outside 0..E or the window are invalid.
    const DLTensor *ids;
    // `[T, K]` f32, needed where weights decide what is dropped; else NULL, or not looked at.
    const DLTensor *weights;
} cosmoe_plan_args;

// What cosmoe_plan writes, int32 all, exactly as long as is said: for every assignment a = t*K + k its row of the
// expert-major buffer, and back.
typedef struct cosmoe_plan_out {
    // sizeof(cosmoe_plan_out).
    size_t struct_size;
    // `[E]`: valid assignments.
    const DLTensor *expert_demand;
    // `[E]`: assignments that have a row.
    const DLTensor *expert_counts;
    // `[E + 1]`: first row of each expert's padded segment; the last entry is the row count.
    const DLTensor *expert_offsets;
    // `[T*K]`: -1 is dropped, masked or invalid.
    const DLTensor *row_of_assignment;
    // `[cosmoe_plan_max_rows]`: -1 is padding, also from the row count on.
    const DLTensor *assignment_of_row;
    // `[cosmoe_plan_max_rows / align]`, rounded down: the expert of each block of rows, -1 behind the last. NULL if
    // not wanted, and with align 1.
    const DLTensor *expert_of_block;
    // `[2]`: assignments dropped for capacity; ids that were invalid.
    const DLTensor *stats;
} cosmoe_plan_out;

// What cosmoe_gather reads.
typedef struct cosmoe_gather_args {
    // sizeof(cosmoe_gather_args).
    size_t struct_size;
    // `[T, D]`, elements of 1, 2 or 4 bytes.
    const DLTensor *tokens;
    // `[rows]` int32, one entry per grouped row; entries outside 0..T*K are padding.
    const DLTensor *assignment_of_row;
    // K: assignment a belongs to token a / K.
    int64_t top_k;
} cosmoe_gather_args;

// What cosmoe_combine reads.
typedef struct cosmoe_combine_args {
    // sizeof(cosmoe_combine_args).
    size_t struct_size;
    // `[rows, D]` f32, f16 or bf16: the experts' outputs, expert-major. Padding rows are never read.
    const DLTensor *grouped;
    // `[T*K]` int32; entries outside 0..rows are skipped.
    const DLTensor *row_of_assignment;
    // `[T, K]` f32.
    const DLTensor *weights;
} cosmoe_combine_args;

// What cosmoe_route reads.
typedef struct cosmoe_route_args {
    // sizeof(cosmoe_route_args).
    size_t struct_size;
    // `[T, D]` f32, f16 or bf16; T may be 0.
    const DLTensor *tokens;
    // `[1]` uint32 (or int32, read as such) in the backend's memory: how many leading tokens are real, cut off at T.
    // The rest get ids -1, weights 0, scores 0. NULL: all are real.
    const DLTensor *num_tokens;
} cosmoe_route_args;

// What cosmoe_route and cosmoe_select write.
typedef struct cosmoe_route_out {
    // sizeof(cosmoe_route_out).
    size_t struct_size;
    // `[T, K]` int32, best first.
    const DLTensor *ids;
    // `[T, K]` f32.
    const DLTensor *weights;
    // `[T, E]` f32: the logits, with the bias where it is in the score. NULL if not wanted, and for cosmoe_select.
    const DLTensor *scores;
} cosmoe_route_out;

// What cosmoe_select reads.
typedef struct cosmoe_select_args {
    // sizeof(cosmoe_select_args).
    size_t struct_size;
    // `[T, E]` f32, f16 or bf16; T may be 0.
    const DLTensor *logits;
    // As in cosmoe_route_args.
    const DLTensor *num_tokens;
} cosmoe_select_args;

// The weights of a router, borrowed as long as it lives. T tokens, D hidden width, E experts, R projected width.
typedef struct cosmoe_router_weights {
    // sizeof(cosmoe_router_weights).
    size_t struct_size;
    // `[E, D]` in the tokens' dtype or f32, behind a projection `[E, R]` f32. NULL: a router that only selects.
    const DLTensor *experts;
    // `[E]` f32, or NULL.
    const DLTensor *bias;
    // `[R, D]` in the tokens' dtype or f32: a token x becomes P x + p. NULL without one.
    const DLTensor *projection;
    // `[R]` f32, or NULL.
    const DLTensor *projection_bias;
} cosmoe_router_weights;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes a backend. On CUDA the first one in a context loads the kernels, which waits for the device.
enum cosmoe_status cosmoe_backend_new(const struct cosmoe_backend_config *config,
                                      struct cosmoe_backend **out);

// Waits until all that was submitted to the backend's stream is done, and reports what went wrong there. Not while
// the stream is being captured.
enum cosmoe_status cosmoe_backend_synchronize(const struct cosmoe_backend *backend);

// Frees a backend; NULL is none. Routers and workspaces made with it go on working.
enum cosmoe_status cosmoe_backend_free(struct cosmoe_backend *backend);

// Fills a configuration of any content with defaults. struct_size is sizeof(cosmoe_router_config).
enum cosmoe_status cosmoe_router_config_init(struct cosmoe_router_config *config,
                                             size_t struct_size,
                                             int64_t num_experts,
                                             int64_t top_k);

// Fills a configuration of any content with defaults. struct_size is sizeof(cosmoe_plan_config).
enum cosmoe_status cosmoe_plan_config_init(struct cosmoe_plan_config *config,
                                           size_t struct_size,
                                           int64_t num_experts);

// The length of assignment_of_row for `[tokens, top_k]` ids, and the most rows that the expert-major buffer
// can need: T*K + min(E, T*K) * (align - 1).
enum cosmoe_status cosmoe_plan_max_rows(const struct cosmoe_plan_config *config,
                                        int64_t tokens,
                                        int64_t top_k,
                                        int64_t *out);

// The workspace of a cosmoe_plan of `[tokens, top_k]` ids: never less for more tokens.
enum cosmoe_status cosmoe_plan_workspace(const struct cosmoe_backend *backend,
                                         const struct cosmoe_plan_config *config,
                                         int64_t tokens,
                                         int64_t top_k,
                                         struct cosmoe_workspace_size *out);

// Assigns every kept (token, expert) pair a row of the expert-major buffer.
enum cosmoe_status cosmoe_plan(const struct cosmoe_backend *backend,
                               const struct cosmoe_plan_config *config,
                               const struct cosmoe_plan_args *args,
                               const struct cosmoe_plan_out *out,
                               struct cosmoe_workspace *workspace);

// Copies each grouped row's token row; padding rows become zero. grouped is `[rows, D]` of the tokens' dtype.
enum cosmoe_status cosmoe_gather(const struct cosmoe_backend *backend,
                                 const struct cosmoe_gather_args *args,
                                 const DLTensor *grouped);

// Sums each token's expert outputs, weighted. out is `[T, D]` of grouped's dtype.
enum cosmoe_status cosmoe_combine(const struct cosmoe_backend *backend,
                                  const struct cosmoe_combine_args *args,
                                  const DLTensor *out);

// The workspace of a cosmoe_route of so many tokens of that type: never less for more tokens.
enum cosmoe_status cosmoe_route_workspace(const struct cosmoe_router *router,
                                          int64_t tokens,
                                          DLDataType dtype,
                                          struct cosmoe_workspace_size *out);

// Scores every token against every expert and selects the K best of each; on CUDA on the stream of the router's
// backend.
enum cosmoe_status cosmoe_route(const struct cosmoe_router *router,
                                const struct cosmoe_route_args *args,
                                const struct cosmoe_route_out *out,
                                struct cosmoe_workspace *workspace);

// The workspace of a cosmoe_route_and_plan: never less for more tokens.
enum cosmoe_status cosmoe_route_and_plan_workspace(const struct cosmoe_router *router,
                                                   const struct cosmoe_plan_config *plan_config,
                                                   int64_t tokens,
                                                   DLDataType dtype,
                                                   struct cosmoe_workspace_size *out);

// cosmoe_route, and the cosmoe_plan of its ids and weights, in fewer kernels where that can be.
enum cosmoe_status cosmoe_route_and_plan(const struct cosmoe_router *router,
                                         const struct cosmoe_route_args *args,
                                         const struct cosmoe_route_out *out,
                                         const struct cosmoe_plan_config *plan_config,
                                         const struct cosmoe_plan_out *plan_out,
                                         struct cosmoe_workspace *workspace);

// The workspace of a cosmoe_select of so many tokens of that type: never less for more tokens.
enum cosmoe_status cosmoe_select_workspace(const struct cosmoe_router *router,
                                           int64_t tokens,
                                           DLDataType dtype,
                                           struct cosmoe_workspace_size *out);

// Selects from logits that another router made. Score and scale of the configuration are not used.
enum cosmoe_status cosmoe_select(const struct cosmoe_router *router,
                                 const struct cosmoe_select_args *args,
                                 const struct cosmoe_route_out *out,
                                 struct cosmoe_workspace *workspace);

// Makes a router: checks the configuration and computes the experts' norms, in the order of the backend's
// stream. Weights are borrowed: tensors' memory outlives the router, the DLTensors themselves need not.
// Not for a stream that is being captured, as it allocates.
enum cosmoe_status cosmoe_router_new(const struct cosmoe_backend *backend,
                                     const struct cosmoe_router_config *config,
                                     const struct cosmoe_router_weights *weights,
                                     struct cosmoe_router **out);

// Computes the experts' norms again, after their memory got new values: no call may run in between. On CUDA in the
// order of the stream, and part of a capture like any other call; on the CPU it allocates a buffer.
enum cosmoe_status cosmoe_router_refresh(struct cosmoe_router *router);

// Frees a router; NULL is none. Its weights stay the caller's. Graphs that were captured with a router need it as
// long as they are launched.
enum cosmoe_status cosmoe_router_free(struct cosmoe_router *router);

// What the last call that failed on this thread said: the argument, what was expected, what was found.
// Empty before the first failure. Valid until the next failure on this thread.
const char *cosmoe_last_error_message(void);

// The CUresult of the last call that failed on this thread, if that returned COSMOE_CUDA, else 0.
int32_t cosmoe_last_cuda_error(void);

// The name of a status, "unknown status" for any other number. Never NULL, never freed.
const char *cosmoe_status_name(int32_t status);

// The version of the library that answers, "0.1.0" for instance; COSMOE_VERSION is that of the header.
// Never freed.
const char *cosmoe_version(void);

// Makes a workspace in memory that the library allocates on the backend's device. It serves all calls whose
// queries answered no more than size. On CUDA it is allocated and freed in the order of the stream; not while that
// is being captured.
enum cosmoe_status cosmoe_workspace_new(const struct cosmoe_backend *backend,
                                        const struct cosmoe_workspace_size *size,
                                        struct cosmoe_workspace **out);

// Makes a workspace of the caller's memory on the backend's device, which outlives it: two `[bytes]` uint8
// tensors, NULL for no bytes, that share nothing with each other or with any argument of a call. Zeroes state, in
// the order of the stream.
enum cosmoe_status cosmoe_workspace_borrow(const struct cosmoe_backend *backend,
                                           const DLTensor *scratch,
                                           const DLTensor *state,
                                           struct cosmoe_workspace **out);

// Frees a workspace; NULL is none. Memory that was borrowed stays the caller's. Graphs that were captured with a
// workspace need it as long as they are launched.
enum cosmoe_status cosmoe_workspace_free(struct cosmoe_workspace *workspace);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* COSMOE_H */
