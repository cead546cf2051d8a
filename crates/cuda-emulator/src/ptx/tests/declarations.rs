//! Registers and variables: names, sizes, alignments.

use super::super::ast::{Space, Type};
use super::{body, body_refused, module, refused, register, variable};

#[test]
fn registers() {
    let body = body(".reg .pred %p<3>;\n.reg .b32 a, b, %r<2>;\n.reg .f64 %fd<0>; .reg .b64 %SP;");
    let names: Vec<_> = body.registers.iter().map(|r| (r.name.as_str(), r.ty)).collect();
    assert_eq!(
        names,
        [
            ("%p0", Type::Pred),
            ("%p1", Type::Pred),
            ("%p2", Type::Pred),
            ("a", Type::B32),
            ("b", Type::B32),
            ("%r0", Type::B32),
            ("%r1", Type::B32),
            ("%SP", Type::B64),
        ]
    );
    assert_eq!(register(&body, "%SP").ty.bits(), 64);
}

#[test]
fn registers_that_are_refused() {
    for (text, what) in [
        (".reg .v2 .b32 a;", ".v2"),
        (".reg .bf16 a;", ".bf16"),
        (".reg a;", "a"),
        (".reg .b32 12a;", "12a"),
        (".reg .b32 a; .reg .b64 a;", "a"),
        (".reg .b32 %r1; .reg .b32 %r<3>;", "%r1"),
        (".reg .b32 %r<3; ret;", ";"),
        (".reg .b32 %r<-1>;", "-"),
        (".reg .b32 %r<4000000000>;", "%r"),
        (".reg .b32 a", "}"),
    ] {
        assert_eq!(body_refused(text).what, what, "{text}");
    }
}

#[test]
fn sizes_and_alignments() {
    let parsed = module(
        ".global .u16 a;\n.const .align 32 .f64 b[3];\n.global .v4 .f32 c[2][3];\n\
         .shared .align 1 .b8 d[7], e;\n.visible .global .b128 f;\n.global .b8 h[0x10*2];",
    );
    let shapes: Vec<_> = parsed
        .variables
        .iter()
        .map(|v| (v.name.as_str(), v.space, v.ty, v.align, v.size.unwrap()))
        .collect();
    assert_eq!(
        shapes,
        [
            ("a", Space::Global, Type::U16, 2, 2),
            ("b", Space::Const, Type::F64, 32, 24),
            ("c", Space::Global, Type::F32, 16, 96),
            ("d", Space::Shared, Type::B8, 1, 7),
            ("e", Space::Shared, Type::B8, 1, 1),
            ("f", Space::Global, Type::B128, 16, 16),
            ("h", Space::Global, Type::B8, 1, 32),
        ]
    );
    assert_eq!(variable(&parsed, "e").line, 7);
}

#[test]
fn variables_in_bodies() {
    let body = body(".local .align 8 .b8 x[16];\n.shared .f32 y, z[2];\n.param .b32 p;");
    let spaces: Vec<_> = body.variables.iter().map(|v| (v.space, v.size, v.line)).collect();
    assert_eq!(
        spaces,
        [
            (Space::Local, Some(16), 6),
            (Space::Shared, Some(4), 7),
            (Space::Shared, Some(8), 7),
            (Space::Param, Some(4), 8),
        ]
    );
    for (text, what) in [
        (".local .b8 x[];", "x"),
        (".local .u32 x = 4;", "="),
        (".global .u32 x;", ".global"),
        (".extern .shared .b8 x[];", ".extern"),
        (".local .u32 x; .reg .b32 x;", "x"),
    ] {
        assert_eq!(body_refused(text).what, what, "{text}");
    }
}

#[test]
fn variables_that_are_refused() {
    for (text, what) in [
        (".global .b8 a[];", "a"),
        (".shared .b8 a[0];", "a"),
        (".global .b8 a[2][];", "]"),
        (".global .b64 a[4294967295][4294967295];", "a"),
        (".global .b8 a[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1];", "a"),
        (".global .align 0 .b8 a;", "0"),
        (".global .pred a;", ".pred"),
        (".global a;", "a"),
        (".global .v3 .f32 a;", ".v3"),
        (".global .attribute(.managed) .u32 a;", ".attribute"),
        (".global .u32 a", "end of the text"),
        (".shared .u32 a = 1;", "="),
        (".extern .global .u32 a = 1;", "="),
    ] {
        assert_eq!(refused(text).what, what, "{text}");
    }
}
