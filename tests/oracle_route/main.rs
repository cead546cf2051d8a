//! `route` on the CPU against the f64 oracle.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use common::route_cases;
use cosmoe::Cpu;

#[test]
fn a_covering_sample_agrees_with_the_oracle() {
    route_cases::a_covering_sample_agrees_with_the_oracle(&Cpu::new(), 0..400);
}

/// Every score at every width with every pair of dtypes, few tokens and experts.
#[test]
fn every_score_at_every_width_agrees_with_the_oracle() {
    let widths = [1, 3, 4, 127, 128, 129, 1000, 1024, 1025, 2100, 16384];
    route_cases::every_score_at_every_width_agrees_with_the_oracle(&Cpu::new(), &widths);
}

#[test]
fn the_cosine_family_keeps_its_bound_at_extreme_magnitudes() {
    let (widths, tokens) = ([1, 4, 129, 1500], [16, 53]);
    route_cases::the_cosine_family_keeps_its_bound_at_extreme_magnitudes(
        &Cpu::new(),
        &widths,
        &tokens,
    );
}

#[test]
fn the_cosine_family_keeps_its_bound_for_extreme_f16_rows() {
    route_cases::the_cosine_family_keeps_its_bound_for_extreme_f16_rows(&Cpu::new());
}

#[test]
fn the_cosine_family_keeps_its_bound_behind_a_projection() {
    route_cases::the_cosine_family_keeps_its_bound_behind_a_projection(&Cpu::new());
}

#[test]
fn linear_and_laplace_may_overflow_but_weights_stay_finite() {
    route_cases::linear_and_laplace_may_overflow_but_weights_stay_finite(&Cpu::new());
}

#[test]
fn nan_and_infinite_elements_spoil_only_the_scores_they_enter() {
    route_cases::nan_and_infinite_elements_spoil_only_the_scores_they_enter(&Cpu::new());
}

#[test]
fn zero_rows_score_zero_in_the_cosine_family() {
    route_cases::zero_rows_score_zero_in_the_cosine_family(&Cpu::new());
}

#[test]
fn equal_experts_rank_by_index() {
    route_cases::equal_experts_rank_by_index(&Cpu::new());
}

#[test]
fn no_tokens_is_valid() {
    route_cases::no_tokens_is_valid(&Cpu::new());
}
