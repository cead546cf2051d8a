//! The chain that eager frameworks run, one kernel each, beside the fused route: same ids, same plan, other counts.
//!
//! With `COSMOE_UNFUSED=T,D,E,K` both run once at that shape, for whoever counts them (`scripts/counts.py`).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use cosmoe::cuda::interop;
use cosmoe::{DType, Gate, PlanConfig, RouterConfig, Score};
use cudarc::driver::{
    CudaContext, CudaModule, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig,
    PushKernelArg,
};
use cudarc::nvrtc::Ptx;
use half::bf16;

use crate::common::{Matrix, Options, Rng, RouteInput, assert_bits};
use crate::run::RouteThere;

crate::tests!("unfused": the_chain_has_the_ids_and_the_plan_of_the_fused_route);

type Shape = (usize, usize, usize, usize);

fn the_chain_has_the_ids_and_the_plan_of_the_fused_route() {
    let Some(nvcc) = option_env!("COSMOE_NVCC") else {
        panic!("kernels were built, so the build script has named their compiler");
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/unfused.cu");
    let ptx =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unfused-{}.ptx", std::process::id()));
    let mut command = Command::new(nvcc);
    command.args(["--ptx", "-arch=compute_80", "-std=c++17", "-fmad=false", "-I"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels"));
    let output = command.arg(source).arg("-o").arg(&ptx).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&ptx).unwrap();
    std::fs::remove_file(&ptx).unwrap();

    let context = CudaContext::new(0).unwrap();
    let module = context.load_module(Ptx::from_src(text)).unwrap();
    let stream = context.new_stream().unwrap();
    match std::env::var("COSMOE_UNFUSED") {
        Ok(shape) => {
            let words: Vec<usize> = shape.split(',').map(|word| word.parse().unwrap()).collect();
            compare(&stream, &module, (words[0], words[1], words[2], words[3]));
        }
        Err(_) => {
            for shape in [(1, 64, 40, 3), (70, 320, 40, 3), (33, 256, 257, 8)] {
                compare(&stream, &module, shape);
            }
        }
    }
}

/// Rows of norm 2^m, as large as there is room for, of -1, 0 and 1: what is divided is exact.
fn rows((rows, width): (usize, usize), rng: &mut Rng) -> Matrix {
    let ones = 1 << (width.ilog2() / 2 * 2);
    let mut used = 0;
    Matrix::new(DType::BF16, (rows, width), 0, |_, column| {
        if column == 0 {
            used = 0;
        }
        let (left, free) = (ones - used, width - column);
        if rng.below(free) >= left {
            return 0.0;
        }
        used += 1;
        if rng.chance(50) { 1.0 } else { -1.0 }
    })
}

fn compare(stream: &Arc<CudaStream>, module: &Arc<CudaModule>, shape: Shape) {
    let (t, d, e, k) = shape;
    let mut rng = Rng::new(111);
    let input = RouteInput::new(rows((t, d), &mut rng), rows((e, d), &mut rng));
    let config = RouterConfig::builder(e, k)
        .score(Score::Cosine)
        .gate(Gate::SoftmaxAll { renormalize: false })
        .build()
        .unwrap();
    let plan = PlanConfig::builder(e).build().unwrap();
    let cuda = interop::from_stream(stream).unwrap();
    let options = Options { scores: false, ..Options::default() };
    let mut fused = RouteThere::with_plan(&cuda, &config, &input, options, Some(&plan));
    fused.call().unwrap();
    let (expected, planned) = (fused.read(), fused.planned());

    let chain = chain(stream, module, &input, shape);
    assert_eq!(chain.ids, expected.ids, "{shape:?}");
    assert_bits(&shape, &chain.weights, &expected.weights);
    assert_eq!(chain.counts, planned.expert_counts);
    assert_eq!(chain.offsets, planned.expert_offsets);
    assert_eq!(chain.order, planned.assignment_of_row);
    assert_eq!(chain.place, planned.row_of_assignment);
}

struct Chain {
    ids: Vec<i32>,
    weights: Vec<f32>,
    counts: Vec<i32>,
    offsets: Vec<i32>,
    order: Vec<i32>,
    place: Vec<i32>,
}

/// The words of a kernel's struct.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Words<const N: usize>([u64; N]);

#[allow(unsafe_code)]
// SAFETY: plain words, which the kernels take as structs of the same size.
unsafe impl<const N: usize> DeviceRepr for Words<N> {}

fn pair(low: usize, high: usize) -> u64 {
    low as u64 | (high as u64) << 32
}

fn chain(
    stream: &Arc<CudaStream>,
    module: &Arc<CudaModule>,
    input: &RouteInput,
    (t, d, e, k): Shape,
) -> Chain {
    let bits = |matrix: &Matrix| -> Vec<u16> {
        matrix.to_rows().concat().iter().map(|&v| bf16::from_f64(v).to_bits()).collect()
    };
    let norm = f64::from(1 << (d.ilog2() / 2));
    let divided: Vec<u16> = input
        .experts
        .to_rows()
        .concat()
        .iter()
        .map(|v| bf16::from_f64(v / norm).to_bits())
        .collect();
    let tokens = stream.clone_htod(&bits(&input.tokens)).unwrap();
    let experts = stream.clone_htod(&divided).unwrap();
    let norms = stream.alloc_zeros::<f32>(t).unwrap();
    let quotients = stream.alloc_zeros::<u16>(t * d).unwrap();
    let pitch = e.next_multiple_of(4);
    let logits = stream.alloc_zeros::<f32>(t * pitch).unwrap();
    let shares = stream.alloc_zeros::<f32>(t * e).unwrap();
    let weights = stream.alloc_zeros::<f32>(t * k).unwrap();
    let whole = |len| stream.alloc_zeros::<i32>(len).unwrap();
    let (ids, sorted, order, place) = (whole(t * k), whole(t * k), whole(t * k), whole(t * k));
    let (counts, offsets) = (whole(e), whole(e + 1));

    fn at<T>(slice: &CudaSlice<T>, stream: &CudaStream) -> u64 {
        slice.device_ptr(stream).0
    }
    let rows = |blocks: usize| (blocks.div_ceil(4), 128, 0);
    let (token_at, quotient_at) = (at(&tokens, stream), at(&quotients, stream));
    let norm_at = at(&norms, stream);
    launch(stream, module, "unfused_norms", rows(t), Words([token_at, norm_at, pair(t, d)]));
    let threads = t * d / 8;
    launch(
        stream,
        module,
        "unfused_divide",
        (threads.div_ceil(256), 256, 0),
        Words([token_at, norm_at, quotient_at, pair(t, d)]),
    );
    let (name, tile, block, shared) = if t <= 16 {
        ("unfused_product_few", (16, 16), 64, 8 * 32 * 128)
    } else {
        ("unfused_product_many", (64, 128), 128, 4 * 192 * 128)
    };
    let tiles = t.div_ceil(tile.0) * e.div_ceil(tile.1);
    let (width, logit_at) = (d as u64, at(&logits, stream));
    let words = [
        quotient_at,
        at(&experts, stream),
        0,
        logit_at,
        0,
        width,
        width,
        width,
        pitch as u64,
        pair(0, t),
        pair(e, d.div_ceil(1024)),
        pair(0, 16),
        pair(16, 0),
    ];
    launch(stream, module, name, (tiles, block, shared), Words(words));
    let share_at = at(&shares, stream);
    let words = Words([logit_at, share_at, pair(t, e), pitch as u64]);
    launch(stream, module, "unfused_softmax", rows(t), words);
    let (id_at, weight_at) = (at(&ids, stream), at(&weights, stream));
    let words = Words([share_at, id_at, weight_at, pair(t, e), k as u64]);
    let (blocks, threads, _) = rows(t);
    launch(stream, module, "unfused_top_k", (blocks, threads, 4 * e * 4), words);
    let (sorted_at, count) = (at(&sorted, stream), t * k);
    let words = [id_at, sorted_at, at(&order, stream), at(&place, stream), pair(count, e)];
    launch(stream, module, "unfused_sort", (1, 1024, 0), Words(words));
    let words = [sorted_at, at(&counts, stream), at(&offsets, stream), pair(count, e)];
    launch(stream, module, "unfused_scan", (1, 1024, 0), Words(words));
    let read = |slice: &CudaSlice<i32>| stream.clone_dtoh(slice).unwrap();
    Chain {
        ids: read(&ids),
        weights: stream.clone_dtoh(&weights).unwrap(),
        counts: read(&counts),
        offsets: read(&offsets),
        order: read(&order),
        place: read(&place),
    }
}

#[allow(unsafe_code)]
fn launch<const N: usize>(
    stream: &Arc<CudaStream>,
    module: &Arc<CudaModule>,
    kernel: &str,
    (blocks, threads, shared): (usize, u32, usize),
    words: Words<N>,
) {
    use cudarc::driver::sys::CUfunction_attribute_enum as Attribute;
    let function = module.load_function(kernel).unwrap();
    let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    function.set_attribute(attribute, shared as i32).unwrap();
    let config = LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (threads, 1, 1),
        shared_mem_bytes: shared as u32,
    };
    // SAFETY: `chain` gives each kernel memory of the shapes that it works on.
    unsafe { stream.launch_builder(&function).arg(&words).launch(config).unwrap() };
}
