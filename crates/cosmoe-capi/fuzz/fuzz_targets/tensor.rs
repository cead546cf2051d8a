//! A tensor of any content: it is refused in words, or the views of it are what it says.
#![no_main]

use cosmoe_capi::fuzzing::{Elements, parse};
use cosmoe_capi_fuzz::{Bytes, Tensor, dtype};
use libfuzzer_sys::fuzz_target;

const ELEMENTS: [Elements; 6] = [
    Elements::Floats,
    Elements::F32,
    Elements::I32,
    Elements::Count,
    Elements::U8,
    Elements::Bytes,
];

fuzz_target!(|data: &[u8]| {
    let mut data = Bytes::new(data);
    let elements = ELEMENTS[data.below(ELEMENTS.len())];
    let rank = 1 + data.below(2);
    // An address that nothing is at, since no element is looked at.
    let mut tensor = Tensor::new(0x10000 as *mut u8, dtype(2, 32), &[3, 4][2 - rank..]);
    while !data.is_empty() {
        tensor.spoil(&mut data);
    }
    // SAFETY: shape and strides have as many entries as there are dimensions, where these are few enough
    // to be looked at.
    let parsed = unsafe { parse(tensor.raw(), rank, elements) };
    match (parsed, tensor.facts(rank, elements)) {
        (Ok(parsed), Some(facts)) => facts.check(&parsed),
        (Err(message), None) => {
            assert!(message.starts_with("fuzzed: ") && message.contains(", found "), "{message}");
        }
        (parsed, facts) => panic!("expected {facts:?}, found {parsed:?} of {:?}", tensor.dl()),
    }
});
