//! Tests of `mma.sync`: the fragment layouts, exact products, and the rounding of inexact ones.

mod edges;
mod golden;
mod layouts;
mod products;
mod reference;

use super::{
    Kind, layout, m16n8k4_tf32, m16n8k8, m16n8k8_f16, m16n8k8_tf32, m16n8k16, m16n8k16_f16,
};
use crate::config::MmaModel;
use crate::registers::{LANES, Row32};

const MODELS: [MmaModel; 2] = [MmaModel::Ampere, MmaModel::Hopper];

/// A floating-point shape: factors, accumulators and depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    factor: Format,
    accumulator: Format,
    depth: usize,
}

/// A format of matrix elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    F16,
    Bf16,
    Tf32,
    F32,
}

impl Format {
    /// Bits of the exponent and of the fraction as it is stored.
    fn fields(self) -> (u32, u32) {
        match self {
            Self::F16 => (5, 10),
            Self::Bf16 => (8, 7),
            Self::Tf32 | Self::F32 => (8, 23),
        }
    }

    fn per_register(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::Tf32 | Self::F32 => 1,
        }
    }
}

const SHAPES: [Shape; 8] = {
    const fn shape(factor: Format, accumulator: Format, depth: usize) -> Shape {
        Shape { factor, accumulator, depth }
    }
    [
        shape(Format::F16, Format::F32, 16),
        shape(Format::F16, Format::F32, 8),
        shape(Format::Bf16, Format::F32, 16),
        shape(Format::Bf16, Format::F32, 8),
        shape(Format::F16, Format::F16, 16),
        shape(Format::F16, Format::F16, 8),
        shape(Format::Tf32, Format::F32, 8),
        shape(Format::Tf32, Format::F32, 4),
    ]
};

/// Matrices of bits, row by row: A is 16 x depth, B depth x 8, C and D 16 x 8.
struct Matrices {
    a: Vec<u32>,
    b: Vec<u32>,
    c: Vec<u32>,
}

fn pack<const R: usize>(
    matrix: &[u32],
    columns: usize,
    per: usize,
    find: impl Fn(usize, usize, usize) -> (usize, usize),
) -> [Row32; R] {
    let mut rows = [[0; LANES]; R];
    for (register, row) in rows.iter_mut().enumerate() {
        for (lane, bits) in row.iter_mut().enumerate() {
            for element in 0..per {
                let (i, j) = find(lane, register, element);
                *bits |= matrix[i * columns + j] << (32 / per * element);
            }
        }
    }
    rows
}

impl Matrices {
    fn a<const R: usize>(&self, depth: usize, per: usize) -> [Row32; R] {
        assert_eq!(R / 2 * 4 * per, depth);
        pack(&self.a, depth, per, |lane, register, element| layout::a(lane, register, element, per))
    }

    fn b<const R: usize>(&self, depth: usize, per: usize) -> [Row32; R] {
        assert_eq!(R * 4 * per, depth);
        pack(&self.b, 8, per, |lane, register, element| layout::b(lane, register, element, per))
    }

    fn c<const R: usize>(&self) -> [Row32; R] {
        let per = 4 / R;
        pack(&self.c, 8, per, |lane, register, element| layout::c(lane, register * per + element))
    }
}

/// D's bits, row by row.
fn unpack<const R: usize>(rows: [Row32; R]) -> Vec<u32> {
    let per = 4 / R;
    let mut matrix = vec![0; 16 * 8];
    for (register, row) in rows.iter().enumerate() {
        for (lane, bits) in row.iter().enumerate() {
            for element in 0..per {
                let (m, n) = layout::c(lane, register * per + element);
                let width = 32 / per as u32;
                matrix[m * 8 + n] = bits >> (width * element as u32) & (u32::MAX >> (32 - width));
            }
        }
    }
    matrix
}

/// The product through the function of the shape.
fn multiply(model: MmaModel, shape: Shape, x: &Matrices) -> Vec<u32> {
    let (depth, per) = (shape.depth, shape.factor.per_register());
    let kind = if shape.factor == Format::Bf16 { Kind::Bf16 } else { Kind::F16 };
    match (shape.factor, shape.accumulator, depth) {
        (Format::Tf32, _, 8) => {
            unpack(m16n8k8_tf32(model, &x.a(depth, per), &x.b(depth, per), &x.c()))
        }
        (Format::Tf32, ..) => {
            unpack(m16n8k4_tf32(model, &x.a(depth, per), &x.b(depth, per), &x.c()))
        }
        (_, Format::F16, 16) => {
            unpack(m16n8k16_f16(model, &x.a(depth, per), &x.b(depth, per), &x.c()))
        }
        (_, Format::F16, _) => {
            unpack(m16n8k8_f16(model, &x.a(depth, per), &x.b(depth, per), &x.c()))
        }
        (_, _, 16) => unpack(m16n8k16(model, kind, &x.a(depth, per), &x.b(depth, per), &x.c())),
        _ => unpack(m16n8k8(model, kind, &x.a(depth, per), &x.b(depth, per), &x.c())),
    }
}
