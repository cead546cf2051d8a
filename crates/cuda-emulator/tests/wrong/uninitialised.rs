//! Cases of uninitialised.cu.

use crate::cases::{Case, case, family};
use crate::common::device::{args, shape};

const CASES: &[Case] = &[
    case("global_tail", |d, k| {
        let x = d.uninitialised::<i32>(64);
        d.write(x.first(40), &[1; 40]);
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![x, y, 40i32]).map(drop)
    }),
    case("global_scratch", |d, k| {
        let scratch = d.uninitialised::<f32>(64);
        let y = d.uninitialised::<f32>(64);
        d.try_run(&k.name, shape(1, 64), args![scratch, y]).map(drop)
    }),
    case("global_atomic", |d, k| {
        let counter = d.uninitialised::<u32>(1);
        let zeroed = d.zeros::<u32>(1);
        let y = d.uninitialised::<u32>(64);
        d.try_run(&k.name, shape(1, 64), args![counter, zeroed, y]).map(drop)
    }),
    case("global_byte", |d, k| {
        let x = d.uninitialised::<u32>(32);
        let y = d.uninitialised::<u32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("shared_tail", |d, k| {
        let x = d.zeros::<i32>(40);
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![x, y, 40i32]).map(drop)
    }),
    case("shared_next_block", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(2, 32), args![y]).map(drop)
    }),
    case("async_source", |d, k| {
        let x = d.uninitialised::<f32>(128);
        d.write(x.first(64), &[1.0; 64]);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y, 64i32]).map(drop)
    }),
    case("matrix_row", |d, k| {
        let y = d.uninitialised::<u32>(32);
        d.try_run(&k.name, shape(1, 32), args![y]).map(drop)
    }),
    case("local_array", |d, k| {
        let index = d.upload(&[3i32, 5, 1, 0, 2, 4, 6, 7]);
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![index, y]).map(drop)
    }),
];

#[test]
fn reads_of_what_nothing_wrote_are_caught() {
    family("uninitialised", CASES);
}
