//! Runs a test on several configurations; compares a list of operations one by one.

use std::fmt::Debug;

use bytemuck::Pod;
use cuda_emulator::config::Config;

use crate::common::device::{Arg, Device, shape};
use crate::common::random::Random;
use crate::common::{compile, configurations};

/// Runs `test` on `programs/NAME.cu` as every configuration says. Where blocks wait for one another,
/// `least_resident` says how many must be there.
pub(crate) fn program(name: &str, least_resident: u32, test: impl Fn(&mut Device, &mut Random)) {
    let Some(ptx) = compile::ptx("programs", name) else { return };
    for config in configurations(least_resident) {
        let _said = SayIfPanicking(&config);
        let mut random = Random::new(config.seed);
        test(&mut Device::new(&ptx, config.clone()), &mut random);
    }
}

/// A failure tells which run it was.
struct SayIfPanicking<'a>(&'a Config);

impl Drop for SayIfPanicking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Config { seed, checks, resident_blocks, .. } = self.0;
            eprintln!("in the run with seed {seed}, checks {checks}, resident {resident_blocks}");
        }
    }
}

/// An operation's name and what it must give.
pub(crate) type Op<A, R, const N: usize> = (&'static str, fn([A; N]) -> R);

/// Launches KERNEL(inputs..., out, n), which writes the result of operation k for element i to
/// `out[k * n + i]`, and compares by `same`.
pub(crate) fn compare<A: Pod + Debug, R: Pod + Debug, const N: usize>(
    device: &mut Device,
    kernel: &str,
    inputs: [Vec<A>; N],
    ops: &[Op<A, R, N>],
    same: fn(&str, R, R) -> bool,
) {
    let n = inputs[0].len();
    let out = device.uninitialised::<R>(ops.len() * n);
    let mut args: Vec<Arg> = inputs.iter().map(|input| device.upload(input).into()).collect();
    args.extend([out.into(), (n as i32).into()]);
    device.run(kernel, shape(n.div_ceil(96) as u32, 96), &args);
    let results = device.download(out);
    for (k, (name, op)) in ops.iter().enumerate() {
        for i in 0..n {
            let operands = std::array::from_fn(|j| inputs[j][i]);
            let (found, expected) = (results[k * n + i], op(operands));
            assert!(
                same(name, found, expected),
                "{kernel}, operation {k}, {name} of {operands:x?}: {found:x?}, expected {expected:x?}"
            );
        }
    }
}

/// Bit for bit.
pub(crate) fn equal<R: PartialEq>(_: &str, found: R, expected: R) -> bool {
    found == expected
}
