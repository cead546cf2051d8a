//! Which architectures get machine code; every other one from compute_80 on runs the PTX, which the
//! driver compiles when it first loads it.

use super::compiler::Nvcc;

/// Datacentre and consumer GPUs from Ampere to Blackwell.
const DEFAULT: [u32; 6] = [80, 86, 89, 90, 100, 120];

/// The architectures that the variable's value names: numbers with commas between, or `ptx` for
/// none. Without a value, the default ones that this nvcc knows.
pub(crate) fn chosen(variable: &str, value: Option<&str>, nvcc: &Nvcc) -> Result<Vec<u32>, String> {
    let known = nvcc.known_archs()?;
    choose(variable, value.filter(|value| !value.is_empty()), &known)
}

fn choose(variable: &str, value: Option<&str>, known: &[u32]) -> Result<Vec<u32>, String> {
    let Some(value) = value else {
        return Ok(DEFAULT.into_iter().filter(|arch| known.contains(arch)).collect());
    };
    if value == "ptx" {
        return Ok(Vec::new());
    }
    let mut archs = Vec::new();
    for item in value.split(',') {
        let arch = item.trim().parse().ok().filter(|arch| known.contains(arch) && *arch >= 80);
        archs.push(arch.ok_or_else(|| {
            let known = known.iter().filter(|arch| **arch >= 80).map(u32::to_string);
            let known = known.collect::<Vec<_>>().join(", ");
            format!(
                "{variable}: expected some of {known} with commas between, or ptx, found '{value}'"
            )
        })?);
    }
    archs.sort_unstable();
    archs.dedup();
    Ok(archs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [u32; 5] = [75, 80, 86, 89, 90];

    #[test]
    fn the_default_is_what_this_nvcc_knows_of_it() {
        assert_eq!(choose("A", None, &KNOWN), Ok(vec![80, 86, 89, 90]));
    }

    #[test]
    fn a_list_is_sorted_and_each_is_there_once() {
        assert_eq!(choose("A", Some("90, 80,90"), &KNOWN), Ok(vec![80, 90]));
        assert_eq!(choose("A", Some("ptx"), &KNOWN), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_built_is_refused() {
        let expected = "A: expected some of 80, 86, 89, 90 with commas between, or ptx, found";
        for value in ["75", "100", "80,", "sm_80", "90a"] {
            assert_eq!(choose("A", Some(value), &KNOWN), Err(format!("{expected} '{value}'")));
        }
    }
}
