//! The branchless roundings of whole rows against the plain functions of `number`, on many more
//! values than the slow references are good for.

use super::rig::{Random, Rig};
use crate::number::{self, Round};
use crate::registers::LANES;

const ROUNDS: usize = 3000;

/// Runs `text` on random rows and compares with `reference` of the sources.
fn compare(text: &str, reference: impl Fn(&[u64]) -> u64) {
    let mut random = Random(text.len() as u64 + 12345);
    let mut rig = Rig::new(text);
    let (to, from) = rig.operands();
    for _ in 0..ROUNDS {
        let rows: Vec<_> = from.iter().map(|name| rig.fill(name, &mut random)).collect();
        let alu = rig.alu.clone();
        alu.run(&mut rig.regs, u32::MAX);
        let found = rig.get(&to[0]);
        for lane in 0..LANES {
            let x: Vec<u64> = rows.iter().map(|row| row[lane]).collect();
            assert_eq!(found[lane], reference(&x), "{text} of {x:x?}");
        }
    }
}

#[test]
fn halves() {
    compare("add.f16 %h1,%h2,%h3", |x| number::add_f16(x[0] as u16, x[1] as u16).into());
    compare("sub.f16 %h1,%h2,%h3", |x| number::sub_f16(x[0] as u16, x[1] as u16).into());
    compare("mul.f16 %h1,%h2,%h3", |x| number::mul_f16(x[0] as u16, x[1] as u16).into());
    compare("add.bf16 %h1,%h2,%h3", |x| number::add_bf16(x[0] as u16, x[1] as u16).into());
    compare("sub.bf16 %h1,%h2,%h3", |x| number::sub_bf16(x[0] as u16, x[1] as u16).into());
    compare("mul.bf16 %h1,%h2,%h3", |x| number::mul_bf16(x[0] as u16, x[1] as u16).into());
    compare("fma.rn.f16 %h1,%h2,%h3,%h4", |x| {
        number::fma_f16(x[0] as u16, x[1] as u16, x[2] as u16).into()
    });
    compare("fma.rn.bf16 %h1,%h2,%h3,%h4", |x| {
        number::fma_bf16(x[0] as u16, x[1] as u16, x[2] as u16).into()
    });
}

#[test]
fn singles() {
    let f = |x: u64| f32::from_bits(x as u32);
    for (mode, round) in [("rz", Round::Zero), ("rm", Round::Down), ("rp", Round::Up)] {
        compare(&format!("add.{mode}.f32 %r1,%r2,%r3"), |x| {
            number::add32(f(x[0]), f(x[1]), round).to_bits().into()
        });
        compare(&format!("sub.{mode}.f32 %r1,%r2,%r3"), |x| {
            number::sub32(f(x[0]), f(x[1]), round).to_bits().into()
        });
        compare(&format!("mul.{mode}.f32 %r1,%r2,%r3"), |x| {
            number::mul32(f(x[0]), f(x[1]), round).to_bits().into()
        });
        compare(&format!("fma.{mode}.f32 %r1,%r2,%r3,%r4"), |x| {
            number::fma32(f(x[0]), f(x[1]), f(x[2]), round).to_bits().into()
        });
    }
    compare("fma.rn.f32 %r1,%r2,%r3,%r4", |x| {
        number::fma32(f(x[0]), f(x[1]), f(x[2]), Round::Nearest).to_bits().into()
    });
}
