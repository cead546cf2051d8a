//! Multiplies matrices that come on standard input as the emulated tensor cores do, for
//! comparison with another implementation (see `tests/mmasim/check.py`).
//!
//! A request is a line `MODEL FACTOR ACCUMULATOR DEPTH COUNT` (`ampere f16 f32 16 1000`) followed
//! by the matrices A (16 x DEPTH), B (DEPTH x 8) and C (16 x 8) of each product, row by row, in
//! little-endian elements of their formats (`tf32` in four bytes). The answer is the matrices D.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};

use cuda_emulator::config::MmaModel;
use cuda_emulator::number::mma::{self, Kind, layout};
use cuda_emulator::registers::{LANES, Row32};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a request line asks for.
struct Request {
    model: MmaModel,
    /// The factors' kind; None is `tf32`.
    kind: Option<Kind>,
    /// Bytes of an element of C and D.
    accumulator: usize,
    depth: usize,
    count: usize,
}

impl Request {
    fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [model, kind, accumulator, depth, count] = words[..] else {
            return Err(format!("not a request: {line:?}").into());
        };
        Ok(Self {
            model: match model {
                "ampere" => MmaModel::Ampere,
                "hopper" => MmaModel::Hopper,
                _ => return Err(format!("no model {model:?}").into()),
            },
            kind: match kind {
                "f16" => Some(Kind::F16),
                "bf16" => Some(Kind::Bf16),
                "tf32" => None,
                _ => return Err(format!("no factor format {kind:?}").into()),
            },
            accumulator: match accumulator {
                "f32" => 4,
                "f16" => 2,
                _ => return Err(format!("no accumulator format {accumulator:?}").into()),
            },
            depth: depth.parse()?,
            count: count.parse()?,
        })
    }

    /// Elements of A and B in a register.
    fn per(&self) -> usize {
        if self.kind.is_some() { 2 } else { 1 }
    }
}

/// Elements of `bytes` bytes each.
fn elements(raw: &[u8], bytes: usize) -> Vec<u32> {
    let value = |chunk: &[u8]| chunk.iter().rev().fold(0, |value, b| value << 8 | u32::from(*b));
    raw.chunks(bytes).map(value).collect()
}

/// Packs elements into `N` registers: `find` gives an element's index in its matrix.
fn pack<const N: usize>(
    matrix: &[u32],
    per: usize,
    find: impl Fn(usize, usize, usize) -> usize,
) -> [Row32; N] {
    let mut rows = [[0; LANES]; N];
    for (register, row) in rows.iter_mut().enumerate() {
        for (lane, bits) in row.iter_mut().enumerate() {
            for element in 0..per {
                *bits |= matrix[find(lane, register, element)] << (32 / per * element);
            }
        }
    }
    rows
}

/// Takes registers apart again, into the bytes of a 16 x 8 matrix.
fn unpack(rows: &[Row32], bytes: usize) -> Vec<u8> {
    let per = 4 / bytes;
    let mut raw = vec![0; layout::M * layout::N * bytes];
    for (register, row) in rows.iter().enumerate() {
        for (lane, bits) in row.iter().enumerate() {
            for element in 0..per {
                let (m, n) = layout::c(lane, register * per + element);
                let at = (m * layout::N + n) * bytes;
                let value = bits >> (32 / per * element);
                raw[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
            }
        }
    }
    raw
}

/// One product.
fn multiply(request: &Request, a: &[u32], b: &[u32], c: &[u32]) -> Result<Vec<u8>> {
    let (per, depth, model, kind) = (request.per(), request.depth, request.model, request.kind);
    let find_a = |lane, register, element| {
        let (m, k) = layout::a(lane, register, element, per);
        m * depth + k
    };
    let find_b = |lane, register, element| {
        let (k, n) = layout::b(lane, register, element, per);
        k * layout::N + n
    };
    let find_c = |per| {
        move |lane, register, element| {
            let (m, n) = layout::c(lane, register * per + element);
            m * layout::N + n
        }
    };
    let shallow = || (pack::<2>(a, per, find_a), pack::<1>(b, per, find_b));
    let deep = || (pack::<4>(a, per, find_a), pack::<2>(b, per, find_b));
    let c32 = || pack::<4>(c, 1, find_c(1));
    let c16 = || pack::<2>(c, 2, find_c(2));
    let d = match (kind, request.accumulator, depth) {
        (Some(kind), 4, 16) => {
            let (a, b) = deep();
            unpack(&mma::m16n8k16(model, kind, &a, &b, &c32()), 4)
        }
        (Some(kind), 4, 8) => {
            let (a, b) = shallow();
            unpack(&mma::m16n8k8(model, kind, &a, &b, &c32()), 4)
        }
        (Some(Kind::F16), 2, 16) => {
            let (a, b) = deep();
            unpack(&mma::m16n8k16_f16(model, &a, &b, &c16()), 2)
        }
        (Some(Kind::F16), 2, 8) => {
            let (a, b) = shallow();
            unpack(&mma::m16n8k8_f16(model, &a, &b, &c16()), 2)
        }
        (None, 4, 8) => {
            let (a, b) = deep();
            unpack(&mma::m16n8k8_tf32(model, &a, &b, &c32()), 4)
        }
        (None, 4, 4) => {
            let (a, b) = shallow();
            unpack(&mma::m16n8k4_tf32(model, &a, &b, &c32()), 4)
        }
        _ => return Err(format!("no such shape: {kind:?}, depth {depth}").into()),
    };
    Ok(d)
}

fn main() -> Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? != 0 {
        let request = Request::parse(&line)?;
        line.clear();
        let mut matrix = |count: usize, bytes: usize| -> Result<Vec<u32>> {
            let mut raw = vec![0; count * bytes];
            input.read_exact(&mut raw)?;
            Ok(elements(&raw, bytes))
        };
        for _ in 0..request.count {
            let factor = 4 / request.per();
            let a = matrix(layout::M * request.depth, factor)?;
            let b = matrix(request.depth * layout::N, factor)?;
            let c = matrix(layout::M * layout::N, request.accumulator)?;
            output.write_all(&multiply(&request, &a, &b, &c)?)?;
        }
        output.flush()?;
    }
    Ok(())
}
