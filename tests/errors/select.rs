//! What select refuses.

use super::*;

pub(super) struct SelectCall {
    pub(super) logits: Matrix,
    pub(super) bias: Vec<f32>,
    pub(super) num_tokens: Vec<u32>,
    pub(super) ids: (usize, usize),
    pub(super) weights: (usize, usize),
    pub(super) missing: usize,
}

impl SelectCall {
    pub(super) fn new() -> Self {
        Self {
            logits: zeros(DType::BF16, T, E),
            bias: vec![0.0; E],
            num_tokens: vec![2],
            ids: (T, K),
            weights: (T, K),
            missing: 0,
        }
    }

    pub(super) fn scratch(&self) -> usize {
        let config = RouterConfig::builder(E, K).build().unwrap();
        let shape = SelectShape { tokens: self.logits.rows, dtype: self.logits.dtype() };
        Cpu::new().select_workspace(&config, shape).unwrap().scratch
    }

    pub(super) fn run(&self) -> Result<(), Error> {
        let config = RouterConfig::builder(E, K).build().unwrap();
        let mut ids = vec![SENTINEL; self.ids.0 * self.ids.1];
        let mut weights = vec![UNWRITTEN; self.weights.0 * self.weights.1];
        let mut scratch = vec![0; self.scratch().saturating_sub(self.missing)];
        let args = SelectArgs {
            logits: self.logits.view(),
            bias: Some(VectorRef::new(&self.bias)),
            num_tokens: Some(VectorRef::new(&self.num_tokens)),
        };
        let out = SelectOut {
            ids: MatrixMut::new(&mut ids, self.ids.0, self.ids.1).unwrap(),
            weights: MatrixMut::new(&mut weights, self.weights.0, self.weights.1).unwrap(),
        };
        let result = Cpu::new().select(&config, args, out, workspace(&mut scratch));
        let written =
            ids.iter().any(|&id| id != SENTINEL) || weights.iter().any(|&w| w != UNWRITTEN);
        assert_eq!(written, result.is_ok());
        result
    }
}

#[test]
fn select_checks_its_shapes() {
    let error = |change: &dyn Fn(&mut SelectCall), message| {
        let mut call = SelectCall::new();
        call.missing = usize::MAX;
        change(&mut call);
        assert_error(call.run(), SHAPE, message);
        SelectCall::new().run().unwrap();
    };
    error(
        &|c| c.logits = zeros(DType::F16, T, E + 1),
        "logits: expected shape [3, 4], found [3, 5]",
    );
    error(&|c| c.bias.clear(), "bias: expected shape [4], found [0]");
    error(&|c| c.num_tokens.push(1), "num_tokens: expected shape [1], found [2]");
    error(&|c| c.ids.0 = 2, "out.ids: expected shape [3, 2], found [2, 2]");
    error(&|c| c.weights.1 = 1, "out.weights: expected shape [3, 2], found [3, 1]");
}
