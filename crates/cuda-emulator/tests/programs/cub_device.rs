//! CUB's device-wide scan and radix sort, launched by hand as its dispatch does it.

use cuda_emulator::machine::StreamId;

use crate::common::device::{Arg, Buffer, Device, args, shape};
use crate::table::program;

/// The sizes that cub_device.cu takes from CUB's policies.
fn sizes(device: &mut Device) -> [u32; 8] {
    let out = device.uninitialised::<u32>(8);
    device.run("sizes", shape(1, 1), args![out]);
    device.download(out).try_into().unwrap()
}

/// The module's kernel with `part` in its mangled name.
fn kernel(device: &Device, part: &str) -> String {
    let names = device.machine.kernels(device.module);
    let mut found = names.into_iter().filter(|name| name.contains(part));
    let name = found.next().unwrap_or_else(|| panic!("no kernel {part}"));
    assert!(found.next().is_none(), "several kernels {part}");
    name
}

/// An argument without content: an empty class takes one byte.
fn empty() -> Arg {
    Arg::from(0u8)
}

/// A warp's width of descriptors in front of those of the tiles.
const PADDING: usize = 32;

/// Eight tiles at most, all of them resident: CUB's scan takes its tiles by block index and trusts the
/// hardware to start blocks in order, which the emulated device does not.
#[test]
fn a_scan_of_a_whole_array() {
    program("cub_device", 8, |device, random| {
        let [threads, items, ..] = sizes(device);
        let tile = threads * items;
        for n in [1, tile, 7 * tile + 123] {
            let x = random.small(n as usize, 1 << 16);
            let tiles = n.div_ceil(tile);
            let state = device.uninitialised::<u64>(PADDING + tiles as usize);
            let (input, out) = (device.upload(&x), device.uninitialised::<u32>(n as usize));
            let init = kernel(device, "DeviceScanInitKernel");
            device.run(&init, shape(tiles.div_ceil(128), 128), args![state, tiles]);
            let scan = kernel(device, "DeviceScanKernel");
            let list =
                [input.into(), out.into(), state.into(), 0u32.into(), empty(), empty(), n.into()];
            device.run(&scan, shape(tiles, threads), &list);
            let mut sum = 0u32;
            let expected: Vec<u32> = x
                .iter()
                .map(|v| {
                    sum = sum.wrapping_add(*v);
                    sum
                })
                .collect();
            assert!(device.download(out) == expected, "n = {n}");
        }
    });
}

#[test]
fn a_sort_in_one_tile() {
    program("cub_device", 1, |device, random| {
        let threads = sizes(device)[7];
        let mut x = random.operands(1000);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(1000));
        let name = kernel(device, "DeviceRadixSortSingleTileKernel");
        let none = || Arg::from(0u64);
        let (n, bits) = (Arg::from(1000u32), [Arg::from(0u32), Arg::from(32u32)]);
        let [first, last] = bits;
        let list = [input.into(), out.into(), none(), none(), n, first, last, empty()];
        device.run(&name, shape(1, threads), &list);
        x.sort_unstable();
        assert_eq!(device.download(out), x);
    });
}

/// Zeroes, as the dispatch does between passes.
fn clear(device: &mut Device, buffer: Buffer<u32>) {
    let words = buffer.len as u64;
    device.machine.fill(buffer.address, &[0; 4], words, StreamId::HOST).unwrap();
}

#[test]
fn a_sort_by_digits_in_one_sweep_each() {
    program("cub_device", 1, |device, random| {
        let [_, _, histogram, sum, threads, items, bits, _] = sizes(device);
        let (tile, digits) = (threads * items, 1 << bits);
        let passes = 32u32.div_ceil(bits);
        let n = 2 * tile + 345;
        let tiles = n.div_ceil(tile);
        let mut x = random.operands(n as usize);

        let bins = device.zeros::<u32>((passes * digits) as usize);
        let counters = device.zeros::<u32>(passes as usize);
        let look_back = device.uninitialised::<u32>((tiles * digits) as usize);
        let mut from = device.upload(&x);
        let mut to = device.uninitialised::<u32>(n as usize);
        let name = kernel(device, "DeviceRadixSortHistogramKernel");
        let list = [bins.into(), from.into(), n.into(), Arg::from(0u32), Arg::from(32u32), empty()];
        device.run(&name, shape(4, histogram), &list);
        let name = kernel(device, "DeviceRadixSortExclusiveSumKernel");
        device.run(&name, shape(passes, sum), args![bins]);
        let name = kernel(device, "DeviceRadixSortOnesweepKernel");
        for pass in 0..passes {
            clear(device, look_back);
            let none = || Arg::from(0u64);
            let list = [
                look_back.into(),
                counters.from(pass as usize).into(),
                none(),
                bins.from((pass * digits) as usize).into(),
                to.into(),
                from.into(),
                none(),
                none(),
                n.into(),
                (pass * bits).into(),
                bits.min(32 - pass * bits).into(),
                empty(),
            ];
            device.run(&name, shape(tiles, threads), &list);
            std::mem::swap(&mut from, &mut to);
        }
        x.sort_unstable();
        assert!(device.download(from) == x);
    });
}
