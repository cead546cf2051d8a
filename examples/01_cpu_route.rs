//! Routes tokens on the CPU: the two best of four experts for each of two tokens.
//!
//! `cargo run --release --example 01_cpu_route`

use cosmoe::{MatrixRef, Router, RouterConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let experts = [1.0_f32, 0.0, 0.0, 2.0, -1.0, 1.0, 0.6, 0.8]; // [4 experts, 2]
    let tokens = [3.0_f32, 4.0, -1.0, 0.5]; // [2 tokens, 2]
    let config = RouterConfig::builder(4, 2).build()?; // perturbed cosine, softmax over the two
    let mut router = Router::new(config, MatrixRef::new(&experts, 4, 2)?)?;
    let routing = router.route(MatrixRef::new(&tokens, 2, 2)?)?;
    for (ids, weights) in routing.ids().chunks(2).zip(routing.weights().chunks(2)) {
        println!("experts {ids:?} with weights {weights:.3?}");
    }
    // The first token is five times expert 3; the second is nearest to expert 2.
    assert_eq!(routing.ids(), [3, 1, 2, 1]);
    Ok(())
}
