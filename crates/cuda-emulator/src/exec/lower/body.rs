//! A function's body: basic blocks, each instruction to the module that knows its family, then one
//! list in weak topological order.

use std::collections::HashMap;

use super::symbols::{Linkage, SharedLayout, offsets};
use super::{control, form, matrix, memory, warp};
use crate::alu;
use crate::counts::Class;
use crate::exec::order::weak_topological;
use crate::exec::program::{FunctionCode, Inst, Op, Place, Program};
use crate::ptx::ast::{self, Body, Function, Item, Label, Refusal, Space};
use crate::registers::{Operands, refuse};

/// What lowering an instruction needs to know of its surroundings.
pub(super) struct Context<'a> {
    pub(super) ops: Operands<'a>,
    pub(super) linkage: &'a Linkage,
    pub(super) shared: &'a SharedLayout,
    pub(super) function: &'a Function,
    pub(super) body: &'a Body,
    /// Offset and size in the frame's local memory: depot, variables of calls, a function's own
    /// parameters and return values.
    pub(super) frame_variables: HashMap<&'a str, (u32, u32)>,
    /// Offset in the parameter block.
    pub(super) entry_params: HashMap<&'a str, u32>,
    /// Block of each label.
    pub(super) blocks: HashMap<Label, usize>,
    pub(super) communicates: &'a mut bool,
    pub(super) mma_names: &'a mut Vec<String>,
}

/// An operation and its class. Branch targets are blocks until the code is laid out.
pub(super) type Lowered = (Op, Class);

struct Block {
    code: Vec<(Inst, Place)>,
    successors: Vec<usize>,
    /// Where it goes on after its last instruction.
    falls_to: Option<usize>,
}

/// Appends the function's code to the program.
pub(super) fn lower(
    program: &mut Program,
    linkage: &Linkage,
    shared: &SharedLayout,
    function: &Function,
    index: usize,
) -> Result<(), Refusal> {
    let Some(body) = &function.body else { return Ok(()) };
    let starts = starts(body);
    let frame = frame(function, body)?;
    let entry_params = if function.is_entry {
        let names = function.params.iter().map(|p| p.name.as_str());
        names.zip(program.params.iter().map(|(offset, _)| *offset)).collect()
    } else {
        HashMap::new()
    };
    let mut context = Context {
        ops: Operands::new(body, &mut program.bank)?,
        linkage,
        shared,
        function,
        body,
        frame_variables: frame.variables,
        entry_params,
        blocks: starts.labels,
        communicates: &mut program.communicates,
        mma_names: &mut program.mma_names,
    };
    let mut blocks = Vec::with_capacity(starts.ranges.len());
    for (number, range) in starts.ranges.iter().enumerate() {
        let next = (number + 1 < starts.ranges.len()).then_some(number + 1);
        blocks.push(block(&mut context, &body.items[range.clone()], next)?);
    }
    let frame_rows = context.ops.frame();
    let start = lay_out(program, blocks);
    program.functions[index] = Some(FunctionCode {
        start,
        frame: frame_rows,
        local: frame.bytes,
        params: frame.params,
        returns: frame.returns,
    });
    Ok(())
}

struct Frame<'a> {
    variables: HashMap<&'a str, (u32, u32)>,
    params: Vec<(u32, u32)>,
    returns: Vec<(u32, u32)>,
    bytes: u32,
}

/// The frame's local memory: a function's parameters and return values, then its variables.
fn frame<'a>(function: &'a Function, body: &'a Body) -> Result<Frame<'a>, Refusal> {
    let mut variables = HashMap::new();
    let mut end = 0;
    let (mut params, mut returns) = (Vec::new(), Vec::new());
    if !function.is_entry {
        (params, end) = offsets(&function.params, 0)?;
        (returns, end) = offsets(&function.returns, end)?;
        let all = function.params.iter().zip(&params);
        for (variable, place) in all.chain(function.returns.iter().zip(&returns)) {
            variables.insert(variable.name.as_str(), *place);
        }
    }
    for variable in &body.variables {
        if matches!(variable.space, Space::Local | Space::Param) {
            let (place, after) = offsets(std::slice::from_ref(variable), end)?;
            variables.insert(variable.name.as_str(), place[0]);
            end = after;
        }
    }
    Ok(Frame { variables, params, returns, bytes: end.next_multiple_of(16) })
}

struct Starts {
    ranges: Vec<std::ops::Range<usize>>,
    labels: HashMap<Label, usize>,
}

/// Cuts the items at labels and after instructions that may go elsewhere.
fn starts(body: &Body) -> Starts {
    let mut ranges = Vec::new();
    let mut labels = HashMap::new();
    let mut start = 0;
    for (i, item) in body.items.iter().enumerate() {
        match item {
            Item::Label(label) => {
                if body.items[start..i].iter().any(|item| matches!(item, Item::Inst(_))) {
                    ranges.push(start..i);
                    start = i;
                }
                labels.insert(*label, ranges.len());
            }
            Item::Inst(inst) => {
                if matches!(inst.opcode.as_str(), "bra" | "brx" | "ret" | "exit" | "trap" | "brkpt")
                {
                    ranges.push(start..i + 1);
                    start = i + 1;
                }
            }
        }
    }
    // What follows the last instruction is a block too: it returns.
    ranges.push(start..body.items.len());
    Starts { ranges, labels }
}

fn block(context: &mut Context<'_>, items: &[Item], next: Option<usize>) -> Result<Block, Refusal> {
    let mut code = Vec::new();
    let mut successors = Vec::new();
    let mut falls_to = next;
    for item in items {
        let Item::Inst(inst) = item else { continue };
        let guard = match inst.guard {
            Some(guard) => {
                let (p, _) = context.ops.pred_of(inst, &ast::Operand::Reg(guard.reg))?;
                Some((p, guard.negated))
            }
            None => None,
        };
        let (op, class) = instruction(context, inst)?;
        match &op {
            Op::Branch(target) => successors.push(*target as usize),
            Op::BranchTable { targets, .. } => {
                successors.extend(targets.iter().rev().map(|t| *t as usize));
            }
            _ => {}
        }
        let leaves =
            matches!(op, Op::Branch(_) | Op::BranchTable { .. } | Op::Return | Op::Exit | Op::Trap);
        if leaves && guard.is_none() {
            falls_to = None;
        }
        code.push((Inst { guard, class, op }, Place { line: inst.line, source: inst.source }));
    }
    let ends = code.last().is_none_or(|(inst, _)| !never_goes_on(inst));
    if next.is_none() && ends {
        let place = code.last().map_or(Place { line: 0, source: None }, |(_, place)| *place);
        code.push((Inst { guard: None, class: Class::Control, op: Op::Return }, place));
        falls_to = None;
    }
    successors.extend(falls_to);
    Ok(Block { code, successors, falls_to })
}

fn never_goes_on(inst: &Inst) -> bool {
    inst.guard.is_none()
        && matches!(
            inst.op,
            Op::Branch(_) | Op::BranchTable { .. } | Op::Return | Op::Exit | Op::Trap
        )
}

/// Writes the blocks in order, with jumps where a block does not stand before the one it falls to.
fn lay_out(program: &mut Program, mut blocks: Vec<Block>) -> u32 {
    let successors: Vec<_> = blocks.iter().map(|b| b.successors.clone()).collect();
    let order = weak_topological(&successors);
    let start = program.code.len() as u32;
    let mut first = vec![u32::MAX; blocks.len()];
    for (position, &number) in order.iter().enumerate() {
        first[number] = program.code.len() as u32;
        let block = &mut blocks[number];
        let place = block.code.last().map(|(_, place)| *place);
        for (inst, place) in block.code.drain(..) {
            program.code.push(inst);
            program.places.push(place);
        }
        if let Some(next) = block.falls_to
            && order.get(position + 1) != Some(&next)
        {
            let op = Op::Jump(next as u32);
            program.code.push(Inst { guard: None, class: Class::Control, op });
            program.places.push(place.unwrap_or(Place { line: 0, source: None }));
        }
    }
    for inst in &mut program.code[start as usize..] {
        match &mut inst.op {
            Op::Branch(target) | Op::Jump(target) => *target = first[*target as usize],
            Op::BranchTable { targets, .. } => {
                targets.iter_mut().for_each(|t| *t = first[*t as usize]);
            }
            _ => {}
        }
    }
    start
}

fn instruction(context: &mut Context<'_>, inst: &ast::Inst) -> Result<Lowered, Refusal> {
    form::check(inst)?;
    let lowered = match inst.opcode.as_str() {
        "ld" | "ldu" => memory::load(context, inst)?,
        "st" => memory::store(context, inst)?,
        "atom" | "red" => memory::atomic(context, inst)?,
        "cp" => memory::async_copy(context, inst)?,
        "cvta" => memory::convert_address(context, inst)?,
        "isspacep" => memory::is_space(context, inst)?,
        "membar" | "fence" => memory::fence(context, inst)?,
        "mbarrier" => memory::mbarrier(context, inst)?,
        "alloca" | "stacksave" | "stackrestore" => memory::stack(context, inst)?,
        "ldmatrix" => matrix::load(context, inst)?,
        "mma" => matrix::multiply(context, inst)?,
        "bar" | "barrier" => warp::barrier(context, inst)?,
        "shfl" => warp::shuffle(context, inst)?,
        "vote" => warp::vote(context, inst)?,
        "match" => warp::match_lanes(context, inst)?,
        "redux" => warp::redux(context, inst)?,
        "activemask" => warp::active_mask(context, inst)?,
        "bra" | "brx" | "call" | "ret" | "exit" | "trap" | "brkpt" => {
            control::lower(context, inst)?
        }
        "prefetch" | "prefetchu" | "applypriority" | "nanosleep" | "pmevent" => {
            (Op::Nothing, Class::Other)
        }
        "createpolicy" => {
            let dest = context.ops.dest64(inst, 0)?;
            let zero = context.ops.bank.immediate64(0);
            let op = Op::Convert {
                dest: crate::registers::Slot::B64(dest),
                value: crate::registers::Slot::B64(zero),
                add: 0,
            };
            (op, Class::Move)
        }
        "mov" => match control::special_move(context, inst)? {
            Some(lowered) => lowered,
            None => arithmetic(context, inst)?,
        },
        _ => arithmetic(context, inst)?,
    };
    Ok(lowered)
}

fn arithmetic(context: &mut Context<'_>, inst: &ast::Inst) -> Result<Lowered, Refusal> {
    for operand in &inst.operands {
        if let ast::Operand::Special(name) = operand
            && !crate::exec::special::is_known(name)
        {
            return Err(refuse(inst, format!("the special register %{name} is not implemented")));
        }
    }
    match alu::lower(inst, &mut context.ops)? {
        Some(alu) => {
            let class = alu.class();
            Ok((Op::Alu(Box::new(alu)), class))
        }
        None => Err(refuse(inst, "this instruction is not implemented")),
    }
}
