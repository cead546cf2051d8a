// Tensor cores: m16n8k16 products of 16-bit elements with f32 sums, and the loads of their fragments.
//
// Of a 16 x 16 row-major A, lane l holds in a[0] columns 2 (l mod 4) and the next of row l / 4; in a[1] those
// of row l / 4 + 8; in a[2] and a[3] the same with columns 8 further. Of B, given as 8 rows of 16, b[0] and
// b[1] are row l / 4's, as a[0] and a[2] are A's: so (a[0], a[2]) are B for the upper rows of A itself.
// Of the 16 x 8 sums, c[0] and c[1] are columns 2 (l mod 4) and the next of row l / 4, c[2] and c[3] of row
// l / 4 + 8.
#pragma once

#include <cstdint>

#include "element.cuh"

namespace cosmoe {

// Four 8 x 8 matrices of 16-bit elements, kOffset after `address`, which lane l has of row l mod 8 of matrix
// l / 8. The offset is the instruction's own: it costs no addition.
template <int kOffset = 0>
__device__ __forceinline__ void load_matrices(uint32_t (&to)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4+%5];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address), "n"(kOffset)
                 : "memory");
}

// Two of them; the addresses are those of lanes 0 to 15.
template <int kOffset = 0>
__device__ __forceinline__ void load_matrices(uint32_t (&to)[2], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2+%3];"
                 : "=r"(to[0]), "=r"(to[1])
                 : "r"(address), "n"(kOffset)
                 : "memory");
}

// sums += A B.
template <typename Element>
__device__ __forceinline__ void multiply_add(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1);

template <>
__device__ __forceinline__ void multiply_add<F16>(float (&sums)[4], const uint32_t (&a)[4],
                                                  uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <>
__device__ __forceinline__ void multiply_add<BF16>(float (&sums)[4], const uint32_t (&a)[4],
                                                   uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace cosmoe
