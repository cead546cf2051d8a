//! The names of the special registers: a `%name` that is neither declared nor one of these is a
//! mistake in the text.

/// Is `name` (without its percent sign) a special register of PTX 9.0?
///
/// `component` is whether `.x`, `.y`, `.z` or `.w` follows it, which vectors need and others refuse.
pub(super) fn is_special(name: &str, component: bool) -> bool {
    let vector = matches!(
        name,
        "tid"
            | "ntid"
            | "ctaid"
            | "nctaid"
            | "clusterid"
            | "nclusterid"
            | "cluster_ctaid"
            | "cluster_nctaid"
    );
    if vector || component {
        return vector && component;
    }
    matches!(
        name,
        "laneid"
            | "warpid"
            | "nwarpid"
            | "smid"
            | "nsmid"
            | "gridid"
            | "is_explicit_cluster"
            | "cluster_ctarank"
            | "cluster_nctarank"
            | "lanemask_eq"
            | "lanemask_le"
            | "lanemask_lt"
            | "lanemask_ge"
            | "lanemask_gt"
            | "clock"
            | "clock_hi"
            | "clock64"
            | "globaltimer"
            | "globaltimer_lo"
            | "globaltimer_hi"
            | "reserved_smem_offset_begin"
            | "reserved_smem_offset_end"
            | "reserved_smem_offset_cap"
            | "reserved_smem_offset_0"
            | "reserved_smem_offset_1"
            | "total_smem_size"
            | "aggr_smem_size"
            | "dynamic_smem_size"
            | "current_graph_exec"
    ) || numbered(name, "envreg", 32)
        || numbered(name.strip_suffix("_64").unwrap_or(name), "pm", 8)
}

/// Is `name` `stem` and a number below `count`?
fn numbered(name: &str, stem: &str, count: u32) -> bool {
    name.strip_prefix(stem)
        .filter(|digits| *digits == "0" || digits.starts_with(|c: char| matches!(c, '1'..='9')))
        .and_then(|digits| digits.parse::<u32>().ok())
        .is_some_and(|number| number < count)
}
