//! Every refusal: its exact words, its code, its place in the order of checks, and that nothing has
//! been written and the next valid call works.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use common::{Matrix, PlanInput, Rng, SENTINEL};
use cosmoe::{
    Backend, Capacity, CombineArgs, Cpu, DType, DropPolicy, Error, FloatMatrixRef, GatherArgs,
    MatrixMut, MatrixRef, PlanArgs, PlanConfig, PlanOut, PlanShape, PrepareArgs, Projection,
    RouteArgs, RouteOut, RouteShape, RouterConfig, Score, SelectArgs, SelectOut, SelectShape,
    SimdLevel, VectorMut, VectorRef, Workspace,
};

use plan::PlanCall;
use route::workspace;
use select::SelectCall;

const T: usize = 3;
const D: usize = 6;
const E: usize = 4;
const K: usize = 2;
const UNWRITTEN: f32 = 1.5e-19;

const INVALID: i32 = 1;
const SHAPE: i32 = 2;
const DTYPE: i32 = 3;
const STRIDE: i32 = 4;
const TOO_SMALL: i32 = 6;
const SIZE: i32 = 7;

#[track_caller]
fn assert_error(result: Result<(), Error>, code: i32, message: &str) {
    let error = result.expect_err(message);
    assert_eq!(error.to_string(), message);
    assert_eq!(error.code(), code, "{error:?}");
}

fn zeros(dtype: DType, rows: usize, cols: usize) -> Matrix {
    let mut rng = Rng::new(1);
    Matrix::new(dtype, (rows, cols), 0, |_, _| rng.normal())
}

mod overlap;
mod plan;
mod route;
mod rows;
mod select;
mod types;
