//! Cases of grid.cu.

use crate::cases::{Case, case, family};
use crate::common::device::{args, shape};

const CASES: &[Case] = &[
    case("last_block_release", |d, k| {
        let (parts, counter) = (d.uninitialised::<i32>(6 * 64), d.zeros::<u32>(1));
        let y = d.uninitialised::<i32>(64);
        // Three times: the counter must be back at zero, and its reset ordered.
        (0..3)
            .try_for_each(|_| d.try_run(&k.name, shape(6, 64), args![parts, counter, y]).map(drop))
    }),
    case("last_block_acquire", |d, k| {
        let (parts, counter) = (d.uninitialised::<i32>(6 * 64), d.zeros::<u32>(1));
        let y = d.uninitialised::<i32>(64);
        (0..3)
            .try_for_each(|_| d.try_run(&k.name, shape(6, 64), args![parts, counter, y]).map(drop))
    }),
    case("fences_of_all", |d, k| {
        let (parts, counter) = (d.uninitialised::<i32>(6 * 64), d.zeros::<u32>(1));
        let y = d.uninitialised::<i32>(64);
        (0..3)
            .try_for_each(|_| d.try_run(&k.name, shape(6, 64), args![parts, counter, y]).map(drop))
    }),
    case("block_fence", |d, k| {
        let (parts, counter) = (d.uninitialised::<i32>(6 * 32), d.zeros::<u32>(1));
        let y = d.uninitialised::<i32>(32);
        d.try_run(&k.name, shape(6, 32), args![parts, counter, y]).map(drop)
    }),
    case("block_atomic", |d, k| {
        let counter = d.zeros::<u32>(1);
        d.try_run(&k.name, shape(4, 32), args![counter]).map(drop)
    }),
    case("flag", |d, k| {
        let (data, ready) = (d.zeros::<i32>(1), d.zeros::<i32>(1));
        let y = d.uninitialised::<i32>(1);
        d.try_run(&k.name, shape(2, 1), args![data, ready, y]).map(drop)
    })
    .resident(2),
    case("plain_flag", |d, k| {
        let (data, ready) = (d.zeros::<i32>(1), d.zeros::<i32>(1));
        let y = d.uninitialised::<i32>(1);
        d.try_run(&k.name, shape(2, 1), args![data, ready, y]).map(drop)
    }),
    case("atomic_and_plain", |d, k| {
        let counter = d.zeros::<u32>(1);
        let y = d.uninitialised::<u32>(128);
        d.try_run(&k.name, shape(4, 32), args![counter, y]).map(drop)
    }),
    case("plain_counter", |d, k| {
        let counter = d.zeros::<u32>(1);
        d.try_run(&k.name, shape(4, 32), args![counter]).map(drop)
    }),
    case("overlapping_tiles", |d, k| {
        let y = d.uninitialised::<i32>(401);
        d.try_run(&k.name, shape(4, 32), args![y, 100i32]).map(drop)
    }),
    case("byte_neighbours", |d, k| {
        let y = d.uninitialised::<u8>(128);
        d.try_run(&k.name, shape(4, 32), args![y]).map(drop)
    }),
    case("read_only", |d, k| {
        let x = d.zeros::<i32>(64);
        d.try_run(&k.name, shape(1, 32), args![x, x]).map(drop)
    }),
    case("look_back", |d, k| {
        let (ticket, state) = (d.zeros::<u32>(1), d.zeros::<u32>(12));
        let x = d.upload(&[3u32; 12]);
        let y = d.uninitialised::<u32>(12);
        d.try_run(&k.name, shape(12, 1), args![ticket, state, x, y])?;
        let expected: Vec<u32> = (1..=12).map(|i| 3 * i).collect();
        assert_eq!(d.download(y), expected);
        Ok(())
    })
    .configure(|config| {
        // Where all blocks fit, the mistake cannot show: what finds it is a device that is full.
        config.resident_blocks = 1;
        config.budget = 200_000;
    }),
    case("counter_kept", |d, k| {
        let (parts, counter) = (d.uninitialised::<i32>(6 * 32), d.zeros::<u32>(1));
        let consume = k.name.replace("counter_kept", "consume");
        for _ in 0..2 {
            // As a caller does: fresh output, and something that reads it.
            let (y, z) = (d.uninitialised::<i32>(32), d.uninitialised::<i32>(32));
            d.try_run(&k.name, shape(6, 32), args![parts, counter, y])?;
            d.try_run(&consume, shape(1, 32), args![y, z])?;
            let expected: Vec<i32> =
                (0..32).map(|t| 1 + (0..6).map(|b| b * 32 + t).sum::<i32>()).collect();
            assert_eq!(d.download(z), expected);
        }
        Ok(())
    }),
    case("two_streams", |d, k| {
        let state = d.zeros::<u32>(1);
        let y = d.uninitialised::<u32>(64);
        let (one, two) = (d.machine.create_stream(), d.machine.create_stream());
        d.try_run(&k.name, shape(1, 32).on(one), args![state, y])?;
        if !k.wrong {
            let mark = d.machine.mark(one);
            d.machine.wait(two, &mark);
        }
        d.try_run(&k.name, shape(1, 32).on(two), args![state, y.from(32)]).map(drop)
    }),
];

#[test]
fn races_between_blocks_launches_and_streams_are_caught() {
    family("grid", CASES);
}
