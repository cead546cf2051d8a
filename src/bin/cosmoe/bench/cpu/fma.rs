//! f32 fused multiply-adds as fast as the machine's widest vectors do them.
#![allow(unsafe_code)]

/// Vectors under way: more than latency times units of any CPU.
const CHAINS: usize = 12;
const STEPS: usize = 1 << 20;

/// Chains on one thread, each one number wide times `lanes`.
pub(super) struct Fma {
    lanes: usize,
    run: fn(f32) -> f32,
}

impl Fma {
    /// With the widest vectors that this machine has.
    pub(super) fn widest() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the machine has the instructions.
                return Self { lanes: 16, run: |seed| unsafe { x86::avx512(seed) } };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: the machine has the instructions.
                return Self { lanes: 8, run: |seed| unsafe { x86::avx2(seed) } };
            }
        }
        #[cfg(target_arch = "aarch64")]
        return Self { lanes: 4, run: neon };
        #[cfg(not(target_arch = "aarch64"))]
        Self { lanes: 1, run: portable }
    }

    /// Operations of a run, two for each product.
    pub(super) fn flops(&self) -> u64 {
        (2 * self.lanes * CHAINS * STEPS) as u64
    }

    /// The result depends on every chain.
    pub(super) fn run(&self, seed: f32) -> f32 {
        (self.run)(seed)
    }
}

/// What a sum is multiplied by, and what is added: neither overflow nor subnormals, as sums tend to 1. The compiler does
/// not know them.
fn factor_and_term() -> (f32, f32) {
    std::hint::black_box((0.5, 0.5))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{CHAINS, STEPS, factor_and_term};

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(seed: f32) -> f32 {
        let (factor, term) = factor_and_term();
        let (factor, term) = (_mm512_set1_ps(factor), _mm512_set1_ps(term));
        let mut sums = [_mm512_set1_ps(seed); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        let total = sums.into_iter().fold(_mm512_setzero_ps(), |a, b| _mm512_add_ps(a, b));
        _mm512_cvtss_f32(total)
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(seed: f32) -> f32 {
        let (factor, term) = factor_and_term();
        let (factor, term) = (_mm256_set1_ps(factor), _mm256_set1_ps(term));
        let mut sums = [_mm256_set1_ps(seed); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        let total = sums.into_iter().fold(_mm256_setzero_ps(), |a, b| _mm256_add_ps(a, b));
        _mm256_cvtss_f32(total)
    }
}

#[cfg(target_arch = "aarch64")]
fn neon(seed: f32) -> f32 {
    use std::arch::aarch64::*;

    let (factor, term) = factor_and_term();
    // SAFETY: every machine of this architecture has the instructions.
    unsafe {
        let (factor, term) = (vdupq_n_f32(factor), vdupq_n_f32(term));
        let mut sums = [vdupq_n_f32(seed); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = vfmaq_f32(term, *sum, factor);
            }
        }
        vgetq_lane_f32::<0>(sums.into_iter().fold(vdupq_n_f32(0.0), |a, b| vaddq_f32(a, b)))
    }
}

/// A product and a sum: without the instruction `mul_add` would be a function.
#[cfg_attr(target_arch = "aarch64", allow(dead_code))]
fn portable(seed: f32) -> f32 {
    let (factor, term) = factor_and_term();
    let mut sums = [seed; CHAINS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = *sum * factor + term;
        }
    }
    sums.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_tend_to_one_each() {
        assert_eq!(Fma::widest().run(3.0), CHAINS as f32);
        assert_eq!(portable(3.0), CHAINS as f32);
    }
}
