//! Finds the PTX inside a fatbin. fatbinary keeps the text line for line, without comments and
//! without the white space that means nothing, so both are compared without them: what ships is
//! what was checked.

use std::ops::Range;

/// Where in the fatbin the text lies.
pub(crate) fn find(fatbin: &[u8], ptx: &str) -> Option<Range<usize>> {
    const SIGN: &[u8] = b".version";
    // Backwards: the PTX comes last.
    let mut before = fatbin;
    while let Some(sign) = before.windows(SIGN.len()).rposition(|window| window == SIGN) {
        before = &fatbin[..sign];
        // The lines of the comment ahead of it are still there, empty.
        let blank = before.iter().rev().take_while(|byte| **byte == b'\n').count();
        let length = fatbin[sign..].iter().position(|byte| *byte == 0)?;
        let range = sign - blank..sign + length;
        let text = &fatbin[range.clone()];
        if text.is_ascii() && same(text, ptx.as_bytes()) {
            return Some(range);
        }
    }
    None
}

fn same(left: &[u8], right: &[u8]) -> bool {
    bare(left).eq(bare(right))
}

/// Without white space and `//` comments; both stay inside quotes.
fn bare(text: &[u8]) -> impl Iterator<Item = u8> {
    let (mut quoted, mut comment, mut index) = (false, false, 0);
    std::iter::from_fn(move || {
        while let Some(byte) = text.get(index).copied() {
            let next = text.get(index + 1).copied();
            index += 1;
            comment |= byte == b'/' && next == Some(b'/') && !quoted;
            if byte == b'\n' {
                comment = false;
            }
            if comment || (byte.is_ascii_whitespace() && !quoted) {
                continue;
            }
            quoted ^= byte == b'"';
            return Some(byte);
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str =
        "//\n// by nvcc\n.version 9.0\n\n\tmov.u32 \t%r1, 3; // why\n.file 1 \"a//b c\"\n";

    #[test]
    fn the_text_is_found_without_its_comments() {
        let fatbin = b"\x01\0.version 8.0\n\0\x02\n\n.version 9.0\n\nmov.u32 %r1, 3; \n\
                       .file 1 \"a//b c\"\n\0\0";
        let range = find(fatbin, PTX).expect("the second text is the same");
        assert_eq!(&fatbin[range.start..range.start + 10], b"\n\n.version");
        assert_eq!(fatbin[range.end], 0);
    }

    #[test]
    fn another_text_is_not_taken_for_it() {
        let other = b".version 9.0\nmov.u32 %r1, 4;\n.file 1 \"a//b c\"\n\0";
        assert_eq!(find(other, PTX), None);
        let spaced = b".version 9.0\nmov.u32 %r1, 3;\n.file 1 \"a//bc\"\n\0";
        assert_eq!(find(spaced, PTX), None);
    }
}
