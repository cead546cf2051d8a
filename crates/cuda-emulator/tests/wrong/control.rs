//! Cases of control.cu.

use cuda_emulator::config::Config;

use crate::cases::{Case, case, family};
use crate::common::device::{args, shape};

/// A hang should be found soon.
fn impatient(config: &mut Config) {
    config.budget = 100_000;
}

const CASES: &[Case] = &[
    case("divergent_barrier", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![y]).map(drop)
    }),
    case("two_barriers", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![y, 1i32]).map(drop)
    }),
    case("crossed_barriers", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![y]).map(drop)
    }),
    case("shuffle_of_some", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y, 20i32]).map(drop)
    }),
    case("syncwarp_of_half", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("ballot_in_loop", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("not_in_own_mask", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("redux_outside", |d, k| {
        let y = d.uninitialised::<u32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("waits_for_ever", |d, k| {
        let (flag, y) = (d.zeros::<i32>(1), d.uninitialised::<i32>(32));
        d.try_run(&k.name, shape(1, 32), args![flag, y]).map(drop)
    })
    .configure(impatient),
    case("step_of_zero", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y, 10i32, 0i32]).map(drop)
    })
    .configure(impatient),
    case("all_wait", |d, k| {
        let (counter, y) = (d.zeros::<u32>(1), d.uninitialised::<i32>(4));
        d.try_run(&k.name, shape(4, 1), args![counter, y]).map(drop)
    })
    .resident(4)
    .configure(impatient),
    case("lock_twice", |d, k| {
        let (lock, y) = (d.zeros::<u32>(1), d.uninitialised::<i32>(1));
        d.try_run(&k.name, shape(1, 1), args![lock, y]).map(drop)
    })
    .configure(impatient),
    case("assertion", |d, k| {
        let x = d.upload(&(0..32).collect::<Vec<i32>>());
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("gives_up", |d, k| {
        let x = d.upload(&(0..32).collect::<Vec<i32>>());
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
];

#[test]
fn barriers_masks_hangs_and_traps_are_caught() {
    family("control", CASES);
}
