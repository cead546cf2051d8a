//! Initial values.

use super::super::ast::{InitValue, Variable};
use super::{module, refused, variable};

/// Content as offset and bytes, an address as its text.
fn content(variable: &Variable) -> Vec<(u64, String)> {
    variable
        .init
        .iter()
        .map(|init| {
            let text = match &init.value {
                InitValue::Bytes(bytes) => format!("{bytes:?}"),
                InitValue::Address { name, addend, generic } => {
                    format!("{}{name}{addend:+}", if *generic { "generic " } else { "" })
                }
            };
            (init.offset, text)
        })
        .collect()
}

fn bytes(declaration: &str) -> Vec<(u64, String)> {
    let parsed = module(declaration);
    let variable = parsed.variables.last().unwrap();
    content(variable)
}

#[test]
fn numbers() {
    for (declaration, expected) in [
        (".global .u32 a = 258;", vec![2, 1, 0, 0]),
        (".global .align 8 .u64 a = -1;", vec![255; 8]),
        (".global .s16 a = -2;", vec![254, 255]),
        (".global .u8 a = 0x1FF;", vec![255]),
        (".global .f32 a = 0f3F800000;", vec![0, 0, 128, 63]),
        (".global .f32 a = -1.5;", vec![0, 0, 192, 191]),
        (".global .f32 a = 0d3FF0000000000000;", vec![0, 0, 128, 63]),
        (".global .f64 a = 0d3FF0000000000000;", vec![0, 0, 0, 0, 0, 0, 240, 63]),
        (".global .f64 a = 0f3F800000;", vec![0, 0, 0, 0, 0, 0, 240, 63]),
        (".global .f64 a = 1e0;", vec![0, 0, 0, 0, 0, 0, 240, 63]),
        (".global .b32 a = 0f3F800000;", vec![0, 0, 128, 63]),
        (".global .b16 a[3] = {1, 2};", vec![1, 0, 2, 0]),
        (".global .v2 .u8 a = {1, 2};", vec![1, 2]),
        (".const .u8 a[2][2] = {{1, 2}, {3, 4}};", vec![1, 2, 3, 4]),
        (".global .u8 a = 0xFF00(1000 + 546);", vec![6]),
        (".global .u8 a[2] = {WARP_SZ, (1 << 3) | 0b1};", vec![32, 9]),
    ] {
        assert_eq!(bytes(declaration), [(0, format!("{expected:?}"))], "{declaration}");
    }
}

#[test]
fn what_is_left_out_stays_out() {
    assert_eq!(
        bytes(".global .u8 a[2][3] = {{1, 2}, {3}};"),
        [(0, "[1, 2]".to_owned()), (3, "[3]".to_owned())]
    );
    assert_eq!(bytes(".global .u8 a[4] = {};"), []);
    let parsed = module(".global .u16 a[] = {1, 2, 3}; .global .v2 .u8 b[][2] = {{{1, 2}}};");
    assert_eq!(variable(&parsed, "a").size, Some(6));
    assert_eq!(variable(&parsed, "b").size, Some(4));
}

#[test]
fn addresses() {
    let parsed = module(
        ".global .u32 v[4]; .const .u32 c; .func f();\n\
         .global .align 8 .u64 p[6] = {7, v, generic(v)+4+4, f, c+-4, generic(c)};",
    );
    let expected = ["v+0", "generic v+8", "f+0", "c-4", "generic c+0"];
    let found = content(variable(&parsed, "p"));
    assert_eq!(found[0], (0, "[7, 0, 0, 0, 0, 0, 0, 0]".to_owned()));
    for (place, text) in expected.iter().enumerate() {
        assert_eq!(found[place + 1], ((place as u64 + 1) * 8, (*text).to_owned()));
    }
}

#[test]
fn addresses_byte_by_byte() {
    let masks: Vec<_> =
        (0..8).map(|i| format!("{:#X}(generic(v)+3)", 0xFF_u64 << (8 * i))).collect();
    let masks = masks.join(", ").replace("0X", "0x");
    let head = ".global .u32 v; .global .align 1 .b8 p[12]";
    assert_eq!(
        bytes(&format!("{head} = {{12, {masks}, 34}};")),
        [(0, "[12]".to_owned()), (1, "generic v+3".to_owned()), (9, "[34]".to_owned()),]
    );
    let short = masks.rsplit_once(',').unwrap().0;
    assert!(refused(&format!("{head} = {{{short}}};")).why.contains("before its eighth"));
    assert!(refused(&format!("{head} = {{{short}, 1}};")).why.contains("follow each other"));
    assert!(refused(&format!("{head} = {{0xFF00(v)}};")).why.contains("follow each other"));
}

#[test]
fn refusals() {
    for (text, what) in [
        (".global .u32 a[2] = {1, 2, 3};", "3"),
        (".global .u32 a[2][2] = {1, 2, 3, 4};", "1"),
        (".global .u32 a = {1};", "{"),
        (".global .u32 a[2] = 1;", "1"),
        (".global .u32 a[2] = {1 2};", "2"),
        (".global .u32 a[2] = {1,};", "}"),
        (".global .u64 a = a;", "a"),
        (".global .u32 a = 1.5;", "1.5"),
        (".global .u32 a = 0f3F800000;", "0f3F800000"),
        (".global .u32 a = 0f3F8;", "0f3F8"),
        (".global .f32 a = 1;", "1"),
        (".global .f16 a = 1.0;", "1.0"),
        (".global .b128 a = 1;", "1"),
        (".global .u32 a = 08;", "08"),
        (".global .u32 a = 18446744073709551616;", "18446744073709551616"),
        (".global .u32 a = 1 / 0;", "/"),
        (".global .u32 a = -0f3F800000;", "-"),
        (".global .u64 a = b; .global .u32 b;", "b"),
        (".global .u32 b; .global .u32 a = b;", "b"),
        (".global .u32 b; .global .u64 a = b-4;", "-"),
        (".global .u32 b; .global .u64 a = generic(b+4);", "+"),
        (".global .u32 b; .global .u8 a = 0xF0(b);", "0xF0"),
        (".global .u32 b; .global .u16 a = 0xFF(b);", "b"),
        (".global .u32 a[] = {};", ";"),
    ] {
        assert_eq!(refused(text).what, what, "{text}");
    }
}
