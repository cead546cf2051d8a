//! Reads the dependency file that nvcc writes: one make rule, target before the colon, files after
//! it.

use std::path::{Path, PathBuf};

/// The files that a compilation read; relative ones are taken from `base`.
pub(crate) fn files(text: &str, base: &Path) -> Vec<PathBuf> {
    let rule = text.split_once(": ").map_or("", |(_, files)| files);
    words(rule).into_iter().map(|word| base.join(word)).collect()
}

/// Splits at white space; `\` before a line's end joins lines, before a space or `#` it stands for
/// that character, and `$$` stands for `$`.
fn words(rule: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = rule.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some('\n')) => {}
            ('\\', Some(' ' | '#')) => word.extend(characters.next()),
            ('$', Some('$')) => word.extend(characters.next()),
            (character, _) if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (character, _) => word.push(character),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_rule_is_read() {
        let text = "out/a.ptx : kernels/a.cu \\\n    /usr/include/b.h \\\n    \
                    common/with\\ space.cuh \\\n  m$$n\n";
        let expected = [
            "/package/kernels/a.cu",
            "/usr/include/b.h",
            "/package/common/with space.cuh",
            "/package/m$n",
        ];
        assert_eq!(files(text, Path::new("/package")), expected.map(PathBuf::from));
        assert_eq!(files("", Path::new("/package")), Vec::<PathBuf>::new());
    }
}
