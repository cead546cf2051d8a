//! PTX in the words that SentryWard knows.

/// Bit field inserts at places that are numbers, written as the shifts and masks that they stand for:
/// SentryWard knows no value of theirs, and so no address that was made with one.
pub(super) fn without_bit_field_inserts(ptx: &str) -> String {
    let mut text = String::with_capacity(ptx.len());
    for line in ptx.lines() {
        match insert(line.trim()) {
            Some(plain) => text += &plain,
            None => text += line,
        }
        text.push('\n');
        // Each function declares its registers, the 32-bit ones in one line.
        if line.trim().starts_with(".reg .b32 ") && line.contains('<') {
            text += ".reg .b32 %field<2>;\n";
        }
    }
    text
}

/// `bfi.b32 d, a, b, position, length;`
fn insert(line: &str) -> Option<String> {
    let operands = line.strip_prefix("bfi.b32")?.trim().strip_suffix(';')?;
    let mut operands = operands.split(',').map(str::trim);
    let mut next = || operands.next();
    let (to, field, base) = (next()?, next()?, next()?);
    let (position, length): (u32, u32) = (next()?.parse().ok()?, next()?.parse().ok()?);
    if position >= 32 || length >= 32 {
        return None;
    }
    let mask = ((1u32 << length) - 1) << position;
    Some(format!(
        "shl.b32 %field0, {field}, {position}; and.b32 %field0, %field0, {mask}; \
         and.b32 %field1, {base}, {}; or.b32 {to}, %field0, %field1;",
        !mask
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn inserts_become_shifts_and_masks() {
        let ptx = "\t.reg .b32 \t%r<9>;\nbfi.b32 \t%r1, %r2, %r3, 4, 28;\nadd.s32 %r1, %r1, 1;\n";
        let plain = without_bit_field_inserts(ptx);
        let expected = "\t.reg .b32 \t%r<9>;\n.reg .b32 %field<2>;\nshl.b32 %field0, %r2, 4; \
                        and.b32 %field0, %field0, 4294967280; and.b32 %field1, %r3, 15; \
                        or.b32 %r1, %field0, %field1;\nadd.s32 %r1, %r1, 1;\n";
        assert_eq!(plain, expected);
        // What is not known until it runs, or reaches beyond the word, stays.
        for line in ["bfi.b32 %r1, %r2, %r3, %r4, 8;\n", "bfi.b64 %rd1, %rd2, %rd3, 4, 8;\n"] {
            assert_eq!(without_bit_field_inserts(line), line);
        }
    }

    /// What is written computes the instruction's result, run here as text.
    #[test]
    fn what_is_written_is_the_same() {
        let expected = |a: u32, b: u32, position: u32, length: u32| {
            (0..32).fold(0, |bits, i| {
                let inside = i >= position && i < position + length;
                let bit = if inside { a >> (i - position) & 1 } else { b >> i & 1 };
                bits | bit << i
            })
        };
        for (position, length) in [(0, 1), (4, 28), (3, 1), (31, 1), (16, 20), (5, 0)] {
            let line = format!("bfi.b32 %d, %a, %b, {position}, {length};");
            let text = insert(&line).unwrap();
            for (a, b) in [(0, u32::MAX), (u32::MAX, 0), (0x1234_5678, 0x9abc_def0)] {
                let case = format!("{position} {length} {a:x} {b:x}");
                assert_eq!(run(&text, a, b), expected(a, b, position, length), "{case}");
            }
        }
    }

    /// Runs shifts, ands and ors; `%d` at the end.
    fn run(text: &str, a: u32, b: u32) -> u32 {
        let mut registers = HashMap::from([("%a".to_owned(), a), ("%b".to_owned(), b)]);
        for statement in text.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            let (name, operands) = statement.split_once(' ').unwrap();
            let operands: Vec<&str> = operands.split(',').map(str::trim).collect();
            let value = |text: &str| text.parse().unwrap_or_else(|_| registers[text]);
            let (left, right): (u32, u32) = (value(operands[1]), value(operands[2]));
            let result = match name {
                "shl.b32" => left << right,
                "and.b32" => left & right,
                "or.b32" => left | right,
                other => panic!("{other}"),
            };
            registers.insert(operands[0].to_owned(), result);
        }
        registers["%d"]
    }
}
