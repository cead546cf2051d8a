//! The sum of gate values in its one order.

/// Expert e goes to partial e mod 32, in ascending order; the partials are added by halving
/// distance. It is the order of a warp of 32 lanes that shares a row, whatever E.
pub(super) struct Partials([f32; 32]);

impl Partials {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([0.0; 32])
    }

    /// Adds one expert's value. Experts of equal index mod 32 must come in ascending order.
    #[inline(always)]
    pub(super) fn add(&mut self, expert: usize, value: f32) {
        self.0[expert % 32] += value;
    }

    /// Adds the values of experts 0, 1, 2, ...
    #[inline(always)]
    pub(super) fn add_all(&mut self, values: &[f32]) {
        let (blocks, rest) = values.as_chunks::<32>();
        for block in blocks {
            for (partial, value) in self.0.iter_mut().zip(block) {
                *partial += value;
            }
        }
        for (partial, value) in self.0.iter_mut().zip(rest) {
            *partial += value;
        }
    }

    #[inline(always)]
    pub(super) fn total(mut self) -> f32 {
        for distance in [16, 8, 4, 2, 1] {
            for i in 0..distance {
                self.0[i] += self.0[i + distance];
            }
        }
        self.0[0]
    }
}
