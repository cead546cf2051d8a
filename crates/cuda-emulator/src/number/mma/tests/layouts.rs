//! The one formula against the PTX ISA's, which it gives shape by shape for element `ai`, `bi` and
//! `ci` of a lane, counted through the registers.

use super::layout;

/// `(row, column)` of element `i` of lane `lane` from `groupID` and `threadID_in_group`.
type Place = fn(usize, usize, usize) -> (usize, usize);

/// Name, elements a register, registers, the ISA's formula.
const A: [(&str, usize, usize, Place); 8] = [
    ("m16n8k4 tf32", 1, 2, |g, t, i| (g + 8 * i, t)),
    ("m16n8k8 f16", 2, 2, |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1))),
    ("m16n8k8 tf32", 1, 4, |g, t, i| {
        (if i == 0 || i == 2 { g } else { g + 8 }, if i < 2 { t } else { t + 4 })
    }),
    ("m16n8k16 f16", 2, 4, |g, t, i| {
        let row = if i < 2 || (4..6).contains(&i) { g } else { g + 8 };
        (row, t * 2 + (i & 1) + if i >= 4 { 8 } else { 0 })
    }),
    ("m16n8k16 s8", 4, 2, |g, t, i| (if i < 4 { g } else { g + 8 }, t * 4 + (i & 3))),
    ("m16n8k32 s4", 8, 2, |g, t, i| (if i < 8 { g } else { g + 8 }, t * 8 + (i & 7))),
    ("m16n8k32 s8", 4, 4, |g, t, i| {
        let row = if i < 4 || (8..12).contains(&i) { g } else { g + 8 };
        (row, t * 4 + (i & 3) + if i < 8 { 0 } else { 16 })
    }),
    ("m16n8k64 s4", 8, 4, |g, t, i| {
        let row = if i < 8 || (16..24).contains(&i) { g } else { g + 8 };
        (row, t * 8 + (i & 7) + if i < 16 { 0 } else { 32 })
    }),
];

const B: [(&str, usize, usize, Place); 8] = [
    ("m16n8k4 tf32", 1, 1, |g, t, _| (t, g)),
    ("m16n8k8 f16", 2, 1, |g, t, i| (t * 2 + i, g)),
    ("m16n8k8 tf32", 1, 2, |g, t, i| (if i == 0 { t } else { t + 4 }, g)),
    ("m16n8k16 f16", 2, 2, |g, t, i| (t * 2 + (i & 1) + if i < 2 { 0 } else { 8 }, g)),
    ("m16n8k16 s8", 4, 1, |g, t, i| (t * 4 + i, g)),
    ("m16n8k32 s4", 8, 1, |g, t, i| (t * 8 + (i & 7), g)),
    ("m16n8k32 s8", 4, 2, |g, t, i| (t * 4 + (i & 3) + if i < 4 { 0 } else { 16 }, g)),
    ("m16n8k64 s4", 8, 2, |g, t, i| (t * 8 + (i & 7) + if i < 8 { 0 } else { 32 }, g)),
];

#[test]
fn the_formula_is_the_isas() {
    for (name, per, registers, place) in A {
        let mut seen = vec![false; 16 * per * registers * 2];
        for lane in 0..32 {
            for i in 0..per * registers {
                let (row, column) = layout::a(lane, i / per, i % per, per);
                assert_eq!((row, column), place(lane >> 2, lane % 4, i), "{name} a{i} of {lane}");
                seen[column * 16 + row] = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen), "{name} leaves elements out");
    }
    for (name, per, registers, place) in B {
        let mut seen = vec![false; 8 * per * registers * 4];
        for lane in 0..32 {
            for i in 0..per * registers {
                let (row, column) = layout::b(lane, i / per, i % per, per);
                assert_eq!((row, column), place(lane >> 2, lane % 4, i), "{name} b{i} of {lane}");
                seen[row * 8 + column] = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen), "{name} leaves elements out");
    }
    for lane in 0..32 {
        for i in 0..4 {
            let (g, t) = (lane >> 2, lane % 4);
            let want = (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1));
            assert_eq!(layout::c(lane, i), want);
        }
    }
}
