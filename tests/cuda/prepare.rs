//! `prepare`: the terms are the CPU's to the bit, and those of the order written down in
//! docs/semantics.md, computed here one element after the other.

use cosmoe::cuda::{Buffer, Cuda};
use cosmoe::{
    Backend, Cpu, CudaSpace, DType, Element, FloatMatrixRef, MatrixRef, PrepareArgs, RouterConfig,
    Score,
};
use half::{bf16, f16};

use crate::common::rows::{Laid, Layout};
use crate::common::{Rng, scores};
use crate::device::{cuda, view};

crate::tests!("prepare":
    every_score_dtype_and_width,
    rows_far_from_unit_length,
    the_ends_of_the_range,
    rows_longer_than_a_wave_of_chunks,
    every_alignment_has_the_same_terms,
    terms_outlive_their_backend,
    more_experts_than_a_grid_has_rows,
    a_refresh_is_a_prepare,
    a_refresh_takes_what_was_prepared,
);

/// Each expert's term and power of two.
type Terms = (Vec<f32>, Vec<f32>);

fn on_device<T: Element>(cuda: &Cuda, score: Score, rows: &[Vec<T>], layout: Layout) -> Terms
where
    for<'a> FloatMatrixRef<'a, CudaSpace>: From<MatrixRef<'a, T, CudaSpace>>,
{
    let laid = Laid::new(rows, rows[0].len(), layout);
    let buffer = Buffer::new(cuda, &laid.data).unwrap();
    let args = PrepareArgs { experts: view(&buffer, &laid).into() };
    let prepared = cuda.prepare(&config(score, rows.len()), args).unwrap();
    assert_eq!((prepared.num_experts(), prepared.width()), (rows.len(), rows[0].len()));
    assert_eq!((prepared.dtype(), prepared.score()), (T::DTYPE, score));
    prepared.terms().read().unwrap()
}

fn on_cpu<T: Element>(score: Score, rows: &[Vec<T>]) -> Terms
where
    for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
{
    let (data, width) = (rows.concat(), rows[0].len());
    let experts = MatrixRef::new(&data, rows.len(), width).unwrap().into();
    let prepared = Cpu::new().prepare(&config(score, rows.len()), PrepareArgs { experts }).unwrap();
    let scales = (0..rows.len()).map(|e| prepared.terms().scale(e)).collect();
    (prepared.terms().terms().to_vec(), scales)
}

fn config(score: Score, experts: usize) -> RouterConfig {
    RouterConfig::builder(experts, 1).score(score).build().unwrap()
}

/// A row's sum of squares, in the promised order.
fn squares<T: Element>(row: &[T], scale: f32) -> f32 {
    let chunk = if T::DTYPE == DType::F32 { 128 } else { 1024 };
    let chain = |values: &[T]| {
        let values = values.iter().map(|v| v.to_f32() * scale);
        values.fold(0.0_f32, |sum, v| v.mul_add(v, sum))
    };
    let mut sums: Vec<f32> = row.chunks(chunk).map(chain).collect();
    if T::DTYPE != DType::F32 {
        return sums.into_iter().reduce(|a, b| a + b).unwrap();
    }
    while sums.len() > 1 {
        sums =
            sums.chunks(2).map(|pair| pair.iter().copied().reduce(|a, b| a + b).unwrap()).collect();
    }
    sums[0]
}

/// The power of two that a row far from unit length is multiplied with.
fn scale<T: Element>(row: &[T], squares: f32) -> f32 {
    let range = 2.0_f32.powi(-96)..=2.0_f32.powi(96);
    let largest = row.iter().fold(0.0_f32, |most, v| most.max(v.to_f32().abs()));
    let finite = row.iter().all(|v| v.to_f32().is_finite());
    if range.contains(&squares) || largest == 0.0 || !finite {
        return 1.0;
    }
    // f64 holds the exponent of every f32, subnormal or not, as a normal number's.
    let exponent = f64::from(largest).log2().floor().clamp(-126.0, 126.0) as i32;
    2.0_f32.powi(-exponent)
}

fn expected<T: Element>(score: Score, rows: &[Vec<T>]) -> Terms {
    let term = |row: &Vec<T>| {
        let plain = squares(row, 1.0);
        let cosine = matches!(score, Score::Cosine | Score::PerturbedCosine { .. });
        let scale = if cosine { scale(row, plain) } else { 1.0 };
        let norm = squares(row, scale).sqrt();
        let term = match score {
            Score::Linear => 0.0,
            Score::Laplace => plain,
            Score::Cosine if norm < 1e-12 * scale => 1e-12 * scale,
            Score::Cosine => norm,
            Score::PerturbedCosine { tau_expert, .. } => norm + tau_expert * scale,
            _ => panic!("a score without a term here: {score:?}"),
        };
        (term, scale)
    };
    rows.iter().map(term).unzip()
}

fn bits((terms, scales): &Terms) -> Vec<(u32, u32)> {
    let bits = |v: f32| if v.is_nan() { u32::MAX } else { v.to_bits() };
    terms.iter().zip(scales).map(|(&t, &s)| (bits(t), bits(s))).collect()
}

/// The three agree.
#[track_caller]
fn check<T: Element>(cuda: &Cuda, score: Score, rows: &[Vec<T>])
where
    for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
    for<'a> FloatMatrixRef<'a, CudaSpace>: From<MatrixRef<'a, T, CudaSpace>>,
{
    let expected = bits(&expected(score, rows));
    let case = format!("{score:?}, {}, [{}, {}]", T::DTYPE, rows.len(), rows[0].len());
    assert_eq!(bits(&on_cpu(score, rows)), expected, "cpu, {case}");
    assert_eq!(bits(&on_device(cuda, score, rows, Layout::default())), expected, "cuda, {case}");
}

fn normal<T: Element>(experts: usize, width: usize, rng: &mut Rng) -> Vec<Vec<T>> {
    let row = |rng: &mut Rng| (0..width).map(|_| T::from_f32(rng.normal())).collect();
    (0..experts).map(|_| row(rng)).collect()
}

fn every_score_dtype_and_width() {
    fn of<T: Element>(cuda: &Cuda, rng: &mut Rng)
    where
        for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
        for<'a> FloatMatrixRef<'a, CudaSpace>: From<MatrixRef<'a, T, CudaSpace>>,
    {
        for score in scores() {
            check::<T>(cuda, score, &normal(33, 7, rng));
        }
        let score = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 1e-3 };
        for width in [1, 2, 8, 127, 128, 129, 384, 1000, 1024, 1025, 2500, 4096, 7168] {
            check::<T>(cuda, score, &normal(3, width, rng));
        }
    }
    let (cuda, mut rng) = (cuda(), Rng::new(51));
    of::<f32>(&cuda, &mut rng);
    of::<f16>(&cuda, &mut rng);
    of::<bf16>(&cuda, &mut rng);
}

fn rows_far_from_unit_length() {
    fn of<T: Element>(cuda: &Cuda, magnitudes: &[f32], rng: &mut Rng)
    where
        for<'a> FloatMatrixRef<'a>: From<MatrixRef<'a, T>>,
        for<'a> FloatMatrixRef<'a, CudaSpace>: From<MatrixRef<'a, T, CudaSpace>>,
    {
        for width in [5, 300, 1500] {
            let mut rows: Vec<Vec<T>> = Vec::new();
            for &magnitude in magnitudes {
                let value = |rng: &mut Rng| T::from_f32(rng.uniform() * magnitude);
                rows.push((0..width).map(|_| value(rng)).collect());
            }
            rows.push(vec![T::from_f32(0.0); width]);
            rows.push(vec![T::from_f32(-0.0); width]);
            for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut row: Vec<T> = rows[0].clone();
                row[width / 2] = T::from_f32(special);
                rows.push(row);
            }
            for score in scores() {
                check::<T>(cuda, score, &rows);
            }
        }
    }
    let (cuda, mut rng) = (cuda(), Rng::new(52));
    let wide = [1.0, 1e20, 1e-30, 3e38, f32::MAX, 1e-38, 1e-42, 1e-45, 2e14, 1e-15];
    of::<f32>(&cuda, &wide, &mut rng);
    of::<bf16>(&cuda, &wide, &mut rng);
    // No f16 but 0 leaves the range.
    of::<f16>(&cuda, &[1.0, 65504.0, 6e-8, 1e-7], &mut rng);
}

/// Sums of squares of exactly 2^-96 and 2^96 are in range; their neighbours outside are not.
fn the_ends_of_the_range() {
    let (least, most) = (2.0_f32.powi(-48), 2.0_f32.powi(48));
    // A factor whose bits bf16 holds.
    let up = 1.0 + 2.0_f32.powi(-7);
    let values = [least, least * up, least / 2.0 * (up + 0.5), most, most * up, most / up];
    let rows: Vec<Vec<f32>> = values.iter().map(|&v| vec![0.0, -v, 0.0]).collect();
    let brain: Vec<Vec<bf16>> =
        rows.iter().map(|row| row.iter().map(|&v| bf16::from_f32(v)).collect()).collect();
    let scales = expected(Score::Cosine, &rows).1;
    assert_eq!(
        scales.iter().map(|&s| s == 1.0).collect::<Vec<_>>(),
        [true, true, false, true, false, true]
    );
    let cuda = cuda();
    check(&cuda, Score::Cosine, &rows);
    check(&cuda, Score::Cosine, &brain);
}

/// A block takes at most 128 chunks at a time.
fn rows_longer_than_a_wave_of_chunks() {
    let (cuda, mut rng) = (cuda(), Rng::new(53));
    let score = Score::PerturbedCosine { tau_token: 0.0, tau_expert: 1e-3 };
    // A wave; waves whose number has every pattern of bits when the last one comes.
    let wave = 128 * 128;
    for width in [wave, wave + 1, 2 * wave + 300, 3 * wave + 77, 4 * wave + 1] {
        check::<f32>(&cuda, score, &normal(1, width, &mut rng));
    }
    check::<bf16>(&cuda, score, &normal(1, 128 * 1024 + 1029, &mut rng));
}

fn every_alignment_has_the_same_terms() {
    fn of<T: Element>(cuda: &Cuda, rng: &mut Rng)
    where
        for<'a> FloatMatrixRef<'a, CudaSpace>: From<MatrixRef<'a, T, CudaSpace>>,
    {
        let rows: Vec<Vec<T>> = normal(4, 1037, rng);
        let expected = bits(&expected(Score::Cosine, &rows));
        for layout in [(0, 0), (1, 0), (8, 3), (16, 11), (3, 1)] {
            let layout = Layout { start: layout.0, pad: layout.1 };
            let found = on_device(cuda, Score::Cosine, &rows, layout);
            assert_eq!(bits(&found), expected, "{}, {layout:?}", T::DTYPE);
        }
    }
    let (cuda, mut rng) = (cuda(), Rng::new(54));
    of::<f32>(&cuda, &mut rng);
    of::<f16>(&cuda, &mut rng);
    of::<bf16>(&cuda, &mut rng);
}

fn terms_outlive_their_backend() {
    let cuda = cuda();
    let experts = Buffer::new(&cuda, &[3.0_f32, 4.0, 0.0, 2.0]).unwrap();
    let args = PrepareArgs { experts: experts.matrix(0, (2, 2), 2).unwrap().into() };
    let prepared = cuda.prepare(&config(Score::Cosine, 2), args).unwrap();
    drop((cuda, experts));
    assert_eq!(prepared.terms().read().unwrap(), (vec![5.0, 2.0], vec![1.0; 2]));
}

fn more_experts_than_a_grid_has_rows() {
    let (cuda, mut rng) = (cuda(), Rng::new(55));
    let rows: Vec<Vec<f32>> = (0..65_537).map(|_| vec![rng.normal()]).collect();
    check(&cuda, Score::Cosine, &rows);
}

fn a_refresh_is_a_prepare() {
    let (cuda, mut rng) = (cuda(), Rng::new(56));
    for score in scores() {
        // From rows that are scaled to rows that are not, and back.
        let first: Vec<Vec<f32>> = vec![vec![1e25; 131]; 3];
        let second: Vec<Vec<f32>> = normal(3, 131, &mut rng);
        let sets = [&first, &second, &first].map(|rows| rows.concat());
        let host = |data| MatrixRef::new(data, 3, 131).unwrap().into();
        let config = config(score, 3);
        let mut on_host =
            Cpu::new().prepare(&config, PrepareArgs { experts: host(&sets[0]) }).unwrap();
        let mut there: Vec<Buffer<f32>> =
            sets.iter().map(|data| Buffer::new(&cuda, data).unwrap()).collect();
        let experts = there[0].matrix(0, (3, 131), 131).unwrap().into();
        let mut on_device = cuda.prepare(&config, PrepareArgs { experts }).unwrap();
        for (data, buffer) in sets.iter().zip(&mut there) {
            let experts = buffer.matrix(0, (3, 131), 131).unwrap().into();
            cuda.refresh(&config, PrepareArgs { experts }, &mut on_device).unwrap();
            Cpu::new().refresh(&config, PrepareArgs { experts: host(data) }, &mut on_host).unwrap();
            let rows: Vec<Vec<f32>> = data.chunks(131).map(<[f32]>::to_vec).collect();
            let expected = bits(&on_cpu(score, &rows));
            assert_eq!(bits(&on_device.terms().read().unwrap()), expected, "{score:?}");
            let scales = (0..3).map(|e| on_host.terms().scale(e)).collect();
            let found = (on_host.terms().terms().to_vec(), scales);
            assert_eq!(bits(&found), expected, "{score:?}");
        }
    }
}

fn a_refresh_takes_what_was_prepared() {
    let cuda = cuda();
    let two = Buffer::new(&cuda, &[3.0_f32, 4.0, 0.0, 2.0]).unwrap();
    let narrow = Buffer::new(&cuda, &[bf16::ONE; 4]).unwrap();
    let cosine = config(Score::Cosine, 2);
    let args = || PrepareArgs { experts: two.matrix(0, (2, 2), 2).unwrap().into() };
    let mut prepared = cuda.prepare(&cosine, args()).unwrap();
    let mut refused = |config: &RouterConfig, args: PrepareArgs<'_, CudaSpace>, message: &str| {
        let error = cuda.refresh(config, args, &mut prepared).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(prepared.terms().read().unwrap(), (vec![5.0, 2.0], vec![1.0; 2]));
    };
    let message = "prepared.score: expected Linear, found Cosine";
    refused(&config(Score::Linear, 2), args(), message);
    let other = PrepareArgs { experts: narrow.matrix(0, (2, 2), 2).unwrap().into() };
    refused(&cosine, other, "prepared: expected dtype bf16, found f32");
    let other = PrepareArgs { experts: two.matrix(0, (2, 1), 2).unwrap().into() };
    refused(&cosine, other, "prepared: expected shape [2, 2], found [2, 1]");
    let other = PrepareArgs { experts: two.matrix(0, (4, 1), 1).unwrap().into() };
    refused(&config(Score::Cosine, 4), other, "prepared: expected shape [2, 2], found [4, 1]");
    let error = Cuda::new(0).unwrap().refresh(&cosine, args(), &mut prepared).unwrap_err();
    let message =
        "prepared: expected what belongs to this backend's stream, found another stream's";
    assert_eq!(error.to_string(), message);
    cuda.clone().refresh(&cosine, args(), &mut prepared).unwrap();
}
