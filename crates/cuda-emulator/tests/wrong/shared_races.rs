//! Cases of shared_races.cu.

use crate::cases::{Case, case, family};
use crate::common::device::{args, shape};

const CASES: &[Case] = &[
    case("before_use", |d, k| {
        let x = d.zeros::<i32>(128);
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![x, y]).map(drop)
    }),
    case("before_reuse", |d, k| {
        let x = d.zeros::<i32>(3 * 128);
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![x, y]).map(drop)
    }),
    case("write_after_reads", |d, k| {
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![y]).map(drop)
    }),
    case("two_writers", |d, k| {
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![y, 9i32]).map(drop)
    }),
    case("within_warp", |d, k| {
        let x = d.zeros::<i32>(64);
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("shuffle_is_no_fence", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("half_warp", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("named_barrier", |d, k| {
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![y]).map(drop)
    }),
    case("arrives_early", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 64), args![y]).map(drop)
    }),
    case("neighbours", |d, k| {
        let y = d.uninitialised::<u8>(128);
        d.try_run(&k.name, shape(1, 128), args![y]).map(drop)
    }),
    case("atomic_beside_store", |d, k| {
        let y = d.uninitialised::<i32>(128);
        d.try_run(&k.name, shape(1, 128), args![y]).map(drop)
    }),
];

#[test]
fn races_inside_a_block_are_caught() {
    family("shared_races", CASES);
}
