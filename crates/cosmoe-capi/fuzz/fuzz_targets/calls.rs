//! Calls in any order with tensors that are not what they should be, though none that is taken reaches outside
//! of the layer's memory: calls are refused and write nothing, or write what is theirs.
#![no_main]

use std::ptr::null;

use cosmoe_capi::cosmoe_status;
use cosmoe_capi_fuzz::{Bytes, CALLS, Call, Facts, Layer, Part, Tensor, message, ok, refused};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = Bytes::new(data);
    let mut layer = Layer::new(&mut data);
    // As long as no handle is made of anything spoiled.
    let mut is_plain = true;
    for _ in 0..8 {
        if data.is_empty() {
            break;
        }
        step(&mut layer, &mut is_plain, &mut data);
    }
});

/// One argument of a call.
struct Argument {
    part: Part,
    tensor: Tensor,
    is_null: bool,
    /// What the call sees; none if it has to refuse it.
    facts: Option<Facts>,
}

fn step(layer: &mut Layer, is_plain: &mut bool, data: &mut Bytes<'_>) {
    let call = &CALLS[data.below(CALLS.len())];
    let fresh = |&(part, _): &(Part, _)| (layer.tensor(part), false);
    let mut tensors: Vec<(Tensor, bool)> = call.tensors.iter().map(fresh).collect();
    let spoils = data.below(4);
    for _ in 0..spoils {
        let which = data.below(tensors.len());
        let (tensor, is_null) = &mut tensors[which];
        match data.below(6) {
            0 => *is_null = true,
            1 => tensor.set_data(layer.block(Part::ALL[data.below(Part::ALL.len())]).start()),
            2 => layer.fill(call.tensors[which].0, data.byte()),
            _ => tensor.spoil(data),
        }
    }
    let arguments: Vec<Argument> = call
        .tensors
        .iter()
        .zip(tensors)
        .map(|(&(part, elements), (mut tensor, is_null))| {
            let rank = rank(layer, part);
            let mut facts = tensor.facts(rank, elements);
            if facts.is_some_and(|facts| !is_inside(layer, part, &facts)) {
                tensor = layer.tensor(part);
                facts = tensor.facts(rank, elements);
            }
            Argument { part, tensor, is_null, facts }
        })
        .collect();

    let before = contents(layer);
    let raw: Vec<_> = arguments
        .iter()
        .map(|argument| if argument.is_null { null() } else { argument.tensor.raw() })
        .collect();
    let made = layer.make(call, &raw, data);
    let is_refused = made.is_valid == Some(false)
        || arguments.iter().any(|argument| match argument.is_null {
            true => call.required.contains(&argument.part),
            false => argument.facts.is_none(),
        });
    if is_refused {
        refused(made.status);
    } else if spoils == 0 && *is_plain && made.is_valid == Some(true) {
        ok(made.status);
    }
    if made.status == cosmoe_status::COSMOE_OK {
        *is_plain &= spoils == 0 || !call.makes_handle();
        check_written(call, layer, &arguments, &before);
    } else {
        refused(made.status);
        assert_eq!(contents(layer), before, "{}: {}", call.name, message());
    }
}

fn rank(layer: &Layer, part: Part) -> usize {
    layer.tensor(part).dl().ndim as usize
}

/// Whether a tensor reaches nothing but memory that a caller may give for that part.
fn is_inside(layer: &Layer, part: Part, facts: &Facts) -> bool {
    let Some(range) = facts.range() else { return true };
    let may_be = |&other: &Part| other == part || !part.is_workspace() && !other.is_workspace();
    Part::ALL.iter().copied().filter(|other| may_be(other)).any(|other| {
        let block = layer.block(other).range();
        block.start <= range.start && range.end <= block.end
    })
}

/// All but the scratch memory, which is of any content.
fn contents(layer: &Layer) -> Vec<Vec<u8>> {
    let content = |part: &Part| match part {
        Part::Scratch => Vec::new(),
        part => layer.block(*part).bytes().to_vec(),
    };
    Part::ALL.iter().map(content).collect()
}

/// That what changed are elements of outputs, and the workspace, of which the state is as it was.
fn check_written(call: &Call, layer: &Layer, arguments: &[Argument], before: &[Vec<u8>]) {
    let outputs = &arguments[call.inputs..];
    for (&part, before) in Part::ALL.iter().zip(before) {
        let block = layer.block(part);
        let changed = block.range().zip(block.bytes().iter().zip(before));
        for (address, _) in changed.filter(|(_, (now, before))| now != before) {
            let is_output = outputs.iter().any(|output| {
                !output.is_null && output.facts.is_some_and(|facts| facts.contains(address))
            });
            assert!(is_output, "{} has written to {part:?}", call.name);
        }
    }
}
