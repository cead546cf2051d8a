//! The result as one JSON object.

use serde_json::Value;

use super::{Bench, Limits, Measured, Results};
use crate::bench::op::Op;
use crate::bench::shapes::Shape;
use crate::bench::work::Work;
use crate::device::Device;

/// Names are only ever added; a change of meaning is a new number.
const SCHEMA: u32 = 1;

/// An object in the making, its names in the order given: a map of the JSON crate would sort them.
struct Fields(Vec<String>);

impl Fields {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn with(self, name: &str, value: impl Into<Value>) -> Self {
        self.with_json(name, &value.into().to_string())
    }

    /// A value that is JSON already.
    fn with_json(mut self, name: &str, json: &str) -> Self {
        self.0.push(format!("\"{name}\":{json}"));
        self
    }

    fn end(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

pub(in crate::bench) fn json(bench: &Bench, device: &Device) -> String {
    let fields = Fields::new()
        .with("schema", SCHEMA)
        .with("command", "bench")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("device", device.id.as_str())
        .with("device_name", device.name.as_deref())
        .with("device_reason", device.reason.as_str())
        .with("machine", bench.machine.as_deref())
        .with("dtype", bench.dtype.name())
        .with("policy", bench.policy.as_deref());
    let fields = match &bench.results {
        Results::Measured { limits: found, all } => fields
            .with("kind", "measured")
            .with_json("limits", &found.as_ref().map_or_else(|| "null".to_owned(), limits))
            .with_json("results", &array(all.iter().map(measured))),
        #[cfg(feature = "cuda")]
        Results::Counted(all) => fields
            .with("kind", "counted")
            .with("compiler", cosmoe::cuda::compiler_version())
            .with("limits", Value::Null)
            .with_json("results", &array(all.iter().map(counts::counted))),
    };
    fields.end() + "\n"
}

fn limits(limits: &Limits) -> String {
    Fields::new()
        .with("copy_bytes_per_second", limits.bytes_per_second)
        .with("flops_per_second", limits.flops_per_second)
        .with("arithmetic", limits.arithmetic)
        .end()
}

/// What every result starts with.
fn case(op: Op, shape: &Shape, work: &Work) -> Fields {
    Fields::new()
        .with("op", op.name())
        .with("model", shape.model)
        .with("tokens", shape.tokens)
        .with("hidden", shape.hidden)
        .with("experts", shape.experts)
        .with("top_k", shape.top_k)
        .with("read_bytes", work.read)
        .with("written_bytes", work.written)
        .with("flops", work.flops)
}

fn measured(measured: &Measured) -> String {
    let work = &measured.work;
    let timings = measured.timings.iter().map(|timing| {
        let fields = Fields::new().with("how", timing.how);
        let spread = timing.spread.as_ref();
        let rate = |amount: u64| spread.map(|spread| amount as f64 / spread.median);
        fields
            .with("repeats", timing.repeats)
            .with("median_seconds", spread.map(|spread| spread.median))
            .with("min_seconds", spread.map(|spread| spread.min))
            .with("p10_seconds", spread.map(|spread| spread.p10))
            .with("p90_seconds", spread.map(|spread| spread.p90))
            .with("bytes_per_second", rate(work.bytes()))
            .with("flops_per_second", rate(work.flops))
            .end()
    });
    let timings = array(timings);
    case(measured.op, &measured.shape, work)
        .with("launches", measured.launches)
        .with_json("timings", &timings)
        .end()
}

#[cfg(feature = "cuda")]
mod counts {
    use std::collections::BTreeMap;

    use super::super::{Counted, counts::usage};
    use super::{Fields, Value, array, case};
    use crate::bench::counted::{Bounds, FIGURES, GPUS, Gpu, Kernel, LAUNCH};

    pub(super) fn counted(counted: &Counted) -> String {
        let bounds = |gpu: &Gpu| bounds(gpu, &Bounds::new(gpu, &counted.work, &counted.kernels));
        case(counted.op, &counted.shape, &counted.work)
            .with("launches", counted.kernels.iter().map(|kernel| kernel.launches).sum::<u64>())
            .with_json("kernels", &array(counted.kernels.iter().map(kernel)))
            .with_json("lower_bounds_not_measurements", &array(GPUS.iter().map(bounds)))
            .end()
    }

    fn kernel(kernel: &Kernel) -> String {
        let build = usage(kernel);
        let fields = Fields::new()
            .with("kernel", kernel.name.as_str())
            .with("launches", kernel.launches)
            .with("blocks", kernel.blocks)
            .with("threads", kernel.threads)
            .with("dynamic_shared", kernel.dynamic_shared)
            .with("arch", build.map(|build| build.arch))
            .with("registers", build.map(|build| build.registers))
            .with("static_shared", build.map(|build| build.shared))
            .with("stack", build.map(|build| build.stack))
            .with("spills", build.map(|build| build.spills));
        let pairs = FIGURES.iter().zip(kernel.figures);
        let fields = pairs.fold(fields, |fields, (name, figure)| fields.with(name, figure));
        fields
            .with_json("warp_instructions", &map(&kernel.instructions))
            .with_json("mma", &map(&kernel.mma))
            .end()
    }

    fn bounds(gpu: &Gpu, bounds: &Bounds) -> String {
        Fields::new()
            .with("gpu", gpu.name)
            .with("warm_seconds", bounds.warm())
            .with("cold_seconds", bounds.cold())
            .with("alone_warm_seconds", bounds.warm().max(LAUNCH))
            .with("alone_cold_seconds", bounds.cold().max(LAUNCH))
            .with("limit", bounds.limit())
            .with("memory_warm_seconds", bounds.memory_warm)
            .with("memory_cold_seconds", bounds.memory_cold)
            .with("l2_seconds", bounds.l2)
            .with("mma_seconds", bounds.matrix)
            .with("f32_seconds", bounds.f32)
            .with("issue_seconds", bounds.issue)
            .with("launch_seconds", LAUNCH)
            .end()
    }

    fn map(counts: &BTreeMap<String, u64>) -> String {
        let pairs = counts.iter().map(|(name, &count)| (name.clone(), Value::from(count)));
        Value::Object(pairs.collect()).to_string()
    }
}
