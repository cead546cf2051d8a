//! Random numbers that a seed repeats, and the values at which arithmetic goes wrong.

/// Values with an edge on them, then random bits.
pub const EDGES: [u32; 24] = [
    0,
    1,
    2,
    3,
    31,
    32,
    33,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0xaaaa_aaaa,
    0x5555_5555,
];

/// f32 bits at the edges: zeros, subnormals, one and its neighbours, halves, large, infinite, NaN.
pub const FLOAT_EDGES: [u32; 28] = [
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x8080_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x3f7f_ffff,
    0x3f80_0001,
    0x3f00_0000,
    0x3fc0_0000,
    0xc020_0000,
    0x4b00_0000,
    0x4b00_0001,
    0x4b7f_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x4f7f_ffff,
    0x5f00_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x33ff_ffff,
    0x4780_0000,
];

/// splitmix64
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn bits(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// In 0..n.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(n)) >> 32) as u32
    }

    /// A whole number in -n..=n.
    pub fn whole(&mut self, n: u32) -> i32 {
        self.below(2 * n + 1) as i32 - n as i32
    }

    /// In -1..1, with all 24 bits.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 7) as f32 / (1 << 24) as f32 - 1.0
    }

    /// n random words.
    pub fn words(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| self.bits()).collect()
    }

    /// n small numbers.
    pub fn small(&mut self, n: usize, below: u32) -> Vec<u32> {
        (0..n).map(|_| self.below(below)).collect()
    }

    /// n words: a third edges, a third random, a third random of few bits.
    pub fn operands(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| self.operand(&EDGES)).collect()
    }

    /// n f32 bit patterns: edges, any bits, moderate numbers.
    pub fn float_operands(&mut self, n: usize) -> Vec<f32> {
        let one = |r: &mut Self| match r.below(3) {
            0 => f32::from_bits(FLOAT_EDGES[r.below(FLOAT_EDGES.len() as u32) as usize]),
            1 => f32::from_bits(r.bits()),
            _ => r.unit() * 100.0,
        };
        (0..n).map(|_| one(self)).collect()
    }

    fn operand(&mut self, edges: &[u32]) -> u32 {
        match self.below(3) {
            0 => edges[self.below(edges.len() as u32) as usize],
            1 => self.bits(),
            _ => self.bits() >> self.below(32),
        }
    }
}
