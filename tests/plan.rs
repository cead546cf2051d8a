//! `plan`, `gather` and `combine` against their oracles, which are exact.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PlanInput, PlanRunner, Planned, plan_cases, row_cases};
use cosmoe::{Cpu, PlanConfig};

#[test]
fn plans_are_the_oracles() {
    plan_cases::plans_are_the_oracles(&Cpu::new(), 4000);
}

#[test]
fn a_plan_by_hand() {
    plan_cases::a_plan_by_hand(&Cpu::new());
}

#[test]
fn large_plans_with_every_feature() {
    plan_cases::large_plans_with_every_feature(&Cpu::new());
}

#[test]
fn ends_of_the_range() {
    plan_cases::ends_of_the_range(&Cpu::new());
}

#[test]
fn dropping_by_weight_follows_the_total_order() {
    plan_cases::dropping_by_weight_follows_the_total_order(&Cpu::new());
}

#[test]
fn the_capacity_factor_counts_all_rows() {
    plan_cases::the_capacity_factor_counts_all_rows(&Cpu::new());
}

/// The same plans from another pool and another number of tasks.
struct OtherPool(rayon::ThreadPool);

impl PlanRunner for OtherPool {
    fn run_plan(&self, config: &PlanConfig, input: &PlanInput) -> Planned {
        self.0.install(|| Cpu::new().with_tasks(7).run_plan(config, input))
    }
}

#[test]
fn threads_and_tasks_do_not_change_a_plan() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    plan_cases::large_plans_with_every_feature(&OtherPool(pool));
}

// ---------------------------------------------------------------- gather and combine

#[test]
fn gather_copies_every_element_type_and_zeroes_padding() {
    row_cases::gather_copies_every_element_type_and_zeroes_padding(&Cpu::new());
}

#[test]
fn gather_moves_bits() {
    row_cases::gather_moves_bits(&Cpu::new());
}

#[test]
fn combine_is_the_defined_chain() {
    row_cases::combine_is_the_defined_chain(&Cpu::new());
}

#[test]
fn combine_skips_weight_zero_and_never_reads_padding() {
    row_cases::combine_skips_weight_zero_and_never_reads_padding(&Cpu::new());
}

#[test]
fn combine_rounds_once() {
    row_cases::combine_rounds_once(&Cpu::new());
}

#[test]
fn combine_uses_fused_multiply_add() {
    row_cases::combine_uses_fused_multiply_add(&Cpu::new());
}

#[test]
fn combine_rounds_as_the_types_do() {
    row_cases::combine_rounds_as_the_types_do(&Cpu::new());
}
