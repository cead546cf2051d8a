//! A plan with everything but the call itself made beforehand.

use cosmoe::{
    Backend, Host, HostWorkspace, MatrixRef, PlanArgs, PlanConfig, PlanOut, PlanShape, Result,
    VectorMut, WorkspaceSize, stats,
};

/// A plan without padding or capacity for `[tokens, top_k]` ids.
pub(crate) struct Planner<'a, B> {
    backend: &'a B,
    config: PlanConfig,
    shape: PlanShape,
    workspace: HostWorkspace,
    size: WorkspaceSize,
    expert_demand: Vec<i32>,
    expert_counts: Vec<i32>,
    expert_offsets: Vec<i32>,
    row_of_assignment: Vec<i32>,
    assignment_of_row: Vec<i32>,
    stats: [i32; stats::LEN],
}

impl<'a, B: Backend<Space = Host>> Planner<'a, B> {
    pub(crate) fn new(backend: &'a B, experts: usize, tokens: usize, top_k: usize) -> Result<Self> {
        let config = PlanConfig::builder(experts).build()?;
        let shape = PlanShape { tokens, top_k };
        let size = backend.plan_workspace(&config, shape)?;
        let mut workspace = HostWorkspace::new();
        workspace.lend(size);
        let rows = config.max_rows(tokens, top_k)?;
        Ok(Self {
            backend,
            config,
            shape,
            workspace,
            size,
            expert_demand: vec![0; experts],
            expert_counts: vec![0; experts],
            expert_offsets: vec![0; experts + 1],
            row_of_assignment: vec![0; tokens * top_k],
            assignment_of_row: vec![0; rows],
            stats: [0; stats::LEN],
        })
    }

    pub(crate) fn plan(&mut self, ids: &[i32]) -> Result<()> {
        let ids = MatrixRef::new(ids, self.shape.tokens, self.shape.top_k)?;
        let out = PlanOut {
            expert_demand: VectorMut::new(&mut self.expert_demand),
            expert_counts: VectorMut::new(&mut self.expert_counts),
            expert_offsets: VectorMut::new(&mut self.expert_offsets),
            row_of_assignment: VectorMut::new(&mut self.row_of_assignment),
            assignment_of_row: VectorMut::new(&mut self.assignment_of_row),
            expert_of_block: None,
            stats: VectorMut::new(&mut self.stats),
        };
        let workspace = self.workspace.lend(self.size);
        self.backend.plan(&self.config, PlanArgs { ids, weights: None }, out, workspace)
    }

    /// `expert_counts`, `row_of_assignment` and `assignment_of_row` of the last plan.
    pub(crate) fn results(&self) -> (&[i32], &[i32], &[i32]) {
        (&self.expert_counts, &self.row_of_assignment, &self.assignment_of_row)
    }
}
