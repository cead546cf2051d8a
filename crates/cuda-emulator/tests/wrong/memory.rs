//! Cases of memory.cu.

use crate::cases::{Case, case, family};
use crate::common::device::{args, shape};

const CASES: &[Case] = &[
    case("global_after", |d, k| {
        let x = d.uninitialised::<i32>(100);
        // A neighbour that a wrong store must not reach unseen.
        let _next = d.zeros::<i32>(100);
        d.try_run(&k.name, shape(2, 64), args![x, 100i32]).map(drop)
    }),
    case("global_before", |d, k| {
        let _before = d.zeros::<i32>(64);
        let x = d.upload(&[5i32; 64]);
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![x, y, 64i32]).map(drop)
    }),
    case("global_far", |d, k| {
        let x = d.zeros::<i32>(64);
        d.try_run(&k.name, shape(1, 32), args![x, 64i32, 0x3000_0001i32]).map(drop)
    }),
    case("null_pointer", |d, k| {
        let x = d.zeros::<i32>(64);
        d.try_run(&k.name, shape(1, 32), args![x, 0u64]).map(drop)
    }),
    case("straddling", |d, k| {
        let x = d.zeros::<i32>(62);
        d.try_run(&k.name, shape(1, 32), args![x, 62i32]).map(drop)
    }),
    case("shared_after", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![y, 1i32]).map(drop)
    }),
    case("shared_dynamic", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64).shared(4 * 64), args![y, 64i32]).map(drop)
    }),
    case("local_array", |d, k| {
        let index = d.upload(&[1i32, 2, 3, 4, 5, 6, 7, 8]);
        let y = d.uninitialised::<i32>(8);
        d.try_run(&k.name, shape(1, 8), args![index, y]).map(drop)
    }),
    case("misaligned_global", |d, k| {
        let x = d.zeros::<f32>(32 * 4 + 4);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("misaligned_shared", |d, k| {
        let y = d.uninitialised::<i32>(64);
        d.try_run(&k.name, shape(1, 64), args![y]).map(drop)
    }),
    case("misaligned_atomic", |d, k| {
        let x = d.zeros::<u32>(16);
        d.try_run(&k.name, shape(1, 1), args![x]).map(drop)
    }),
    case("misaligned_async", |d, k| {
        let x = d.zeros::<f32>(256);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("async_after", |d, k| {
        let x = d.zeros::<f32>(64);
        let y = d.uninitialised::<f32>(32);
        d.try_run(&k.name, shape(1, 32), args![x, y, 64i32]).map(drop)
    }),
    case("use_after_free", |d, k| {
        let x = d.zeros::<i32>(32);
        let y = d.uninitialised::<i32>(32);
        if k.wrong {
            d.free(x);
            // The next allocation must not hide the freed one.
            let _ = d.zeros::<i32>(32);
        }
        d.try_run(&k.name, shape(1, 32), args![x, y]).map(drop)
    }),
    case("generic_shared", |d, k| {
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(1, 32), args![y, 1i32, 4i32]).map(drop)
    }),
];

#[test]
fn accesses_that_no_launch_may_make_are_caught() {
    family("memory", CASES);
}
