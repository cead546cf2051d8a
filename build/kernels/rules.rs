//! What no kernel may contain. The results are defined operation by operation and must have the
//! same bits on every GPU: ptxas may fuse a multiplication and an addition that name no rounding,
//! `.approx` differs between GPUs, and `.ftz` loses subnormals.

use std::collections::HashMap;

use super::ptx::file_directive;

/// A place in a source file: file, line, column.
type Place = (u32, u32, u32);

/// One message per offending instruction, each with its source line.
pub(crate) fn violations(ptx: &str) -> Vec<String> {
    let files: HashMap<u32, &str> = ptx.lines().filter_map(file_directive).collect();
    let mut inlined = HashMap::new();
    let mut place = None;
    let mut messages = Vec::new();
    for line in ptx.lines() {
        let line = line.split_once("//").map_or(line, |(code, _)| code).trim();
        if let Some(rest) = line.strip_prefix(".loc") {
            place = location(rest, &mut inlined);
            continue;
        }
        if line.starts_with('.') && !line.contains(';') {
            continue;
        }
        for statement in line.split([';', '{', '}']) {
            if let Some(opcode) = opcode(statement)
                && let Some(reason) = offence(opcode)
            {
                let place = place.map(|place| described(place, &files, &inlined));
                let place = place.unwrap_or_else(|| "an unknown line".to_owned());
                messages.push(format!("{place}: {opcode}: {reason}"));
            }
        }
    }
    messages
}

/// Why an instruction is not allowed.
fn offence(opcode: &str) -> Option<&'static str> {
    const ARITHMETIC: [&str; 3] = ["add", "sub", "mul"];
    const FLOATS: [&str; 7] = ["f16", "f16x2", "bf16", "bf16x2", "f32", "f32x2", "f64"];
    const ROUNDINGS: [&str; 4] = ["rn", "rz", "rm", "rp"];
    let mut parts = opcode.split('.');
    let operation = parts.next()?;
    let modifiers: Vec<&str> = parts.collect();
    let has = |names: &[&str]| modifiers.iter().any(|modifier| names.contains(modifier));
    if ARITHMETIC.contains(&operation) && has(&FLOATS) && !has(&ROUNDINGS) {
        return Some("no rounding is named, so ptxas may fuse it; write the .rn form");
    }
    if has(&["approx", "full"]) {
        return Some("approximate: its bits differ between GPUs");
    }
    has(&["ftz"]).then_some("flushes subnormals to zero")
}

/// The opcode of a statement, behind a label or a predicate.
fn opcode(statement: &str) -> Option<&str> {
    let mut words = statement.split_whitespace().filter(|word| !word.ends_with(':'));
    let first = words.next()?;
    let word = if first.starts_with('@') { words.next()? } else { first };
    (!word.starts_with('.')).then_some(word)
}

/// `1 11 52`, perhaps with `, function_name $L__info_string0, inlined_at 1 20 3`.
fn location(text: &str, inlined: &mut HashMap<Place, Place>) -> Option<Place> {
    let place = numbers(text.split(',').next()?)?;
    if let Some((_, at)) = text.split_once("inlined_at") {
        inlined.insert(place, numbers(at)?);
    } else {
        inlined.remove(&place);
    }
    Some(place)
}

fn numbers(text: &str) -> Option<Place> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// The line, and where it was inlined from the kernel's own.
fn described(place: Place, files: &HashMap<u32, &str>, inlined: &HashMap<Place, Place>) -> String {
    let name = |(file, line, _): Place| {
        format!("{}:{line}", files.get(&file).copied().unwrap_or("an unknown file"))
    };
    let mut outermost = place;
    // Bounded: what a compiler writes need not be free of circles.
    for _ in 0..64 {
        match inlined.get(&outermost) {
            Some(at) => outermost = *at,
            None => break,
        }
    }
    if outermost == place {
        return name(place);
    }
    format!("{} (inlined at {})", name(place), name(outermost))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(code: &str) -> String {
        let header = ".version 9.0\n.target sm_80\n.visible .entry k(\n\t.param .u64 p\n)\n{\n";
        format!(
            "{header}{code}\n\tret;\n}}\n\t.file\t1 \"kernels/a.cu\"\n\t.file\t2 \"cuda/b.hpp\"\n"
        )
    }

    #[test]
    fn rounded_arithmetic_and_integers_pass() {
        let code = "\t.loc\t1 3 4\n\tmul.rn.f32 %f1, %f2, %f3;\n\tadd.s32 %r1, %r2, 1;\n\
                    \tmul.lo.s64 %rd1, %rd2, 2;\n\tfma.rn.f32 %f1, %f1, %f1, %f2;\n\
                    \tdiv.rn.f32 %f1, %f2, %f3;\n$L1:\n\tadd.cc.u32 %r1, %r1, 1; // mul.f32\n\
                    \tatom.add.f32 %f1, [%rd1], %f2;\n\tadd.rz.ftzero %r1;";
        assert_eq!(violations(&body(code)), Vec::<String>::new());
    }

    #[test]
    fn an_unrounded_operation_is_named_with_its_line() {
        let reason = "no rounding is named, so ptxas may fuse it; write the .rn form";
        for opcode in ["add.f32", "sub.f32", "mul.sat.f32", "mul.f64", "add.f16x2", "sub.bf16"] {
            let code = format!("\t.loc\t1 17 4\n\t{opcode} %f1, %f2, %f3;");
            let expected = format!("kernels/a.cu:17: {opcode}: {reason}");
            assert_eq!(violations(&body(&code)), [expected]);
        }
    }

    #[test]
    fn it_is_found_behind_predicates_and_in_inline_assembly() {
        let code = "\t.loc\t1 5 1\n\t@!%p1 mul.f32 %f1, %f2, %f3;\n\
                    \t{.reg .f32 t; sub.f32 t, %f1, %f1; ex2.approx.f32 t, t; \
                    add.rn.ftz.f32 t, t, t;}";
        let found = violations(&body(code));
        let expected = ["mul.f32", "sub.f32", "ex2.approx.f32", "add.rn.ftz.f32"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (message, opcode) in found.iter().zip(expected) {
            assert!(message.starts_with(&format!("kernels/a.cu:5: {opcode}: ")), "{message}");
        }
    }

    #[test]
    fn an_inlined_line_leads_to_the_kernel() {
        let code = "\t.loc\t1 40 9\n\
                    \t.loc\t2 300 5, function_name $L__info_string0, inlined_at 1 40 9\n\
                    \t.loc\t2 77 1, function_name $L__info_string1, inlined_at 2 300 5\n\
                    \tadd.f32 %f1, %f2, %f3;";
        let found = violations(&body(code));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("cuda/b.hpp:77 (inlined at kernels/a.cu:40): add.f32: "));
    }
}
