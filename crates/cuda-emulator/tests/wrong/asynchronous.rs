//! Cases of async.cu.

use crate::cases::{Case, case, family};
use crate::common::device::{args, shape};

const CASES: &[Case] = &[
    case("own_copy", |d, k| {
        let x = d.zeros::<f32>(128);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("barrier_is_no_wait", |d, k| {
        let x = d.zeros::<f32>(128);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("wait_is_no_barrier", |d, k| {
        let x = d.zeros::<f32>(512);
        let y = d.uninitialised::<f32>(128);
        d.try_run(&k.name, shape(1, 128), args![x, y]).map(drop)
    }),
    case("one_group_too_few", |d, k| {
        let x = d.zeros::<f32>(256);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("not_committed", |d, k| {
        let x = d.zeros::<f32>(128);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("overwritten", |d, k| {
        let x = d.zeros::<f32>(128);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("target_reused", |d, k| {
        let x = d.zeros::<f32>(5 * 512);
        let y = d.uninitialised::<f32>(128);
        d.try_run(&k.name, shape(1, 128), args![x, y, 5i32]).map(drop)
    }),
    case("phase_not_awaited", |d, k| {
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![y]).map(drop)
    }),
    case("copies_not_counted", |d, k| {
        let x = d.zeros::<f32>(128);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
];

#[test]
fn asynchronous_copies_not_waited_for_are_caught() {
    family("async", CASES);
}
