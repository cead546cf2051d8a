use super::score::Tile;
use super::*;
use crate::config::{BiasPlacement, Gate, Score};
use crate::cpu::Side;
use crate::cuda::plan::FusedMode;
use crate::cuda::{policy, prepare, registry, select};

/// Name, bytes of the argument, most threads.
fn all() -> Vec<(&'static str, u32, u32)> {
    fn of<P>(entries: &'static [Entry<P>]) -> impl Iterator<Item = (&'static str, u32, u32)> {
        entries.iter().map(|e| (e.name, size_of::<P>() as u32, e.max_threads))
    }
    let mut all: Vec<_> = of(&GATHER).collect();
    for entries in [&COMBINE_BF16[..], &COMBINE_F16, &COMBINE_F32] {
        all.extend(of(entries));
    }
    for entries in [&PREPARE_BF16[..], &PREPARE_F16, &PREPARE_F32] {
        all.extend(of(entries));
    }
    all.extend(of(&SELECT));
    all.extend(of(&PLAN));
    all.extend(scorers().iter().flat_map(|scorer| of(std::slice::from_ref(&scorer.entry))));
    all.extend(scorers().iter().flat_map(|scorer| of(scorer.fused.as_slice())));
    all.extend(of(std::slice::from_ref(&FINISH)));
    all.extend(of(std::slice::from_ref(&PROJECT)));
    all.sort_unstable();
    all
}

/// An `.entry` of a PTX text: name, bytes and alignment of its parameters, `.maxntid`.
type Found = (String, Vec<(u32, u32)>, u32);

fn entries(ptx: &str) -> Vec<Found> {
    let number = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    let mut found: Vec<Found> = Vec::new();
    // Calls in a body have parameters of their own.
    let mut heads = false;
    for line in ptx.lines().map(str::trim) {
        if let Some((_, name)) = line.split_once(".entry ") {
            found.push((name.trim_end_matches('(').to_owned(), Vec::new(), 0));
            heads = true;
        } else if line == "{" {
            heads = false;
        } else if let (true, Some(entry), Some(param)) =
            (heads, found.last_mut(), line.strip_prefix(".param"))
        {
            // .param .align 8 .b8 NAME[64]
            let words: Vec<&str> = param.split_whitespace().collect();
            assert!(words[0] == ".align" && words[2] == ".b8", "{line}");
            let (_, size) = words[3].split_once('[').unwrap();
            entry.1.push((number(size), number(words[1])));
        } else if let (Some(entry), Some(threads)) =
            (found.last_mut(), line.strip_prefix(".maxntid"))
        {
            entry.2 = number(threads.split(',').next().unwrap());
        }
    }
    found
}

/// No kernel without a struct, no struct without a kernel: one parameter each, of the struct's
/// size and alignment, with the launch bounds that the host keeps to.
#[test]
fn the_ptx_takes_these_structs() {
    if registry::MODULES.is_empty() {
        eprintln!("SKIPPED: this build holds no CUDA kernels to compare with");
        return;
    }
    let mut built = Vec::new();
    for module in registry::MODULES {
        let found = entries(module.ptx());
        assert_eq!(found.len(), module.kernels.len(), "{}", module.name);
        for (name, params, threads) in found {
            let &[(size, align)] = params.as_slice() else {
                panic!("{name} takes {} parameters", params.len())
            };
            assert_eq!(align, 8, "{name}");
            let kernel = module.kernels.iter().find(|kernel| kernel.name == name).unwrap();
            assert_eq!(kernel.parameters, [size], "{name}");
            assert_eq!(kernel.max_threads, Some(threads), "{name}");
            built.push((kernel.name, size, threads));
        }
    }
    built.sort_unstable();
    assert_eq!(built, all());
    let aligned = [
        align_of::<GatherParams>(),
        align_of::<CombineParams>(),
        align_of::<PrepareParams>(),
        align_of::<SelectParams>(),
        align_of::<PlanParams>(),
        align_of::<ScoreParams>(),
        align_of::<FinishParams>(),
        align_of::<RouteParams>(),
        align_of::<ProjectParams>(),
    ];
    assert_eq!(aligned, [8; 9]);
}

#[test]
fn steps_find_their_kernels() {
    let names = [PlanStep::Count, PlanStep::Scan, PlanStep::Place, PlanStep::Drop]
        .map(|step| plan(step).name);
    let expected = ["count", "scan", "place", "drop"].map(|name| format!("cosmoe_plan_{name}"));
    assert_eq!(names.map(str::to_owned), expected);
}

#[test]
fn widths_find_their_kernels() {
    for bytes in [1, 2, 4, 8, 16] {
        assert_eq!(gather(bytes).name, format!("cosmoe_gather_{bytes}"));
        for dtype in [DType::BF16, DType::F16, DType::F32] {
            if bytes >= dtype.size() as u32 {
                let expected = format!("cosmoe_combine_{dtype}_{bytes}");
                assert_eq!(combine(dtype, bytes).name, expected);
            }
            assert_eq!(select(dtype).name, format!("cosmoe_select_{dtype}"));
            assert_eq!(prepare(dtype, true).name, format!("cosmoe_prepare_{dtype}_16"));
            let expected = format!("cosmoe_prepare_{dtype}_{}", dtype.size());
            assert_eq!(prepare(dtype, false).name, expected);
        }
    }
}

/// The number that `source` gives to `name`: `constexpr TYPE NAME = N;`, or `NAME = N` in an enum.
fn constant(source: &str, name: &str) -> u64 {
    let given = format!("{name} = ");
    let (_, after) = source.split_once(&given).unwrap_or_else(|| panic!("no {name}"));
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap();
    after[..end].parse().unwrap_or_else(|_| panic!("{name} is not a plain number"))
}

/// What both sides know by number alone.
#[test]
fn numbers_are_the_kernels() {
    macro_rules! kernels {
        ($file:literal) => {
            include_str!(concat!("../../../kernels/", $file))
        };
    }
    let params = kernels!("selection/params.cuh");
    let (_, large) = params.split_once("LargeMemory = WarpMemory<").unwrap();
    let large: Vec<&str> = large.split_once('>').unwrap().0.split(", ").collect();
    assert_eq!(large[2], SELECT_LIST.to_string());

    let last_block = kernels!("score/last_block.cuh");
    let chain = kernels!("common/chain.cuh");
    let metric = kernels!("common/metric.cuh");
    let element = kernels!("common/element.cuh");
    let then_plan = kernels!("score/then_plan.cuh");
    let gate = |gate| u64::from(select::gate(gate).0);
    let placement = |placement| u64::from(select::placement(placement));
    let score = |score| u64::from(prepare::score(score, Side::Token).0);
    let perturbed = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 0.0 };
    for (source, name, host) in [
        (kernels!("common/rows.cuh"), "kRowThreads", u64::from(ROW_THREADS)),
        (kernels!("prepare.cu"), "kPrepareThreads", u64::from(PREPARE_THREADS)),
        (kernels!("select.cu"), "kSelectThreads", u64::from(SELECT_THREADS)),
        (kernels!("finish.cu"), "kFinishThreads", u64::from(FINISH_THREADS)),
        (kernels!("project.cu"), "kProjectThreads", u64::from(PROJECT_THREADS)),
        (kernels!("score/params.cuh"), "kUnit", policy::UNIT as u64),
        (kernels!("score/slots.cuh"), "kMaxSlots", policy::MAX_SLOTS as u64),
        (last_block, "kFusedExperts", FUSED_EXPERTS as u64),
        (last_block, "kFusedTopK", FUSED_TOP_K as u64),
        (then_plan, "kWholePlan", FusedMode::Whole as u64),
        (then_plan, "kCounts", FusedMode::Counts as u64),
        (chain, "kIdentity", gate(Gate::Identity)),
        (chain, "kSigmoid", gate(Gate::Sigmoid { renormalize: false })),
        (chain, "kSoftmaxAll", gate(Gate::SoftmaxAll { renormalize: false })),
        (chain, "kSoftmaxSelected", gate(Gate::SoftmaxSelected)),
        (chain, "kSqrtSoftplus", gate(Gate::SqrtSoftplus { renormalize: false })),
        (chain, "kAfterSelection", placement(BiasPlacement::AfterSelection)),
        (chain, "kInScore", placement(BiasPlacement::InScore)),
        (chain, "kSelectionOnly", placement(BiasPlacement::SelectionOnly)),
        (metric, "kLinear", score(Score::Linear)),
        (metric, "kLaplace", score(Score::Laplace)),
        (metric, "kCosine", score(Score::Cosine)),
        (metric, "kPerturbedCosine", score(perturbed)),
        (element, "kF32", u64::from(dtype(DType::F32))),
        (element, "kF16", u64::from(dtype(DType::F16))),
        (element, "kBF16", u64::from(dtype(DType::BF16))),
    ] {
        assert_eq!(constant(source, name), host, "{name}");
    }
}

/// `using TilesAxB = ...Tiling<A, B, ..., stages>;` of both kinds of products.
#[test]
fn tilings_are_the_kernels() {
    let mma = include_str!("../../../kernels/score/tile_mma.cuh");
    let fma = include_str!("../../../kernels/score/tile_fma.cuh");
    for scorer in scorers() {
        let (text, gap) = if scorer.dtypes.1 == DType::F32 { (fma, 16) } else { (mma, 0) };
        let Tile { tokens, experts, threads, shared } = scorer.tile;
        let using = format!("using Tiles{tokens}x{experts} = ");
        let line = text.lines().find_map(|line| line.strip_prefix(&using)).unwrap();
        let (_, numbers) = line.trim_end_matches(">;").split_once('<').unwrap();
        let numbers: Vec<u32> = numbers.split(", ").map(|n| n.parse().unwrap()).collect();
        let &[rows, cols, down, across, stages] = numbers.as_slice() else { panic!("{line}") };
        assert_eq!((rows, cols), (tokens, experts));
        // Warps down and across, or tokens and experts of a thread.
        let of = if gap == 0 { 32 * down * across } else { (rows / down) * (cols / across) };
        assert_eq!(of, threads, "{line}");
        assert_eq!(stages * (rows + cols) * (128 + gap), shared, "{line}");
        assert!(scorer.entry.name.contains(&format!("_{tokens}x{experts}")), "{line}");
    }
    let tilings = |text: &str| text.lines().filter(|line| line.starts_with("using Tiles")).count();
    let mut hosts: Vec<_> = scorers()
        .iter()
        .map(|s| (s.dtypes.1 == DType::F32, s.tile.tokens, s.tile.experts))
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(tilings(mma) + tilings(fma), hosts.len());
}
