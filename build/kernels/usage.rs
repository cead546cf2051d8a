//! Reads what `ptxas -v` prints: each kernel's registers, shared memory, stack and spills, and its
//! warnings.

/// What a kernel takes on one architecture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) kernel: String,
    pub(crate) arch: u32,
    pub(crate) registers: u32,
    /// Bytes of static shared memory.
    pub(crate) shared: u32,
    /// Bytes spilled, stores and loads together.
    pub(crate) spills: u32,
    /// Bytes of stack, called functions included.
    pub(crate) stack: u32,
}

/// A whole report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) usage: Vec<Usage>,
    /// Spills, warnings, and every line that is not understood: better said too often than lost.
    pub(crate) warnings: Vec<String>,
}

/// What the lines before the current one say it is about.
#[derive(Default)]
struct Context {
    /// The function whose properties come next.
    function: String,
    arch: u32,
    /// The kernel whose use of registers comes next; it is the last of the list.
    in_kernel: bool,
}

pub(crate) fn read(text: &str) -> Report {
    let mut report = Report::default();
    let mut context = Context::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let understood = match line.strip_prefix("ptxas info") {
            Some(rest) => info(rest.trim_start_matches([' ', ':']), &mut report, &mut context),
            None => properties(line.trim(), &mut report, &context),
        };
        if understood.is_none() {
            report.warnings.push(line.trim_end().to_owned());
        }
    }
    report
}

fn info(text: &str, report: &mut Report, context: &mut Context) -> Option<()> {
    if let Some(rest) = text.strip_prefix("Compiling entry function '") {
        let (kernel, arch) = rest.split_once("' for 'sm_")?;
        context.arch = arch.strip_suffix('\'')?.parse().ok()?;
        context.in_kernel = true;
        let kernel = kernel.to_owned();
        report.usage.push(Usage { kernel, arch: context.arch, ..Usage::default() });
        return Some(());
    }
    if let Some(function) = text.strip_prefix("Function properties for ") {
        context.function = function.to_owned();
        return Some(());
    }
    if let Some(used) = text.strip_prefix("Used ") {
        let usage = report.usage.last_mut().filter(|_| context.in_kernel)?;
        context.in_kernel = false;
        for item in used.split(", ") {
            let words: Vec<&str> = item.split(' ').collect();
            match words.as_slice() {
                [count, "registers"] => usage.registers = count.parse().ok()?,
                [bytes, "bytes", "smem"] => usage.shared = bytes.parse().ok()?,
                [bytes, "bytes", "cumulative", "stack", "size"] => {
                    usage.stack = usage.stack.max(bytes.parse().ok()?);
                }
                _ => {}
            }
        }
        return Some(());
    }
    let memory =
        text.split_once(" bytes gmem").is_some_and(|(count, _)| count.parse::<u64>().is_ok());
    (memory || text.starts_with("Compile time = ")).then_some(())
}

/// `0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads`
fn properties(text: &str, report: &mut Report, context: &Context) -> Option<()> {
    let (stack, spills) = text.split_once(" bytes stack frame, ")?;
    let (stores, loads) = spills.split_once(" bytes spill stores, ")?;
    let loads = loads.strip_suffix(" bytes spill loads")?;
    let [stack, stores, loads] = [stack, stores, loads].map(|count| count.parse::<u32>().ok());
    let (stack, spills) = (stack?, stores? + loads?);
    let Context { function, arch, .. } = context;
    if let Some(usage) = report.usage.last_mut().filter(|usage| usage.kernel == *function) {
        usage.spills = spills;
        usage.stack = usage.stack.max(stack);
    }
    if spills > 0 {
        report.warnings.push(format!("{function} for sm_{arch} spills registers: {spills} bytes"));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
ptxas info    : 0 bytes gmem, 8 bytes cmem[3]
ptxas warning : entry b: .minnctapersm will be ignored
ptxas info    : Compiling entry function 'b' for 'sm_80'
ptxas info    : Function properties for b
    224 bytes stack frame, 240 bytes spill stores, 392 bytes spill loads
ptxas info    : Used 32 registers, 228 bytes cumulative stack size, 1024 bytes smem
ptxas info    : Compile time = 57.066 ms
ptxas info    : Function properties for _Z4deepPfi
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function 'b' for 'sm_90'
ptxas info    : Function properties for b
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, 376 bytes cmem[0]
ptxas info    : (C7510) Potential Performance Loss
";

    #[test]
    fn every_kernel_on_every_architecture_is_read() {
        let report = read(TEXT);
        let usage = |arch, registers, shared, spills, stack| Usage {
            kernel: "b".into(),
            arch,
            registers,
            shared,
            spills,
            stack,
        };
        assert_eq!(report.usage, [usage(80, 32, 1024, 632, 228), usage(90, 40, 0, 0, 0)]);
        let expected = [
            "ptxas warning : entry b: .minnctapersm will be ignored",
            "b for sm_80 spills registers: 632 bytes",
            "ptxas info    : (C7510) Potential Performance Loss",
        ];
        assert_eq!(report.warnings, expected);
    }

    #[test]
    fn a_called_function_that_spills_is_not_lost() {
        let text = "ptxas info    : Function properties for _Z1fv\n    \
                    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads\n";
        assert_eq!(read(text).warnings, ["_Z1fv for sm_0 spills registers: 8 bytes"]);
    }
}
