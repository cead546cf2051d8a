//! cub.cu in plain Rust.

use crate::common::device::{args, shape};
use crate::table::program;

#[test]
fn radix_sorts() {
    program("cub", 1, |device, random| {
        let x = random.small(2 * 512, 300);
        let input = device.upload(&x);
        let (keys, values) = (device.uninitialised::<u32>(1024), device.uninitialised::<u32>(1024));
        device.run("sort", shape(2, 128), args![input, keys, values]);
        let mut expected: Vec<(u32, u32)> = Vec::new();
        for x in x.chunks(512) {
            let mut block: Vec<(u32, u32)> = x.iter().copied().zip(0..).collect();
            block.sort();
            expected.extend(block);
        }
        let found = device.download(keys).into_iter().zip(device.download(values));
        assert_eq!(found.collect::<Vec<_>>(), expected);

        let mut x: Vec<f32> = (0..192).map(|_| random.unit() * 1e3).collect();
        let (input, out) = (device.upload(&x), device.uninitialised::<f32>(192));
        device.run("sort_floats", shape(1, 64), args![input, out]);
        x.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(device.download(out), x);
    });
}

#[test]
fn scans_and_reductions() {
    program("cub", 1, |device, random| {
        let x = random.small(3 * 128, 1 << 20);
        let input = device.upload(&x);
        let (sums, most) = (device.uninitialised::<u32>(384), device.uninitialised::<u32>(384));
        let total = device.uninitialised::<u32>(3);
        device.run("scans", shape(3, 128), args![input, sums, most, total]);
        let before = |x: &[u32]| (0..x.len()).map(|i| x[..i].iter().sum()).collect::<Vec<u32>>();
        let upto =
            |x: &[u32]| (0..x.len()).map(|i| *x[..=i].iter().max().unwrap()).collect::<Vec<_>>();
        assert_eq!(device.download(sums), x.chunks(128).flat_map(before).collect::<Vec<_>>());
        assert_eq!(device.download(most), x.chunks(128).flat_map(upto).collect::<Vec<_>>());
        let totals: Vec<u32> = x.chunks(128).map(|x| x.iter().sum()).collect();
        assert_eq!(device.download(total), totals);

        let out = device.uninitialised::<u32>(3 * 133);
        device.run("reductions", shape(3, 128), args![input, out, 100i32]);
        let mut expected = Vec::new();
        for x in x.chunks(128) {
            expected.push(x[..100].iter().sum::<u32>());
            expected.extend(x.chunks(32).map(|x| *x.iter().max().unwrap()));
            expected.extend((0..128).map(|t| x[t / 16 * 16..=t].iter().sum::<u32>()));
        }
        assert_eq!(device.download(out), expected);
    });
}
