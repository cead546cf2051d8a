//! Numbers for tests, the same on every machine.

/// Numbers from -1 to 1: those of `fill` in examples/engine.c.
pub(crate) fn numbers(count: usize, mut seed: u32) -> Vec<f32> {
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}
