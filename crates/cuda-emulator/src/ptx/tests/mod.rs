//! Short texts and what the tree says of them. Where it matters what is legal, ptxas 13.0 was asked.

mod declarations;
mod initial;
mod instructions;
mod modules;
mod scopes;

use super::ast::{Body, Function, Inst, Item, Module, Refusal, Register, Variable};
use super::parse;

const HEAD: &str = ".version 9.0\n.target sm_80\n.address_size 64\n";

fn module(text: &str) -> Module {
    parse(&format!("{HEAD}{text}")).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Lines count from the text's own first.
fn refused(text: &str) -> Refusal {
    let mut refusal = parse(&format!("{HEAD}{text}")).expect_err("this text must be refused");
    refusal.line -= 3;
    refusal
}

/// The body of a kernel that has `statements`, and the variable `g` and function `f` beside it.
fn body(statements: &str) -> Body {
    let text = format!(".global .u32 g[4]; .func f() {{ ret; }}\n.entry k() {{\n{statements}\n}}");
    module(&text).functions.pop().unwrap().body.unwrap()
}

fn body_refused(statements: &str) -> Refusal {
    let text = format!(".global .u32 g[4]; .func f() {{ ret; }}\n.entry k() {{\n{statements}\n}}");
    let mut refusal = refused(&text);
    refusal.line -= 2;
    refusal
}

fn instructions(body: &Body) -> Vec<&Inst> {
    body.items
        .iter()
        .filter_map(|item| match item {
            Item::Inst(inst) => Some(inst),
            Item::Label(_) => None,
        })
        .collect()
}

fn register<'b>(body: &'b Body, name: &str) -> &'b Register {
    body.registers.iter().find(|register| register.name == name).unwrap()
}

fn variable<'m>(module: &'m Module, name: &str) -> &'m Variable {
    module.variables.iter().find(|variable| variable.name == name).unwrap()
}

fn function<'m>(module: &'m Module, name: &str) -> &'m Function {
    module.functions.iter().find(|function| function.name == name).unwrap()
}
