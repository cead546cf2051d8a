//! Tests of the scalar arithmetic against exact rational arithmetic.

mod approx;
mod convert;
mod float32;
mod float64;
mod half;
mod oracle;

/// Random numbers, the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Bits of a binary format, with the odd exponents and fractions far more often than chance
    /// would have them: ends of the range, few significant bits, all ones, near one.
    pub(super) fn float(&mut self, exponent_bits: u32, fraction_bits: u32) -> u64 {
        let top = (1 << exponent_bits) - 1;
        let bias = top / 2;
        let exponent = match self.below(8) {
            0 => self.below(3),
            1 => top - self.below(3),
            2 | 3 => bias - 2 + self.below(5),
            4 => bias / 2 + self.below(bias),
            _ => self.below(top),
        };
        let all = (1_u64 << fraction_bits) - 1;
        let fraction = match self.below(6) {
            0 => 0,
            1 => all,
            2 => all << self.below(u64::from(fraction_bits)) & all,
            3 => 1 << self.below(u64::from(fraction_bits)),
            _ => self.next() & all,
        };
        let sign = self.below(2) << (exponent_bits + fraction_bits);
        sign | exponent << fraction_bits | fraction
    }

    pub(super) fn f32(&mut self) -> f32 {
        f32::from_bits(self.float(8, 23) as u32)
    }

    pub(super) fn f64(&mut self) -> f64 {
        f64::from_bits(self.float(11, 52))
    }
}
