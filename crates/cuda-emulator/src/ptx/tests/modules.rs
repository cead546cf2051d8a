//! What stands outside of bodies: preamble, files, sections, functions and their heads.

use super::super::ast::{Space, Type};
use super::super::parse;
use super::{HEAD, function, instructions, module, refused, variable};

#[test]
fn preamble() {
    let parsed = parse("// x\n.version 8.7 .target sm_90a, debug\n.pragma \"nounroll\";").unwrap();
    assert_eq!((parsed.version, parsed.target.as_str()), ((8, 7), "sm_90a"));

    for (text, what) in [
        ("", "end of the text"),
        (".target sm_80", ".target"),
        (".version 9 .target sm_80", "9"),
        (".version 9.0", "end of the text"),
        (".version 9.0 .target sm_80, map_f64_to_f32", "map_f64_to_f32"),
        (".version 9.0 .target sm_80 .address_size 32", "32"),
    ] {
        assert_eq!(parse(text).unwrap_err().what, what, "{text}");
    }
}

#[test]
fn comments_strings_and_lines() {
    let text =
        "/* one\n two **/ .file 1 \"a \\\" // b.cu\" // three\n.file 2 \"c.cu\", 123, 456\n/**/?";
    let refusal = refused(text);
    assert_eq!((refusal.line, refusal.what.as_str()), (4, "?"));
    let parsed = module(text.trim_end_matches('?'));
    assert_eq!(parsed.files, [(1, "a \\\" // b.cu".to_owned()), (2, "c.cu".to_owned())]);
    assert_eq!(refused("\n/* open").line, 2);
    assert_eq!(refused("\r\n \"open").line, 2);
}

#[test]
fn debug_sections_are_skipped() {
    let sections = ".section .debug_info\n{\n.b32 $L__a-$L__b\n.b8 1,2\n$L__end:\n.b64 k\n}";
    let parsed = module(&format!("{sections}\n{sections} .global .u32 g;"));
    assert_eq!(parsed.variables.len(), 1);
    assert_eq!(refused(".section .text { }").what, ".text");
    assert!(refused(".section .debug_str { .b8 1").why.contains('}'));
}

#[test]
fn unknown_directives_are_refused() {
    for directive in [".alias", ".texref", ".tex", ".samplerref", ".local", ".reg", ".frobnicate"] {
        let refusal = refused(&format!("\n\n{directive} x;"));
        assert_eq!((refusal.line, refusal.what.as_str()), (3, directive));
    }
    assert_eq!(refused("k: ret;").what, "k");
    assert_eq!(refused(".entry k() .reqnctapercluster 2 { }").what, ".reqnctapercluster");
    assert_eq!(refused(".func f() .noinline { }").what, ".noinline");
    assert_eq!(refused(".func .attribute(.unified(1,2)) f() { }").what, ".attribute");
}

#[test]
fn heads_of_functions() {
    let parsed = module(
        ".visible .entry k(\n.param .u64 .ptr .global .align 16 k_0,\n.param .align 8 .b8 k_1[40]\n)\n\
         .maxntid 256, 2\n.minnctapersm 2 .maxnreg 64 .pragma \"x\";\n{ ret; }\n\
         .weak .func (.param .align 4 .b8 r[80]) f(.param .f32 f_0, .param .b8 f_1[]) .noreturn { }\n\
         .entry plain .reqntid 8, 4, 2 { }",
    );
    let k = function(&parsed, "k");
    assert!(k.is_entry && k.returns.is_empty());
    assert_eq!(k.line, 4);
    assert_eq!((k.max_threads, k.required_threads), (Some([256, 2, 1]), None));
    assert_eq!(k.min_blocks, Some(2));
    let params: Vec<_> = k.params.iter().map(|p| (p.space, p.ty, p.align, p.size)).collect();
    assert_eq!(
        params,
        [(Space::Param, Type::U64, 8, Some(8)), (Space::Param, Type::B8, 8, Some(40))]
    );
    assert_eq!((k.params[1].name.as_str(), k.params[1].line), ("k_1", 6));

    let f = function(&parsed, "f");
    assert!(!f.is_entry);
    assert_eq!((f.returns[0].size, f.returns[0].align), (Some(80), 4));
    assert_eq!((f.params[0].ty, f.params[1].size), (Type::F32, None));
    assert_eq!(function(&parsed, "plain").required_threads, Some([8, 4, 2]));
}

#[test]
fn heads_that_are_refused() {
    for (text, what) in [
        (".func f(.reg .b32 a) { ret; }", ".reg"),
        (".func (.reg .b32 a) f() { ret; }", ".reg"),
        (".entry k(.param .b8 a[]) { ret; }", "a"),
        (".func f(.param .b8 a[], .param .b32 b) { ret; }", "a"),
        (".func f(.param .v2 .f32 a) { ret; }", "a"),
        (".func f(.param .pred a) { ret; }", ".pred"),
        (".func f(.param .b32 .b32 a) { ret; }", ".b32"),
        (".func f(.param .align 3 .b32 a) { ret; }", "3"),
        (".func f(.param .b32 a, .param .b32 a) { ret; }", "a"),
        (".entry k() .maxntid -1 { }", "-"),
        (".entry k() ret;", "ret"),
        (".extern .func f() { ret; }", "f"),
    ] {
        assert_eq!(refused(text).what, what, "{text}");
    }
}

#[test]
fn declarations_merge_with_their_definition() {
    let parsed = module(
        ".func (.param .b32 r) f(.param .b32 a);\n.extern .func g(.param .b64 a);\n\
         .func (.param .b32 r) f(.param .b32 b)\n{\n.param .b32 c;\ncall (c), f, (b);\nret;\n}\n\
         .func (.param .b32 r) f(.param .b32 b);",
    );
    assert_eq!(parsed.functions.len(), 2);
    let f = function(&parsed, "f");
    assert_eq!((f.params[0].name.as_str(), f.line), ("b", 6));
    assert_eq!(instructions(f.body.as_ref().unwrap()).len(), 2);
    assert!(function(&parsed, "g").body.is_none());

    for text in [
        ".func f(.param .b32 a); .func f(.param .b64 a) { ret; }",
        ".func f(); .func (.param .b32 r) f() { ret; }",
        ".func f(); .entry f() { ret; }",
        ".func f() { ret; } .func f() { ret; }",
        ".global .u32 f; .func f() { ret; }",
        ".func f() { ret; } .global .u32 f;",
    ] {
        assert_eq!(refused(text).what, "f", "{text}");
    }
}

#[test]
fn extern_variables_merge_with_their_definition() {
    let parsed = module(
        ".extern .global .align 8 .b8 a[];\n.extern .shared .align 16 .b8 s[];\n\
         .visible .global .align 8 .b8 a[24];\n.extern .global .align 8 .b8 a[];",
    );
    assert_eq!(parsed.variables.len(), 2);
    let a = variable(&parsed, "a");
    assert_eq!((a.size, a.is_extern, a.line), (Some(24), false, 6));
    let s = variable(&parsed, "s");
    assert_eq!((s.size, s.is_extern, s.align, s.space), (None, true, 16, Space::Shared));

    assert_eq!(refused(".global .u32 a; .global .u32 a;").why, "defined twice");
    assert!(refused(".extern .global .u32 a; .const .u32 a;").why.contains("state space"));
}

#[test]
fn what_is_cut_off_is_refused_wherever_it_is_cut() {
    let whole = format!(
        "{HEAD}.file 1 \"a.cu\" .global .align 8 .u64 p[2] = {{0xFF(3), -1}};\
         .visible .entry k(.param .u64 a) .maxntid 32 {{ .reg .pred %p<2>; .reg .b32 x;\
         .loc 1 2 3, function_name $L__info_string0, inlined_at 1 4 5\n\
         l: @!%p1 bra l; {{ ts: .branchtargets l; }} st.shared.v2.u32 [x+4], {{x, 0}}; }}"
    );
    parse(&whole).unwrap();
    let start = HEAD.len() + 15;
    let ends: Vec<_> = (start..whole.len()).filter(|&end| parse(&whole[..end]).is_ok()).collect();
    // Complete are the text without variable and kernel, and the one without the kernel.
    let complete = |end: &usize| whole[..*end].trim_end().ends_with(['"', ';']);
    assert!(ends.len() < 5 && ends.iter().all(complete), "{ends:?}");
}
