//! temp
use cosmoe::*;
use std::time::Instant;
fn bench(t: usize, d: usize, e: usize, k: usize, bf: bool, simd: Option<SimdLevel>) {
    let mut s = 1u64;
    let mut rnd = move || { s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); ((s >> 40) as f32 / (1u64<<24) as f32) - 0.5 };
    let x: Vec<f32> = (0..t*d).map(|_| rnd()).collect();
    let w: Vec<f32> = (0..e*d).map(|_| rnd()).collect();
    let xb: Vec<half::bf16> = x.iter().map(|&v| half::bf16::from_f32(v)).collect();
    let wb: Vec<half::bf16> = w.iter().map(|&v| half::bf16::from_f32(v)).collect();
    let mut cpu = Cpu::new();
    if let Some(s) = simd { cpu = cpu.with_simd(s).unwrap(); }
    let c = RouterConfig::builder(e,k).build().unwrap();
    let (tx, te): (FloatMatrixRef, FloatMatrixRef) = if bf { (MatrixRef::new(&xb,t,d).unwrap().into(), MatrixRef::new(&wb,e,d).unwrap().into()) } else { (MatrixRef::new(&x,t,d).unwrap().into(), MatrixRef::new(&w,e,d).unwrap().into()) };
    let p = cpu.prepare(&c, PrepareArgs{experts: te}).unwrap();
    let shape = RouteShape{tokens:t,hidden:d,projected:None,token_dtype:tx.dtype(),expert_dtype:te.dtype()};
    let size = cpu.route_workspace(&c, shape).unwrap();
    let mut ws = HostWorkspace::new();
    let mut ids = vec![0i32;t*k]; let mut wt = vec![0f32;t*k];
    let mut best = f64::MAX;
    let mut times=vec![];
    for _ in 0..(if t==1 {2000} else {30}) {
        let s = Instant::now();
        cpu.route(&c,&p,RouteArgs{tokens:tx,experts:te,bias:None,projection:None,num_tokens:None},RouteOut{ids:MatrixMut::new(&mut ids,t,k).unwrap(),weights:MatrixMut::new(&mut wt,t,k).unwrap(),scores:None},ws.lend(size)).unwrap();
        let el = s.elapsed().as_secs_f64(); best = best.min(el); times.push(el);
    }
    times.sort_by(f64::total_cmp);
    println!("T{t} D{d} E{e} K{k} bf16={bf} {:?}: best {:.3} ms median {:.3} ms  {:.1} GF  ws {} KiB", cpu.simd(), best*1e3, times[times.len()/2]*1e3, 2.0*(t*d*e) as f64/best/1e9, size.scratch/1024);
}
fn main() {
    if let Some(a) = std::env::args().nth(1) { match a.as_str() { "a" => for _ in 0..3 {bench(4096,4096,64,2,false,None)}, "b" => for _ in 0..3 { bench(4096,4096,256,8,false,None)}, _ => bench(16384,2048,64,6,false,None) } return; }
    for bf in [false,true] {
        bench(4096,4096,64,2,bf,None); bench(4096,4096,256,8,bf,None); bench(16384,2048,64,6,bf,None);
        bench(1,4096,64,2,bf,None); bench(1,4096,256,8,bf,None);
    }
    bench(4096,4096,64,2,false,Some(SimdLevel::Avx2));
}
