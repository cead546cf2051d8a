/*
 * Memory and a stream on the CPU or on a CUDA device. An engine has these already; here they stand for its
 * own, through the CUDA driver alone, which is loaded only if it is asked for.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <cosmoe.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    DLDevice device;
    void *stream;
} place;

static struct {
    int (*init)(unsigned);
    int (*retain)(void **context, int device);
    int (*set_current)(void *context);
    int (*stream_create)(void **stream, unsigned flags);
    int (*stream_synchronize)(void *stream);
    int (*alloc)(uint64_t *address, size_t bytes);
    int (*release)(uint64_t address);
    int (*fill)(uint64_t to, unsigned char value, size_t bytes);
    int (*to_device)(uint64_t to, const void *from, size_t bytes);
    int (*to_host)(void *to, uint64_t from, size_t bytes);
} driver;

static void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "engine: %s failed\n", what);
        exit(1);
    }
}

/* A function of the driver's; the C standard has no conversion from an object's address to a function's. */
static void load(void *library, const char *name, void *to) {
    void *found = dlsym(library, name);
    must(found != NULL, name);
    memcpy(to, &found, sizeof found);
}

static place place_open(const char *name) {
    place at = {{kDLCPU, 0}, NULL};
    void *context = NULL;
    if (strcmp(name, "cuda") == 0) {
        void *library = dlopen("libcuda.so.1", RTLD_NOW);
        must(library != NULL, "loading libcuda.so.1");
        load(library, "cuInit", &driver.init);
        load(library, "cuDevicePrimaryCtxRetain", &driver.retain);
        load(library, "cuCtxSetCurrent", &driver.set_current);
        load(library, "cuStreamCreate", &driver.stream_create);
        load(library, "cuStreamSynchronize", &driver.stream_synchronize);
        load(library, "cuMemAlloc_v2", &driver.alloc);
        load(library, "cuMemFree_v2", &driver.release);
        load(library, "cuMemsetD8_v2", &driver.fill);
        load(library, "cuMemcpyHtoD_v2", &driver.to_device);
        load(library, "cuMemcpyDtoH_v2", &driver.to_host);
        at.device.device_type = kDLCUDA;
        must(driver.init(0) == 0, "cuInit");
        must(driver.retain(&context, 0) == 0, "cuDevicePrimaryCtxRetain");
        must(driver.set_current(context) == 0, "cuCtxSetCurrent");
        must(driver.stream_create(&at.stream, 0) == 0, "cuStreamCreate");
    }
    return at;
}

/* Zeroed memory. */
static void *place_alloc(place at, size_t bytes) {
    if (at.device.device_type == kDLCPU) {
        void *host = calloc(bytes ? bytes : 1, 1);
        must(host != NULL, "calloc");
        return host;
    }
    uint64_t address = 0;
    must(driver.alloc(&address, bytes ? bytes : 1) == 0, "cuMemAlloc");
    must(driver.fill(address, 0, bytes) == 0, "cuMemsetD8");
    return (void *)(uintptr_t)address;
}

static void place_free(place at, void *memory) {
    if (at.device.device_type == kDLCPU) {
        free(memory);
    } else {
        must(driver.release((uint64_t)(uintptr_t)memory) == 0, "cuMemFree");
    }
}

static void place_write(place at, void *to, const void *from, size_t bytes) {
    if (at.device.device_type == kDLCPU) {
        memcpy(to, from, bytes);
    } else {
        must(driver.to_device((uint64_t)(uintptr_t)to, from, bytes) == 0, "cuMemcpyHtoD");
    }
}

/* Waits for the stream first. */
static void place_read(place at, void *to, const void *from, size_t bytes) {
    if (at.device.device_type == kDLCPU) {
        memcpy(to, from, bytes);
    } else {
        must(driver.stream_synchronize(at.stream) == 0, "cuStreamSynchronize");
        must(driver.to_host(to, (uint64_t)(uintptr_t)from, bytes) == 0, "cuMemcpyDtoH");
    }
}

#endif
