//! temp
use cosmoe::*;
use std::time::Instant;
fn main() {
    let (t,e,k)=(4096usize,256usize,8usize);
    let mut s = 1u64;
    let mut rnd = move || { s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); ((s >> 40) as f32 / (1u64<<24) as f32)*8.0 - 4.0 };
    let x: Vec<f32> = (0..t*e).map(|_| rnd()).collect();
    let b: Vec<f32> = (0..e).map(|_| rnd()).collect();
    let cpu = Cpu::new().with_tasks(1);
    for (name, gate) in [("ss",Gate::SoftmaxSelected),("sa",Gate::SoftmaxAll{renormalize:false}),("sg",Gate::Sigmoid{renormalize:true}),("sp",Gate::SqrtSoftplus{renormalize:true}),("id",Gate::Identity)] {
        for pl in [BiasPlacement::InScore, BiasPlacement::SelectionOnly] {
          for g in [false,true] {
            let mut c = RouterConfig::builder(e,k).gate(gate).bias_placement(pl);
            if g { c = c.groups(8,4,GroupScore::SumOfTopTwo); }
            let c = c.build().unwrap();
            let size = cpu.select_workspace(&c, SelectShape{tokens:t,dtype:DType::F32}).unwrap();
            let mut ws = HostWorkspace::new();
            let mut ids = vec![0i32;t*k]; let mut wt = vec![0f32;t*k];
            let mut best=f64::MAX;
            for _ in 0..15 { let s=Instant::now();
              cpu.select(&c, SelectArgs{logits: MatrixRef::new(&x,t,e).unwrap().into(), bias: Some(VectorRef::new(&b)), num_tokens:None}, SelectOut{ids:MatrixMut::new(&mut ids,t,k).unwrap(),weights:MatrixMut::new(&mut wt,t,k).unwrap()}, ws.lend(size)).unwrap();
              best=best.min(s.elapsed().as_secs_f64()); }
            println!("{name} {pl:?} groups={g}: {:.2} ms, {:.0} ns/token", best*1e3, best*1e9/t as f64);
          }
        }
    }
}
