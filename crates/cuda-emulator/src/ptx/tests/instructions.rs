//! Guards, modifiers and operands.

use super::super::ast::{Base, Guard, Inst, Label, Operand, Reg, Source};
use super::{body, body_refused, instructions, module};

const REGISTERS: &str = ".reg .pred p, q; .reg .b32 a, %r1; .reg .b64 %rd1; .local .b32 v[2];\n";

/// The only instruction of `text`, in which the registers are numbered p, q, a, %r1, %rd1.
fn one(text: &str) -> Inst {
    let body = body(&format!("{REGISTERS}{text}"));
    let list = instructions(&body);
    assert_eq!(list.len(), 1);
    list[0].clone()
}

fn reg(number: u32) -> Operand {
    Operand::Reg(Reg(number))
}

fn symbol(name: &str, addend: i64) -> Operand {
    Operand::Symbol { name: name.to_owned(), addend }
}

fn address(base: Base, offset: i64) -> Operand {
    Operand::Address { base, offset }
}

#[test]
fn opcodes_and_modifiers_are_kept_as_written() {
    for mnemonic in [
        "ret",
        "bar.sync",
        "add.rn.f32",
        "atom.global.add.acq_rel.gpu.u64",
        "ld.global.nc.L1::no_allocate.L2::cache_hint.v4.f32",
        "cp.async.cg.shared.global.L2::128B",
        "mbarrier.arrive.release.cta.shared::cta.b64",
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes",
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16",
        "tcgen05.ld.sync.aligned.16x256b.x1.b32",
    ] {
        let inst = one(&format!("{mnemonic};"));
        assert_eq!(inst.mnemonic(), mnemonic);
        assert_eq!(inst.opcode, mnemonic.split('.').next().unwrap());
        assert!(inst.operands.is_empty());
    }
    assert_eq!(one("ld.L1::no_allocate.u32;").modifiers, ["L1::no_allocate", "u32"]);
    assert_eq!(one("add .s32;").mnemonic(), "add.s32");
}

#[test]
fn guards() {
    assert_eq!(one("ret;").guard, None);
    assert_eq!(one("@p ret;").guard, Some(Guard { reg: Reg(0), negated: false }));
    assert_eq!(one("@ ! q ret;").guard, Some(Guard { reg: Reg(1), negated: true }));
    for (text, what) in [("@a ret;", "a"), ("@x ret;", "x"), ("@p { ret; }", "{"), ("@p;", ";")] {
        assert_eq!(body_refused(&format!("{REGISTERS}{text}")).what, what, "{text}");
    }
}

#[test]
fn simple_operands() {
    let operands = |text: &str| one(&format!("x.b32 {text};")).operands;
    assert_eq!(operands("a, %r1"), [reg(2), reg(3)]);
    assert_eq!(operands("!p, _"), [Operand::NotReg(Reg(0)), Operand::Sink]);
    assert_eq!(operands("v, v+4"), [symbol("v", 0), symbol("v", 4)]);
    assert_eq!(operands("g+-8, f"), [symbol("g", -8), symbol("f", 0)]);
    let pair = |a, b| Operand::Pair(Box::new(a), Box::new(b));
    assert_eq!(
        operands("a|p, _|q, p|_"),
        [pair(reg(2), reg(0)), pair(Operand::Sink, reg(1)), pair(reg(0), Operand::Sink)]
    );
    assert_eq!(
        operands("{a, _, 3}, {%r1}"),
        [
            Operand::Vector(vec![reg(2), Operand::Sink, Operand::Int(3)]),
            Operand::Vector(vec![reg(3)])
        ]
    );
    let special = |name: &str| Operand::Special(name.to_owned());
    assert_eq!(
        operands("%tid.x, %nctaid.z, %laneid, %envreg31, %pm7_64, %dynamic_smem_size"),
        [
            special("tid.x"),
            special("nctaid.z"),
            special("laneid"),
            special("envreg31"),
            special("pm7_64"),
            special("dynamic_smem_size")
        ]
    );
}

#[test]
fn integers() {
    for (text, value) in [
        ("0", 0),
        ("-1", -1),
        ("0x1F", 31),
        ("0X1fU", 31),
        ("017", 15),
        ("0b101", 5),
        ("12U", 12),
        ("0xFFFFFFFFFFFFFFFF", -1),
        ("18446744073709551615", -1),
        ("WARP_SZ", 32),
        ("!0", 1),
        ("!7", 0),
        ("~1", -2),
        ("- -3", 3),
        ("2+3*4", 14),
        ("(2+3)*4", 20),
        ("10-4-3", 3),
        ("-7/2", -3),
        ("-1 >> 60", -1),
        ("0xF000000000000000 >> 60", 15),
        ("1 << 4 | 1 & 3 ^ 2", 19),
        ("1 << 64", 0),
        ("-2U/2", i64::MAX),
    ] {
        assert_eq!(one(&format!("x.u64 {text};")).operands, [Operand::Int(value)], "{text}");
    }
}

#[test]
fn floating_point_takes_the_type_of_its_use() {
    let f32 = |value: f32| Operand::F32(value.to_bits());
    let f64 = |value: f64| Operand::F64(value.to_bits());
    for (text, operand) in [
        ("mov.f32 0f3F800000", f32(1.0)),
        ("mov.b32 0F3f800000", f32(1.0)),
        ("mov.f64 0d3FF0000000000000", f64(1.0)),
        ("mov.b64 0D3FF0000000000000", f64(1.0)),
        ("mov.f32 1.5", f32(1.5)),
        ("mov.f64 -1.5", f64(-1.5)),
        ("mov.f32 1e-3", f32(1e-3)),
        ("mov.f64 1e3", f64(1000.0)),
        ("mov.f64 2.", f64(2.0)),
        ("mov.f64 0f3F800000", f64(1.0)),
        ("mov.f32 0d3FF0000000000000", f32(1.0)),
        ("mov.f32 -0d3FF0000000000000", f32(-1.0)),
        ("cvt.rn.f32.f64 1.5", f64(1.5)),
        ("set.lt.u32.f32 1.5", f32(1.5)),
        ("createpolicy.fractional.L2::evict_last.b64 0.5", f32(0.5)),
    ] {
        assert_eq!(one(&format!("{text};")).operands, [operand], "{text}");
    }
    for (text, what) in [
        ("mov.b32 a, 1.5;", "1.5"),
        ("add.f16 a, 1.5, a;", "1.5"),
        ("slct.f64.f32 a, 1.5, 2.5, 3.5;", "1.5"),
        ("mov.f32 a, -0f3F800000;", "-"),
        ("mov.f32 a, 1.0 + 2.0;", "+"),
    ] {
        assert_eq!(body_refused(&format!("{REGISTERS}{text}")).what, what, "{text}");
    }
}

#[test]
fn addresses() {
    let operand = |text: &str| one(&format!("ld.u32 {text};")).operands.pop().unwrap();
    let name = |name: &str| Base::Symbol(name.to_owned());
    assert_eq!(operand("[%rd1]"), address(Base::Reg(Reg(4)), 0));
    assert_eq!(operand("[%rd1+4]"), address(Base::Reg(Reg(4)), 4));
    assert_eq!(operand("[ %rd1 + -0x10 ]"), address(Base::Reg(Reg(4)), -16));
    assert_eq!(operand("[%rd1+2*4+1]"), address(Base::Reg(Reg(4)), 9));
    assert_eq!(operand("[g]"), address(name("g"), 0));
    assert_eq!(operand("[v+4]"), address(name("v"), 4));
    assert_eq!(operand("[128]"), address(Base::Absolute, 128));
    assert_eq!(operand("[4+8]"), address(Base::Absolute, 12));
    for (text, what) in [
        ("ld.u32 a, [%rd1-4];", "-"),
        ("ld.u32 a, [4+%rd1];", "%rd1"),
        ("ld.u32 a, [%rd1+%rd1];", "%rd1"),
        ("ld.u32 a, [%rd2];", "%rd2"),
        ("ld.u32 a, [nothing];", "nothing"),
        ("ld.u32 a, [];", "]"),
        ("ld.u32 a, [%rd1;", ";"),
        ("tex.2d.v4.f32.f32 {a}, [g, {a, a}];", ","),
        ("ld.u32 a, g[1];", "["),
    ] {
        assert_eq!(body_refused(&format!("{REGISTERS}{text}")).what, what, "{text}");
    }
}

#[test]
fn operands_that_are_refused() {
    for (text, what) in [
        ("mov.u32 a, b;", "b"),
        ("mov.u32 a, %r2;", "%r2"),
        ("mov.u32 a, %tid;", "%tid"),
        ("mov.u32 a, %laneid.x;", "%laneid"),
        ("mov.u32 a, %envreg32;", "%envreg32"),
        ("mov.u32 a, %envreg01;", "%envreg01"),
        ("mov.pred p, !a;", "a"),
        ("vadd.u32.u32.u32 a, a.b0, a;", ".b0"),
        ("mov.u32 a, g-4;", "-"),
        ("x a|3;", "3"),
        ("x {a, {a}};", "{"),
        ("x {};", "}"),
        ("x a,;", ";"),
        ("x a a;", "a"),
        ("x , a;", ","),
        (";", ";"),
        ("mov.u32 a, 1", "}"),
    ] {
        assert_eq!(body_refused(&format!("{REGISTERS}{text}")).what, what, "{text}");
    }
    let refusal = body_refused(&format!("{REGISTERS}\n\nadd.s32 a,\n a, x;"));
    assert_eq!(refusal.line, 5);
    let deep = format!("{REGISTERS}mov.u32 a, {}1;", "(".repeat(10_000));
    assert!(body_refused(&deep).why.contains("deep"));
}

#[test]
fn calls() {
    let parsed = module(
        ".func f(); .func (.param .b32 r) h(.param .b32 a, .param .b32 b);\n.entry k() {\n\
         .param .b32 x, y; .reg .b64 t; .reg .b32 n;\n\
         to : .callprototype (.param .b32 _) _ (.param .align 8 .b8 _[16], .param .b32 _) .noreturn;\n\
         of: .calltargets f, h; no: .callprototype _;\n\
         call f;\ncall.uni\nf,\n(\n)\n;\ncall (x), h, (y, 7);\ncall (x), t, (y, n), to;\n\
         call t, of; call (), t, (), no; }",
    );
    let body = parsed.functions[2].body.as_ref().unwrap();
    let list = instructions(body);
    let empty = Operand::List(Vec::new());
    assert_eq!(list[0].operands, [empty.clone(), symbol("f", 0), empty.clone()]);
    assert_eq!(list[1].operands, list[0].operands);
    assert_eq!((list[1].mnemonic().as_str(), list[1].line), ("call.uni", 10));
    let pair = |a, b| Operand::List(vec![a, b]);
    let x = Operand::List(vec![symbol("x", 0)]);
    assert_eq!(
        list[2].operands,
        [x.clone(), symbol("h", 0), pair(symbol("y", 0), Operand::Int(7))]
    );
    assert_eq!(list[3].operands, [x, reg(0), pair(symbol("y", 0), reg(1)), symbol("to", 0)]);
    assert_eq!(list[4].operands, [empty.clone(), reg(0), empty, symbol("of", 0)]);
    assert_eq!(list[5].operands[3], symbol("no", 0));

    let names: Vec<_> = body.call_prototypes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["to", "of", "no"]);
    let to = &body.call_prototypes[0].1;
    assert_eq!((to.returns.len(), to.params[0].size, to.params.len()), (1, Some(16), 2));
    assert!(to.targets.is_empty());
    assert_eq!(body.call_prototypes[1].1.targets, ["f", "h"]);
}

#[test]
fn calls_that_are_refused() {
    for (text, what) in [
        ("call g;", "g"),
        ("call later;", "later"),
        ("call %rd1, ();", ";"),
        ("call f,;", ";"),
        ("call (a) f;", "f"),
        ("call f, (), g;", "g"),
        ("call f, (), x;", "x"),
        ("to: .callprototype to ();", "to"),
        ("of: .calltargets f, g;", "g"),
        ("of: .calltargets later;", "later"),
    ] {
        assert_eq!(body_refused(&format!("{REGISTERS}{text}")).what, what, "{text}");
    }
}

#[test]
fn branches() {
    let body = body(
        ".reg .b32 i; .reg .pred p;\nstart: @p bra end;\nts: .branchtargets end, start;\n\
         bra.uni start; brx.idx.uni i, ts;\nend:",
    );
    assert_eq!(body.labels, ["start", "end"]);
    assert_eq!(body.branch_targets, [("ts".to_owned(), vec![Label(1), Label(0)])]);
    let list = instructions(&body);
    assert_eq!(list[0].operands, [Operand::Label(Label(1))]);
    assert_eq!(list[1].operands, [Operand::Label(Label(0))]);
    assert_eq!(list[2].operands, [reg(0), symbol("ts", 0)]);
}

#[test]
fn source_lines() {
    let body = body(
        "ret;\n.loc 1 20 5\nret;\nret;\n.loc 2 7 1, function_name $L__info_string0, inlined_at 1 20 5\n\
         ret;\n.loc 2 8 1, function_name $L__info_string0+16, inlined_at 1 20 5\nret;\n.loc 1 0 5\nret;\n\
         .loc 3 9 2, function_name $L__info_string1, inlined_at 2 8 1\nret;",
    );
    let sources: Vec<_> = instructions(&body).iter().map(|i| (i.line - 5, i.source)).collect();
    let at = |file, line| Some(Source { file, line, call: None });
    let inlined = |file, line| Some(Source { file, line, call: Some((1, 20)) });
    let expected = [
        (1, None),
        (3, at(1, 20)),
        (4, at(1, 20)),
        (6, inlined(2, 7)),
        (8, inlined(2, 8)),
        (10, None),
        // Inlined into what was inlined itself.
        (12, inlined(3, 9)),
    ];
    assert_eq!(sources, expected);
    assert_eq!(body_refused(".loc 1 2").what, "}");
    assert_eq!(body_refused(".loc 1 2 3, sideways 4\nret;").what, "sideways");
}
