/*
 * One Mixture-of-Experts layer of an engine: route, plan, gather, a plain loop over the experts, combine.
 *
 *     cc -O2 engine.c -o engine $(pkg-config --cflags --libs cosmoe) -ldl
 *     ./engine cpu | ./engine cuda [FILE: ids, weights, offsets and outputs, byte for byte]
 */
#include "memory.h"

enum { T = 37, D = 64, E = 8, K = 2 };

static void ok(cosmoe_status status) {
    if (status != COSMOE_OK) {
        fprintf(stderr, "engine: %s: %s\n", cosmoe_status_name(status), cosmoe_last_error_message());
        exit(1);
    }
}

/* A tensor of memory of its own: shape is {rows, cols}, or {rows, 0} for a vector. */
typedef struct {
    DLTensor dl;
    int64_t shape[2];
    size_t bytes;
} tensor;

static void tensor_new(tensor *t, place at, int code, int bits, int64_t rows, int64_t cols) {
    memset(t, 0, sizeof *t);
    t->shape[0] = rows;
    t->shape[1] = cols;
    t->bytes = (size_t)(rows * (cols ? cols : 1)) * (size_t)bits / 8;
    t->dl.data = place_alloc(at, t->bytes);
    t->dl.device = at.device;
    t->dl.ndim = cols ? 2 : 1;
    t->dl.dtype.code = (uint8_t)code;
    t->dl.dtype.bits = (uint8_t)bits;
    t->dl.dtype.lanes = 1;
    t->dl.shape = t->shape;
}

/* Numbers from -1 to 1, the same on every machine. */
static void fill(float *values, int count, uint32_t seed) {
    for (int i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
}

static float host_tokens[T * D], host_experts[E * D], matrices[E * D * D];
static float rows_in[T * K * D], rows_out[T * K * D];

/* The experts themselves, on the host for brevity: y = max(0, W x), one expert's rows after the other's. */
static void run_experts(const int32_t *offsets) {
    for (int e = 0; e < E; e++) {
        for (int r = offsets[e]; r < offsets[e + 1]; r++) {
            for (int j = 0; j < D; j++) {
                float sum = 0.0f;
                for (int i = 0; i < D; i++) {
                    sum += matrices[(e * D + j) * D + i] * rows_in[r * D + i];
                }
                rows_out[r * D + j] = sum > 0.0f ? sum : 0.0f;
            }
        }
    }
}

int main(int argc, char **argv) {
    place at = place_open(argc > 1 ? argv[1] : "cpu");
    cosmoe_backend_config where = {sizeof where, at.device, at.stream, 0};
    cosmoe_backend *backend = NULL;
    ok(cosmoe_backend_new(&where, &backend));

    enum { TOKENS, EXPERTS, IDS, WEIGHTS, DEMAND, COUNTS, OFFSETS, ROW_OF, ASSIGNMENT_OF, STATS, GROUPED, OUT, ALL };
    const int layout[ALL][4] = {
        {kDLFloat, 32, T, D}, {kDLFloat, 32, E, D}, {kDLInt, 32, T, K},     {kDLFloat, 32, T, K},
        {kDLInt, 32, E, 0},   {kDLInt, 32, E, 0},   {kDLInt, 32, E + 1, 0}, {kDLInt, 32, T * K, 0},
        {kDLInt, 32, T * K, 0}, {kDLInt, 32, 2, 0}, {kDLFloat, 32, T * K, D}, {kDLFloat, 32, T, D},
    };
    tensor t[ALL];
    for (int i = 0; i < ALL; i++) {
        tensor_new(&t[i], at, layout[i][0], layout[i][1], layout[i][2], layout[i][3]);
    }
    fill(host_tokens, T * D, 1);
    fill(host_experts, E * D, 2);
    fill(matrices, E * D * D, 3);
    place_write(at, t[TOKENS].dl.data, host_tokens, sizeof host_tokens);
    place_write(at, t[EXPERTS].dl.data, host_experts, sizeof host_experts);

    /* Once a model: the router and its workspace. */
    cosmoe_router_config config;
    ok(cosmoe_router_config_init(&config, sizeof config, E, K));
    cosmoe_plan_config plan;
    ok(cosmoe_plan_config_init(&plan, sizeof plan, E));
    cosmoe_router_weights learned = {sizeof learned, &t[EXPERTS].dl, NULL, NULL, NULL};
    cosmoe_router *router = NULL;
    ok(cosmoe_router_new(backend, &config, &learned, &router));
    cosmoe_workspace_size size = {sizeof size, 0, 0}, for_plan = {sizeof for_plan, 0, 0};
    ok(cosmoe_route_workspace(router, T, t[TOKENS].dl.dtype, &size));
    ok(cosmoe_plan_workspace(backend, &plan, T, K, &for_plan));
    size.scratch = size.scratch > for_plan.scratch ? size.scratch : for_plan.scratch;
    size.state = size.state > for_plan.state ? size.state : for_plan.state;
    cosmoe_workspace *workspace = NULL;
    ok(cosmoe_workspace_new(backend, &size, &workspace));

    /* Every forward pass. */
    cosmoe_route_args tokens = {sizeof tokens, &t[TOKENS].dl, NULL};
    cosmoe_route_out chosen = {sizeof chosen, &t[IDS].dl, &t[WEIGHTS].dl, NULL};
    ok(cosmoe_route(router, &tokens, &chosen, workspace));
    cosmoe_plan_args ids = {sizeof ids, &t[IDS].dl, NULL};
    cosmoe_plan_out rows = {sizeof rows,         &t[DEMAND].dl,        &t[COUNTS].dl, &t[OFFSETS].dl,
                            &t[ROW_OF].dl, &t[ASSIGNMENT_OF].dl, NULL,          &t[STATS].dl};
    ok(cosmoe_plan(backend, &plan, &ids, &rows, workspace));
    cosmoe_gather_args gather = {sizeof gather, &t[TOKENS].dl, &t[ASSIGNMENT_OF].dl, K};
    ok(cosmoe_gather(backend, &gather, &t[GROUPED].dl));
    int32_t offsets[E + 1];
    place_read(at, offsets, t[OFFSETS].dl.data, sizeof offsets);
    place_read(at, rows_in, t[GROUPED].dl.data, sizeof rows_in);
    run_experts(offsets);
    place_write(at, t[GROUPED].dl.data, rows_out, sizeof rows_out);
    cosmoe_combine_args combine = {sizeof combine, &t[GROUPED].dl, &t[ROW_OF].dl, &t[WEIGHTS].dl};
    ok(cosmoe_combine(backend, &combine, &t[OUT].dl));
    ok(cosmoe_backend_synchronize(backend));

    FILE *file = argc > 2 ? fopen(argv[2], "wb") : NULL;
    must(argc <= 2 || file != NULL, "opening the file");
    const int results[] = {IDS, WEIGHTS, OFFSETS, OUT};
    for (size_t i = 0; file && i < sizeof results / sizeof *results; i++) {
        void *bytes = place_alloc(place_open("cpu"), t[results[i]].bytes);
        place_read(at, bytes, t[results[i]].dl.data, t[results[i]].bytes);
        must(fwrite(bytes, t[results[i]].bytes, 1, file) == 1, "writing");
        free(bytes);
    }
    must(file == NULL || fclose(file) == 0, "closing the file");
    printf("cosmoe %s on %s: %d tokens, %d rows of %d experts\n", cosmoe_version(), argc > 1 ? argv[1] : "cpu", T,
           offsets[E], E);

    ok(cosmoe_workspace_free(workspace));
    ok(cosmoe_router_free(router));
    ok(cosmoe_backend_free(backend));
    for (int i = 0; i < ALL; i++) {
        place_free(at, t[i].dl.data);
    }
    return 0;
}
