//! The calls that need no router: plan, gather, combine.

use cosmoe::{
    Backend, CombineArgs, GatherArgs, MatrixMut, PlanArgs, PlanOut, PlanShape, Scalar, VectorMut,
};
use half::{bf16, f16};

use crate::backend::cosmoe_backend;
use crate::config::{self, cosmoe_plan_config};
use crate::growing::{self, Growing};
use crate::home::{Home, SpaceOf, on};
use crate::status::{Result, cosmoe_status, guard};
use crate::tensor::{self, DLTensor, Takes, Tensor};
use crate::workspace::{self, cosmoe_workspace, cosmoe_workspace_size};

/// What cosmoe_plan reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_plan_args {
    /// sizeof(cosmoe_plan_args).
    pub struct_size: usize,
    /// `[T, K]` int32, also another router's: -1 is masked; other values outside 0..E or the window are invalid.
    pub ids: *const DLTensor,
    /// `[T, K]` f32, needed where weights decide what is dropped; else NULL, or not looked at.
    pub weights: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_plan_args {
    const NAME: &'static str = "cosmoe_plan_args";
    const FIRST_SIZE: usize = 24;
}

/// What cosmoe_plan writes, int32 all, exactly as long as is said: for every assignment a = t*K + k its row of the
/// expert-major buffer, and back.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_plan_out {
    /// sizeof(cosmoe_plan_out).
    pub struct_size: usize,
    /// `[E]`: valid assignments.
    pub expert_demand: *const DLTensor,
    /// `[E]`: assignments that have a row.
    pub expert_counts: *const DLTensor,
    /// `[E + 1]`: first row of each expert's padded segment; the last entry is the row count.
    pub expert_offsets: *const DLTensor,
    /// `[T*K]`: -1 is dropped, masked or invalid.
    pub row_of_assignment: *const DLTensor,
    /// `[cosmoe_plan_max_rows]`: -1 is padding, also from the row count on.
    pub assignment_of_row: *const DLTensor,
    /// `[cosmoe_plan_max_rows / align]`, rounded down: the expert of each block of rows, -1 behind the last. NULL if
    /// not wanted, and with align 1.
    pub expert_of_block: *const DLTensor,
    /// `[2]`: assignments dropped for capacity; ids that were invalid.
    pub stats: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_plan_out {
    const NAME: &'static str = "cosmoe_plan_out";
    const FIRST_SIZE: usize = 64;
}

/// What cosmoe_gather reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_gather_args {
    /// sizeof(cosmoe_gather_args).
    pub struct_size: usize,
    /// `[T, D]`, elements of 1, 2 or 4 bytes.
    pub tokens: *const DLTensor,
    /// `[rows]` int32, one entry per grouped row; entries outside 0..T*K are padding.
    pub assignment_of_row: *const DLTensor,
    /// K: assignment a belongs to token a / K.
    pub top_k: i64,
}

// SAFETY: repr(C), struct_size first, numbers and pointers only.
unsafe impl Growing for cosmoe_gather_args {
    const NAME: &'static str = "cosmoe_gather_args";
    const FIRST_SIZE: usize = 32;
}

/// What cosmoe_combine reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct cosmoe_combine_args {
    /// sizeof(cosmoe_combine_args).
    pub struct_size: usize,
    /// `[rows, D]` f32, f16 or bf16: the experts' outputs, expert-major. Padding rows are never read.
    pub grouped: *const DLTensor,
    /// `[T*K]` int32; entries outside 0..rows are skipped.
    pub row_of_assignment: *const DLTensor,
    /// `[T, K]` f32.
    pub weights: *const DLTensor,
}

// SAFETY: repr(C), struct_size first, pointers only.
unsafe impl Growing for cosmoe_combine_args {
    const NAME: &'static str = "cosmoe_combine_args";
    const FIRST_SIZE: usize = 32;
}

/// The library's outputs of a plan.
pub(crate) struct PlanOutputs<'a, H: Home>(pub(crate) PlanOut<'a, SpaceOf<H>>);

impl<H: Home> PlanOutputs<'_, H> {
    /// # Safety
    /// Tensors that are not NULL are what they say, and nothing else uses them while this lives, on CUDA until
    /// the work submitted with it is done.
    pub(crate) unsafe fn new(out: &cosmoe_plan_out, home: &H) -> Result<Self> {
        let vector = |argument, raw| -> Result<VectorMut<'_, i32, SpaceOf<H>>> {
            // SAFETY: as the caller vouches.
            unsafe { Tensor::vector(argument, raw, Takes::I32, home)?.vector_mut() }
        };
        let blocks = out.expert_of_block;
        Ok(Self(PlanOut {
            expert_demand: vector("out.expert_demand", out.expert_demand)?,
            expert_counts: vector("out.expert_counts", out.expert_counts)?,
            expert_offsets: vector("out.expert_offsets", out.expert_offsets)?,
            row_of_assignment: vector("out.row_of_assignment", out.row_of_assignment)?,
            assignment_of_row: vector("out.assignment_of_row", out.assignment_of_row)?,
            expert_of_block: if blocks.is_null() {
                None
            } else {
                Some(vector("out.expert_of_block", blocks)?)
            },
            stats: vector("out.stats", out.stats)?,
        }))
    }
}

/// The workspace of a cosmoe_plan of `[tokens, top_k]` ids: never less for more tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_plan_workspace(
    backend: *const cosmoe_backend,
    config: *const cosmoe_plan_config,
    tokens: i64,
    top_k: i64,
    out: *mut cosmoe_workspace_size,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let home = cosmoe_backend::home(backend)?;
            let config = config::plan("config", config)?;
            let (tokens, top_k) = (config::size("tokens", tokens)?, config::size("top_k", top_k)?);
            let shape = PlanShape { tokens, top_k };
            let size = on!(home, home => home.backend().plan_workspace(&config, shape)?);
            cosmoe_workspace_size::put(out, size)
        }
    })
}

/// Assigns every kept (token, expert) pair a row of the expert-major buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_plan(
    backend: *const cosmoe_backend,
    config: *const cosmoe_plan_config,
    args: *const cosmoe_plan_args,
    out: *const cosmoe_plan_out,
    workspace: *mut cosmoe_workspace,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let home = cosmoe_backend::home(backend)?;
            let config = config::plan("config", config)?;
            let (args, out) = (growing::read("args", args)?, growing::read("out", out)?);
            on!(home, home => plan(&**home, &config, &args, &out, workspace))
        }
    })
}

/// # Safety
/// Tensors that are not NULL are what they say, and nothing else uses them during the call, on CUDA until the
/// work that it submits is done.
unsafe fn plan<H: Home>(
    home: &H,
    config: &cosmoe::PlanConfig,
    args: &cosmoe_plan_args,
    out: &cosmoe_plan_out,
    workspace: *mut cosmoe_workspace,
) -> Result<()> {
    let weights = args.weights;
    // SAFETY: as the caller vouches, here and below.
    let args = unsafe {
        PlanArgs {
            ids: Tensor::matrix("ids", args.ids, Takes::I32, home)?.matrix_ref()?,
            weights: if weights.is_null() {
                None
            } else {
                Some(Tensor::matrix("weights", weights, Takes::F32, home)?.matrix_ref()?)
            },
        }
    };
    // SAFETY: as above.
    let out = unsafe { PlanOutputs::new(out, home) }?;
    // SAFETY: as above.
    unsafe {
        workspace::lend(workspace, home, |lent| {
            home.install(|| home.backend().plan(config, args, out.0, lent))?;
            Ok(())
        })
    }
}

/// Copies each grouped row's token row; padding rows become zero. grouped is `[rows, D]` of the tokens' dtype.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_gather(
    backend: *const cosmoe_backend,
    args: *const cosmoe_gather_args,
    grouped: *const DLTensor,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let home = cosmoe_backend::home(backend)?;
            let args = growing::read("args", args)?;
            on!(home, home => {
                let tokens = Tensor::matrix("tokens", args.tokens, Takes::Bytes, &**home)?;
                let grouped = Tensor::matrix("grouped", grouped, Takes::Bytes, &**home)?;
                if grouped.dtype != tokens.dtype {
                    return Err(cosmoe::Error::DTypeMismatch {
                        argument: "grouped",
                        expected: format!("{}, the tokens'", tokens.dtype),
                        found: grouped.dtype.to_string(),
                    }
                    .into());
                }
                // Elements are moved, whatever they mean.
                match tokens.dtype.bytes() {
                    Some(1) => gather::<u8, _>(&**home, tokens, &args, grouped.matrix_mut()?),
                    Some(2) => gather::<u16, _>(&**home, tokens, &args, grouped.matrix_mut()?),
                    _ => gather::<u32, _>(&**home, tokens, &args, grouped.matrix_mut()?),
                }
            })
        }
    })
}

/// # Safety
/// As for [`plan`]; the tokens' elements are of the size of T.
unsafe fn gather<T: Scalar, H: Home>(
    home: &H,
    tokens: Tensor,
    args: &cosmoe_gather_args,
    grouped: MatrixMut<'_, T, SpaceOf<H>>,
) -> Result<()> {
    let map = args.assignment_of_row;
    // SAFETY: as the caller vouches.
    let args = unsafe {
        GatherArgs::<T, _> {
            tokens: tokens.matrix_ref()?,
            assignment_of_row: Tensor::vector("assignment_of_row", map, Takes::I32, home)?
                .vector_ref()?,
            top_k: config::size("top_k", args.top_k)?,
        }
    };
    home.install(|| home.backend().gather(args, grouped))?;
    Ok(())
}

/// Sums each token's expert outputs, weighted. out is `[T, D]` of grouped's dtype.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cosmoe_combine(
    backend: *const cosmoe_backend,
    args: *const cosmoe_combine_args,
    out: *const DLTensor,
) -> cosmoe_status {
    guard(|| {
        // SAFETY: as the interface asks of its callers.
        unsafe {
            let home = cosmoe_backend::home(backend)?;
            let args = growing::read("args", args)?;
            on!(home, home => {
                let grouped = Tensor::matrix("grouped", args.grouped, Takes::FLOAT, &**home)?;
                let out = Tensor::matrix("out", out, Takes::FLOAT, &**home)?;
                if out.dtype != grouped.dtype {
                    return Err(cosmoe::Error::DTypeMismatch {
                        argument: "out",
                        expected: format!("{}, that of grouped", grouped.dtype),
                        found: out.dtype.to_string(),
                    }
                    .into());
                }
                match grouped.dtype {
                    tensor::BF16 => combine::<bf16, _>(&**home, grouped, &args, out),
                    tensor::F16 => combine::<f16, _>(&**home, grouped, &args, out),
                    _ => combine::<f32, _>(&**home, grouped, &args, out),
                }
            })
        }
    })
}

/// # Safety
/// As for [`plan`]; elements of both tensors are of type T.
unsafe fn combine<T: cosmoe::Element, H: Home>(
    home: &H,
    grouped: Tensor,
    args: &cosmoe_combine_args,
    out: Tensor,
) -> Result<()> {
    let map = args.row_of_assignment;
    // SAFETY: as the caller vouches.
    let (args, out) = unsafe {
        let args = CombineArgs::<T, _> {
            grouped: grouped.matrix_ref()?,
            row_of_assignment: Tensor::vector("row_of_assignment", map, Takes::I32, home)?
                .vector_ref()?,
            weights: Tensor::matrix("weights", args.weights, Takes::F32, home)?.matrix_ref()?,
        };
        (args, out.matrix_mut()?)
    };
    home.install(|| home.backend().combine(args, out))?;
    Ok(())
}
