//! Serves compare.py: times cosmoe on inputs from a file, one command per line of standard input,
//! one JSON object per line of standard output.
//!
//! ```text
//! hello                 version, instruction set, threads
//! load FILE TOP_K       tokens [T, D] and experts [E, D] of a safetensors file, F32 or BF16
//! route CALLS           seconds of each call
//! plan CALLS            seconds of each call, on the ids of the last route
//! save FILE             ids, weights and plan as safetensors
//! ```

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cosmoe::{Backend, Cpu, FloatMatrixRef, Host, MatrixRef, Scalar};
use half::bf16;
use planner::Planner;
use router::Router;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

#[path = "../common/planner.rs"]
mod planner;
#[path = "../common/router.rs"]
mod router;

type Result<T, E = String> = std::result::Result<T, E>;

/// What `run` does between two loads.
struct Case<'a, B: Backend> {
    router: Router<'a, B>,
    planner: Planner<'a, B>,
    top_k: usize,
}

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (threads, device) = match args.as_slice() {
        [serve, threads, device] if serve == "--serve" => {
            (threads.parse().ok().filter(|n| *n > 0), device.as_str())
        }
        _ => {
            eprintln!("peer_runner: nothing to do; benches/peers/compare.py runs this program");
            return ExitCode::SUCCESS;
        }
    };
    let served = threads.ok_or("--serve: expected a number of threads".to_owned());
    match served.and_then(|threads| serve(threads, device)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer_runner: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(threads: usize, device: &str) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(text)?;
    match device {
        "cpu" => serve_on(&Cpu::new().with_tasks(threads)),
        #[cfg(feature = "cuda")]
        "cuda" => {
            let cuda = cosmoe::cuda::Cuda::new(0).map_err(text)?;
            serve_on(&cosmoe::cuda::Staged::new(cuda))
        }
        other => Err(format!("--serve: expected cpu or cuda, found {other}")),
    }
}

/// A backend over host memory whose calls can be timed without copies.
trait Timed: Backend<Space = Host> {
    /// Time that calls have taken so far, on a clock that has any beginning.
    fn clock(&self) -> Duration;
}

impl Timed for Cpu {
    fn clock(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

#[cfg(feature = "cuda")]
impl Timed for cosmoe::cuda::Staged {
    fn clock(&self) -> Duration {
        self.device_time()
    }
}

fn serve_on<B: Timed>(backend: &B) -> Result<()> {
    let mut lines = std::io::stdin().lines();
    let mut next = run(backend, &mut lines, None)?;
    while let Some((file, top_k)) = next.take() {
        let bytes = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| format!("{file}: {error}"))?;
        let tensor = |name| tensors.tensor(name).map_err(|error| format!("{file}: {error}"));
        let (tokens, experts) = (tensor("tokens")?, tensor("experts")?);
        next = match tokens.dtype() {
            Dtype::BF16 => case::<bf16, B>(backend, &tokens, &experts, top_k, &mut lines)?,
            Dtype::F32 => case::<f32, B>(backend, &tokens, &experts, top_k, &mut lines)?,
            other => return Err(format!("tokens: expected F32 or BF16, found {other:?}")),
        };
    }
    Ok(())
}

/// Serves until the next load, which it returns, or the end of input.
fn case<T: Scalar, B: Timed>(
    backend: &B,
    tokens: &TensorView<'_>,
    experts: &TensorView<'_>,
    top_k: usize,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
) -> Result<Option<(String, usize)>>
where
    for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
{
    let (token_data, expert_data) = (Aligned::<T>::new(tokens)?, Aligned::<T>::new(experts)?);
    let (tokens, experts) = (token_data.matrix(tokens)?, expert_data.matrix(experts)?);
    let planner = Planner::new(backend, experts.rows(), tokens.rows(), top_k).map_err(text)?;
    let router = Router::new(backend, tokens, experts, top_k).map_err(text)?;
    answer(&json!({ "loaded": true }))?;
    run(backend, lines, Some(Case { router, planner, top_k }))
}

fn run<B: Timed>(
    backend: &B,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    mut case: Option<Case<'_, B>>,
) -> Result<Option<(String, usize)>> {
    for line in lines {
        let line = line.map_err(text)?;
        let words: Vec<&str> = line.split('\t').collect();
        let says = match (words.as_slice(), &mut case) {
            (["hello"], _) => json!({
                "version": env!("CARGO_PKG_VERSION"),
                "simd": Cpu::new().simd().name(),
                "threads": rayon::current_num_threads(),
            }),
            (["load", file, top_k], _) => return Ok(Some(((*file).to_owned(), number(top_k)?))),
            (["route", calls], Some(case)) => {
                time(backend, number(calls)?, || case.router.route())?
            }
            (["plan", calls], Some(case)) => {
                let (ids, _) = case.router.results();
                time(backend, number(calls)?, || case.planner.plan(ids))?
            }
            (["save", file], Some(case)) => save(file, case)?,
            _ => return Err(format!("unexpected command '{line}'")),
        };
        answer(&says)?;
    }
    Ok(None)
}

/// One untimed call, then `calls` timed ones.
fn time<B: Timed>(
    backend: &B,
    calls: usize,
    mut call: impl FnMut() -> cosmoe::Result<()>,
) -> Result<Value> {
    call().map_err(text)?;
    let mut seconds = Vec::with_capacity(calls);
    for _ in 0..calls {
        let started = backend.clock();
        call().map_err(text)?;
        seconds.push(backend.clock().saturating_sub(started).as_secs_f64());
    }
    Ok(json!({ "seconds": seconds }))
}

fn save<B: Timed>(file: &str, case: &Case<'_, B>) -> Result<Value> {
    let (ids, weights) = case.router.results();
    let (counts, _, assignments) = case.planner.results();
    let matrix = vec![ids.len() / case.top_k, case.top_k];
    let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(text);
    let tensors = [
        ("expert_ids", view(Dtype::I32, matrix.clone(), bytemuck::cast_slice(ids))?),
        ("expert_weights", view(Dtype::F32, matrix, bytemuck::cast_slice(weights))?),
        ("expert_counts", view(Dtype::I32, vec![counts.len()], bytemuck::cast_slice(counts))?),
        (
            "assignment_of_row",
            view(Dtype::I32, vec![assignments.len()], bytemuck::cast_slice(assignments))?,
        ),
    ];
    safetensors::serialize_to_file(tensors, None, file.as_ref()).map_err(text)?;
    Ok(json!({ "saved": file }))
}

fn answer(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).map_err(text)
}

fn number(word: &str) -> Result<usize> {
    word.parse().map_err(|_| format!("expected a number, found '{word}'"))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Elements that start on a cache line, as PyTorch's tensors do.
struct Aligned<T> {
    data: Vec<T>,
    start: usize,
}

impl<T: Scalar> Aligned<T> {
    const LINE: usize = 64;

    fn new(tensor: &TensorView<'_>) -> Result<Self> {
        let elements = tensor.data().len() / size_of::<T>();
        let mut data = vec![T::zeroed(); elements + Self::LINE];
        let start = data.as_ptr().align_offset(Self::LINE);
        let Some(copy) = data.get_mut(start..start.saturating_add(elements)) else {
            return Err("no aligned memory".to_owned());
        };
        bytemuck::cast_slice_mut(copy).copy_from_slice(tensor.data());
        Ok(Self { data, start })
    }

    fn matrix(&self, tensor: &TensorView<'_>) -> Result<MatrixRef<'_, T>> {
        let [rows, cols] = tensor.shape() else {
            return Err(format!("expected a matrix, found shape {:?}", tensor.shape()));
        };
        let data = self.data.get(self.start..self.start + rows * cols).unwrap_or_default();
        MatrixRef::new(data, *rows, *cols).map_err(text)
    }
}
