//! `cosmoe bench`: what operations cost. Times on a CPU or a GPU; on the emulated device counts, never times.

mod call;
#[cfg(feature = "cuda")]
mod counted;
mod cpu;
#[cfg(feature = "cuda")]
mod gpu;
mod inputs;
mod memory;
mod op;
mod policy;
mod report;
mod shapes;
mod spread;
mod work;

use std::time::Duration;

use cosmoe::{Cpu, DType};
use half::{bf16, f16};

pub(crate) use op::Op;
pub(crate) use policy::{PolicyOptions, check as check_policy};
pub(crate) use shapes::Shape;

use crate::args::BenchCommand;
use crate::device::{self, Engine};
use crate::error::Failure;
use crate::output::UnseenFile;
use crate::run::Outcome;
use report::{Bench, Measured, Results, Timing};
use work::Work;

/// Seconds that an operation of a shape is repeated for, where `--seconds` says nothing.
pub(crate) const SECONDS: f64 = 0.25;

/// One operation of one shape.
#[derive(Debug, Clone, Copy)]
struct Case {
    op: Op,
    shape: Shape,
}

/// Runs `$body` with `$element` as the type of a dtype.
macro_rules! typed {
    ($dtype:expr, $element:ident => $body:expr) => {
        match $dtype {
            DType::BF16 => {
                type $element = bf16;
                $body
            }
            DType::F16 => {
                type $element = f16;
                $body
            }
            // The option takes no other.
            _ => {
                type $element = f32;
                $body
            }
        }
    };
}

pub(crate) fn run(command: &BenchCommand) -> Result<Outcome, Failure> {
    let device = device::choose(command.device)?;
    let cases = cases(command);
    if let Some(missing) = cases.iter().find_map(|case| memory_for(case, command.dtype())) {
        return Err(missing);
    }
    #[cfg(feature = "cuda")]
    if let (Engine::Cuda(staged), true) = (&device.engine, command.counting) {
        let cuda = policy::apply(staged.cuda().clone(), command.policy.as_ref(), command.dtype())?;
        let stdout = typed!(command.dtype(), T => counted::count::<T>(&cuda, &cases)?);
        return Ok(Outcome { stdout, ..Outcome::default() });
    }
    let plot = command.out_plot.as_deref().map(|path| UnseenFile::create("--out-plot", path));
    let plot = plot.transpose()?;
    let bench = match &device.engine {
        Engine::Cpu(cpu) => on_cpu(cpu, command, &cases),
        #[cfg(feature = "cuda")]
        Engine::Cuda(staged) => on_cuda(staged.cuda(), command, &cases, &device),
    };
    let bench = bench.map_err(|failure| device.named(failure))?;
    let out = match plot {
        None => None,
        Some(mut file) => {
            file.write(report::plot(&bench, &device).as_bytes())?;
            Some(file.seal()?)
        }
    };
    let stdout = match command.json {
        true => report::json(&bench, &device),
        false => report::table(&bench, &device),
    };
    Ok(Outcome { stdout, notes: device.note.into_iter().collect(), out, verdict: None })
}

fn cases(command: &BenchCommand) -> Vec<Case> {
    let shapes = command.shape.map_or_else(|| shapes::of(command.preset), |shape| vec![shape]);
    let all = Op::ALL.into_iter();
    let ops: Vec<Op> = match (command.op, &command.policy) {
        (Some(op), _) => vec![op],
        // A policy is for those that it lays out.
        (None, Some(policy)) => all.filter(|&op| policy.concerns(op)).collect(),
        (None, None) => all.collect(),
    };
    let of_shape = |&shape: &Shape| ops.iter().map(move |&op| Case { op, shape });
    shapes.iter().flat_map(of_shape).collect()
}

/// A failure where the system has no memory for a case's operands.
fn memory_for(case: &Case, dtype: DType) -> Option<Failure> {
    let Shape { tokens, hidden, experts, top_k, .. } = case.shape;
    let [t, d, e, k] = [tokens, hidden, experts, top_k].map(|extent| extent as u128);
    let elements = match case.op {
        Op::Prepare => e * d,
        Op::Route | Op::RouteAndPlan => (t + e) * d,
        Op::Select => t * e,
        Op::Plan => 0,
        Op::Gather | Op::Combine => t * (k + 1) * d,
    };
    let bytes = elements * dtype.size() as u128 + 16 * t * k;
    let there =
        usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    let expected =
        format!("a shape whose operands fit into memory, {bytes} bytes for {}", case.op.name());
    let found = format!("\"{}\" and less memory", case.shape.label());
    (!there).then(|| Failure::input("--shape", expected, found))
}

fn on_cpu(cpu: &Cpu, command: &BenchCommand, cases: &[Case]) -> Result<Bench, Failure> {
    if command.policy.is_some() {
        return Err(Failure::input("--policy", "a CUDA device, which it is for", "cpu"));
    }
    let limits = cpu::limits();
    let (dtype, budget) = (command.dtype(), Duration::from_secs_f64(command.seconds()));
    let mut all = Vec::new();
    for &Case { op, shape } in cases {
        let spread = typed!(dtype, T => cpu::measure::<T>(cpu, op, &shape, budget))
            .map_err(|error| Failure::library(error, &[]))?;
        let timings =
            vec![Timing { how: "warm", repeats: Some(spread.repeats), spread: Some(spread) }];
        let work = Work::of(op, &shape, dtype);
        all.push(Measured { op, shape, work, timings, launches: None });
    }
    let machine = format!("{} threads, {}", cpu.tasks(), cpu.simd());
    Ok(Bench::new(command, Some(machine), Results::Measured { limits: Some(limits), all }))
}

#[cfg(feature = "cuda")]
fn on_cuda(
    cuda: &cosmoe::cuda::Cuda,
    command: &BenchCommand,
    cases: &[Case],
    device: &device::Device,
) -> Result<Bench, Failure> {
    let emulated = cosmoe::cuda::devices()
        .map_err(|error| Failure::library(error, &[]))?
        .get(cuda.ordinal())
        .is_some_and(cosmoe::cuda::Device::is_emulated);
    if emulated && !command.timed {
        let kernels = counted::run(cases, &device.id)?;
        let all = cases.iter().zip(kernels).map(|(&Case { op, shape }, kernels)| report::Counted {
            op,
            shape,
            work: Work::of(op, &shape, command.dtype()),
            kernels,
        });
        return Ok(Bench::new(command, None, Results::Counted(all.collect())));
    }
    let (dtype, budget) = (command.dtype(), Duration::from_secs_f64(command.seconds()));
    let gpu = gpu::Gpu::new(cuda.ordinal(), command, emulated)?;
    let limits = typed!(dtype, T => gpu.limits::<T>())?;
    let measured = |case: &Case| typed!(dtype, T => gpu.measure::<T>(case, budget));
    let all: Result<Vec<Measured>, Failure> = cases.iter().map(measured).collect();
    let limits = (!emulated).then_some(limits);
    let machine = emulated.then(|| "emulated: times mean nothing and are not shown".to_owned());
    Ok(Bench::new(command, machine, Results::Measured { limits, all: all? }))
}
