//! Scopes: what a name means where it is declared more than once.

use super::super::ast::{Item, Label, Operand, Reg};
use super::{body, body_refused, instructions, module, refused};

fn symbols(text: &str) -> Vec<String> {
    let body = body(text);
    let names = instructions(&body).into_iter().filter_map(|inst| match inst.operands.last() {
        Some(Operand::Symbol { name, .. }) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

#[test]
fn registers_of_nested_scopes_are_their_own() {
    let body = body(
        ".reg .b32 a; { .reg .b64 a, b; x a; { .reg .pred a; x a; x b; } x a; }\n\
         { .reg .b16 a; x a; } x a;",
    );
    assert_eq!(body.registers.len(), 5);
    let used: Vec<_> = instructions(&body).iter().map(|i| i.operands[0].clone()).collect();
    assert_eq!(used, [1, 3, 2, 1, 4, 0].map(|number| Operand::Reg(Reg(number))));
}

#[test]
fn variables_and_lists_get_names_of_their_own() {
    assert_eq!(
        symbols(
            "{ .param .b32 p; x p; } { .param .b64 p; x p; { .local .b32 p; x p; } x p; }\n\
             .shared .b32 p; x p;"
        ),
        ["p", "p.2", "p.3", "p.2", "p.4"]
    );
    // `g` is a variable of the module.
    assert_eq!(symbols("x g; { .shared .b32 g; x g; } x g;"), ["g", "g.2", "g"]);
    assert_eq!(
        symbols("{ l: t: .branchtargets l; x t; } { l: t: .branchtargets l; x t; }"),
        ["t", "t.2"]
    );
    let parsed = module(
        ".entry k(.param .b32 p) { .reg .b64 r; { .param .b32 p; c: .callprototype _ ();\n\
         call r, c; x p; } { c: .callprototype _ (); call r, c; x p; } }",
    );
    let body = parsed.functions[0].body.as_ref().unwrap();
    let names = |name: &str| Some(Operand::Symbol { name: name.to_owned(), addend: 0 });
    let last: Vec<_> = instructions(body).iter().map(|i| i.operands.last().cloned()).collect();
    assert_eq!(last, [names("c"), names("p.2"), names("c.2"), names("p")]);
    assert_eq!(body.variables[0].name, "p.2");
    assert_eq!(body.call_prototypes[1].0, "c.2");
}

#[test]
fn labels_of_nested_scopes_are_their_own() {
    let body = body("{ bra l; l: } { bra l; bra o; l: } o: { l: bra l; bra o; }");
    assert_eq!(body.labels, ["l", "l", "o", "l"]);
    let targets: Vec<_> = instructions(&body).iter().map(|i| i.operands[0].clone()).collect();
    assert_eq!(targets, [0, 1, 2, 3, 2].map(|number| Operand::Label(Label(number))));
    let order: Vec<_> = body
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Label(label) => Some(label.0),
            Item::Inst(_) => None,
        })
        .collect();
    assert_eq!(order, [0, 1, 2, 3]);
}

#[test]
fn names_that_are_refused() {
    for (text, what, line) in [
        ("\nbra nowhere;", "nowhere", 2),
        ("bra l;\n{ l: }", "l", 1),
        ("{ l: }\nt: .branchtargets\nl;", "l", 3),
        ("l:\nl:", "l", 2),
        (".reg .b32 a;\na: ret;", "a", 2),
        ("a: ret;\n.reg .b32 a;", "a", 2),
        (".reg .b32 a;\nbra a;", "a", 2),
        ("mov.u32 a, 1; .reg .b32 a;", "a", 1),
        ("{ .reg .b32 a; }\nmov.u32 a, 1;", "a", 2),
        ("l: mov.u32 _, l;", "l", 1),
        ("{ l: t: .branchtargets l; } brx.idx _, t;", "t", 1),
        // Which of the two is meant is not for this reader to guess.
        ("l: { bra l; l: }", "l", 1),
    ] {
        let refusal = body_refused(text);
        assert_eq!((refusal.what.as_str(), refusal.line), (what, line), "{text}");
    }
    assert_eq!(refused(".entry k(.param .u32 a) { .reg .b32 a; }").what, "a");
    assert_eq!(refused(".entry k() { {").what, "end of the text");
    assert_eq!(refused(".entry k() { } }").what, "}");
}

#[test]
fn what_comes_later_in_the_module_is_not_seen() {
    assert_eq!(refused(".entry k() { x later; } .global .u32 later;").what, "later");
    assert_eq!(refused(".entry k() { call later; } .func later();").what, "later");
}
