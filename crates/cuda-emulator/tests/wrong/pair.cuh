// Each mistake is a template: NAME<true> makes it, NAME<false> is the same kernel without it. The
// line where it must be found carries `caught: KIND (NAME)`.

#pragma once

#define PAIR(name, parameters, arguments)                                        \
    extern "C" __global__ void name##_wrong parameters { name<true> arguments; } \
    extern "C" __global__ void name##_right parameters { name<false> arguments; }

__device__ __forceinline__ unsigned shared_address(const void* p) {
    return (unsigned)__cvta_generic_to_shared(p);
}
