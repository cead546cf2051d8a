//! A fuzzer's input as numbers. Where it has ended there are zeros, so that short inputs say much.

/// What is left of an input.
#[derive(Debug)]
pub struct Bytes<'a>(&'a [u8]);

/// Numbers at which something may break.
const EDGES: [i64; 16] = [
    i64::MAX,
    i64::MIN,
    i64::MAX / 2,
    i64::MAX / 4,
    i64::MIN + 1,
    1 << 62,
    1 << 61,
    1 << 32,
    (1 << 32) - 1,
    1 << 31,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 30,
    1 << 16,
    (1 << 16) + 1,
    -4096,
];

impl<'a> Bytes<'a> {
    /// All of an input.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether nothing but zeros follows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// The next bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A number below `limit`, which is at most 256.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// A small number from one byte, or a number at which something may break, or any.
    pub fn number(&mut self) -> i64 {
        match self.byte() {
            small @ (0..=0x7f | 0xc0..=0xff) => i64::from(small.cast_signed()),
            0x80 => i64::from_le_bytes(self.array()),
            edge => EDGES[usize::from(edge) % EDGES.len()],
        }
    }

    /// One of few numbers, so that there are ties; or one that is none, or hardly one.
    pub fn float(&mut self) -> f32 {
        match self.byte() {
            0x80 => f32::NAN,
            0x81 => -f32::NAN,
            0x82 => f32::INFINITY,
            0x83 => f32::NEG_INFINITY,
            0x84 => f32::MAX,
            0x85 => f32::from_bits(1),
            0x86 => -0.0,
            eighths => f32::from(eighths.cast_signed()) / 8.0,
        }
    }
}
