//! memory.cu in plain Rust.

use bytemuck::{Pod, Zeroable};

use crate::common::device::{Arg, args, shape};
use crate::table::{Op, compare, equal, program};

#[test]
fn every_cache_operator() {
    let mut ops: Vec<Op<u32, u32, 1>> = vec![("load", |[x]| x); 12];
    let stores: [Op<u32, u32, 1>; 8] = [
        ("st.cg", |[x]| x.wrapping_add(1)),
        ("st.cs", |[x]| x.wrapping_add(2)),
        ("st.wt", |[x]| x.wrapping_add(3)),
        ("st.wb", |[x]| x.wrapping_add(4)),
        ("st.relaxed", |[x]| x.wrapping_add(5)),
        ("st.release", |[x]| x.wrapping_add(6)),
        ("st.volatile", |[x]| x.wrapping_add(7)),
        ("st.cache_hint", |[x]| x.wrapping_add(8)),
    ];
    ops.extend(stores);
    program("memory", 1, |device, random| {
        compare(device, "cached", [random.words(300)], &ops, equal);
    });
}

#[test]
fn vectors() {
    program("memory", 1, |device, random| {
        let x: Vec<[u32; 4]> =
            random.words(4 * 64).chunks(4).map(|v| [v[0], v[1], v[2], v[3]]).collect();
        let input = device.upload(&x);
        let out = device.uninitialised::<[u32; 4]>(128);
        let doubles = device.uninitialised::<[f64; 2]>(64);
        let halves = device.uninitialised::<[u16; 4]>(64);
        let bytes = device.uninitialised::<[u8; 4]>(64);
        let longs = device.uninitialised::<u64>(64);
        device.run("vectors", shape(1, 64), args![input, out, doubles, halves, bytes, longs]);
        let map = |f: fn(&[u32; 4]) -> [u32; 4]| x.iter().map(f).collect::<Vec<_>>();
        let mut expected = map(|v| [v[3], v[2], v[1], v[0]]);
        let other = (0..64).map(|i| x[i ^ 1]);
        expected.extend(other.map(|v| [v[0], v[1] ^ 1, v[2], v[3].wrapping_add(5)]));
        assert_eq!(device.download(out), expected);
        let expected: Vec<_> = x.iter().map(|v| [f64::from(v[0]), f64::from(v[1])]).collect();
        assert_eq!(device.download(doubles), expected);
        let expected: Vec<_> = x.iter().map(|v| v.map(|w| w as u16)).collect();
        assert_eq!(device.download(halves), expected);
        let byte = |v: &[u32; 4]| [v[0] as u8, (v[0] >> 8) as u8, v[3] as u8, 7];
        assert_eq!(device.download(bytes), x.iter().map(byte).collect::<Vec<_>>());
        let long = |v: &[u32; 4]| u64::from(v[3]) << 32 | u64::from(v[2]);
        assert_eq!(device.download(longs), x.iter().map(long).collect::<Vec<_>>());
    });
}

#[test]
fn records_without_alignment() {
    program("memory", 1, |device, random| {
        let n = 21;
        let x: Vec<u8> = (0..15 * n).map(|_| random.bits() as u8).collect();
        let (input, out) = (device.upload(&x), device.uninitialised::<u8>(15 * n));
        device.run("records", shape(1, 32), args![input, out, n as i32]);
        let expected: Vec<u8> = x
            .chunks(15)
            .flat_map(|r| {
                let value = u32::from_le_bytes(r[1..5].try_into().unwrap());
                let tail = u16::from_le_bytes(r[5..7].try_into().unwrap());
                let wide = u64::from_le_bytes(r[7..15].try_into().unwrap());
                let mut record = vec![r[0]];
                record.extend(value.wrapping_mul(3).wrapping_add(u32::from(r[0])).to_le_bytes());
                record.extend(tail.wrapping_add(1).to_le_bytes());
                record.extend((wide ^ u64::from(tail) << 40).to_le_bytes());
                record
            })
            .collect();
        assert_eq!(device.download(out), expected);
    });
}

fn shuffled_locals(x: u32) -> u32 {
    let mut a: [u32; 16] = std::array::from_fn(|j| x.wrapping_add((j * j) as u32));
    let mut d = [1.0, 2.0, 4.0, 8.0];
    let mut b: [u8; 12] = std::array::from_fn(|j| (x >> (j & 7)) as u8);
    for j in 0..8 {
        let k = (a[(x.wrapping_add(j) & 15) as usize] & 15) as usize;
        let t = a[k];
        a.swap(k, j as usize);
        d[(t & 3) as usize] += (k + 1) as f64;
        let add = b[(t % 12) as usize];
        let to = &mut b[(k + j as usize) % 12];
        *to = to.wrapping_add(add);
    }
    let sum = a.iter().fold(0u32, |sum, &v| sum.wrapping_mul(7).wrapping_add(v));
    let sum = b.iter().fold(sum, |sum, &v| sum.wrapping_mul(3).wrapping_add(u32::from(v)));
    sum.wrapping_add((d[0] + 2.0 * d[1] + 3.0 * d[2] + 5.0 * d[3]) as u32)
}

#[test]
fn local_memory() {
    program("memory", 1, |device, random| {
        let x = random.words(256);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(256));
        device.run("local_arrays", shape(2, 128), args![input, out]);
        let expected: Vec<u32> = x.iter().map(|&x| shuffled_locals(x)).collect();
        assert_eq!(device.download(out), expected);

        let out = device.uninitialised::<u32>(128);
        device.run("stack", shape(1, 128), args![input, out]);
        let expected = |x: u32| {
            let n = x % 13 + 1;
            (0..n).map(|j| ((n - 1 - j) * (n - 1 - j) + n) * (j + 1)).sum::<u32>()
        };
        let expected: Vec<u32> = x[..128].iter().map(|&x| expected(x)).collect();
        assert_eq!(device.download(out), expected);
    });
}

const PRIMES: [u32; 8] = [2, 3, 5, 7, 11, 13, 17, 19];

#[test]
fn constants_and_module_variables() {
    program("memory", 1, |device, random| {
        let x = random.words(96);
        let input = device.upload(&x);
        for (round, more) in [(0u32, 0u32), (1, 7)] {
            if round == 1 {
                device.run("count_up", shape(1, 4), args![more]);
            }
            let (out, floats) = (device.uninitialised::<u32>(192), device.uninitialised::<f32>(96));
            device.run("constants", shape(1, 96), args![input, out, floats]);
            let counters = [10, 20, 30, 40].map(|c| c + more);
            let words = x.iter().map(|&v| {
                let letter = u32::from(b"generic"[v as usize % 7]);
                PRIMES[v as usize % 8] * 1000 + counters[v as usize % 4] + counters[2] + letter
            });
            let tags = x.iter().map(|&v| match v % 2 {
                0 => u32::from(b'a') - 3 + 1,
                _ => u32::from(b'b') + 77,
            });
            assert_eq!(device.download(out), words.chain(tags).collect::<Vec<_>>());
            let weights = [[0.5f32, 1.5, -2.0], [4.0, 8.25, 0.0]];
            let expected: Vec<f32> =
                x.iter().map(|&v| weights[v as usize % 2][v as usize % 3]).collect();
            assert_eq!(device.download(floats), expected);
        }
        let (address, size) = device.machine.variable(device.module, "counters").unwrap();
        assert_eq!(size, 16);
        let mut bytes = [0; 16];
        let host = cuda_emulator::machine::StreamId::HOST;
        device.machine.read(address, &mut bytes, host).unwrap();
        assert_eq!(bytemuck::cast::<_, [u32; 4]>(bytes), [17, 27, 37, 47]);
    });
}

#[test]
fn generic_addresses() {
    program("memory", 1, |device, random| {
        let x = random.words(64);
        let (input, out) = (device.upload(&x), device.zeros::<u32>(3 * 64));
        device.run("generic", shape(1, 64), args![input, out]);
        let found = device.download(out);
        let sum = |v: [u32; 4]| v.iter().fold(0u32, |s, &w| s.wrapping_mul(3).wrapping_add(w));
        let tile: [u32; 4] = std::array::from_fn(|j| x[j].wrapping_mul(2));
        for t in 0..64 {
            let (expected, space) = match t % 4 {
                0 => (sum([x[0], x[1], x[2], x[3]]), 1),
                1 => (sum(tile), 2),
                2 => (sum(std::array::from_fn(|j| x[t].wrapping_add(j as u32))), 4),
                _ => (sum([2, 3, 5, 7]), 8),
            };
            assert_eq!(found[2 * t..][..2], [expected, space], "thread {t}");
            // 16 threads add 5 to each odd element of the tile.
            let sixteen = if t % 2 == 1 { tile[t % 4].wrapping_add(16 * 5) } else { 5 };
            assert_eq!(found[128 + t], sixteen, "thread {t} after the atomics");
        }
    });
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Parameters {
    x: u64,
    out: u64,
    table: [u32; 6],
    small: u16,
    gap: [u8; 6],
    factor: f64,
    tail: [u8; 5],
    end: [u8; 3],
}

#[test]
fn a_structure_by_value() {
    program("memory", 1, |device, random| {
        let x = random.words(64);
        let (input, out) = (device.upload(&x), device.uninitialised::<u32>(128));
        let table: [u32; 6] = std::array::from_fn(|_| random.bits());
        let p = Parameters {
            x: input.address,
            out: out.address,
            table,
            small: 40_000,
            gap: [0; 6],
            factor: 12.5,
            tail: [1, 2, 3, 4, 250],
            end: [0; 3],
        };
        device.run("by_value", shape(1, 64), &[Arg::of(p)]);
        let chosen = (0..64)
            .map(|i| table[x[i] as usize % 6].wrapping_add(40_025 + u32::from(p.tail[i % 5])));
        let sum = |v: &[u32]| v.iter().fold(0u32, |s, w| s.wrapping_mul(3).wrapping_add(*w));
        let sums = (0..64).map(|i| sum(&table[i % 3..][..3]));
        let expected: Vec<u32> = chosen.chain(sums).collect();
        assert_eq!(device.download(out), expected);
    });
}
