//! Rows to experts and back: of every element size, and whatever their strides.

use cosmoe::{Backend, Cpu, MatrixMut, MatrixRef, Plan, PlanConfig, VectorRef};
use cosmoe_capi::*;
use half::bf16;

use crate::calls::{BF16, Device, F32, I32, Tensor, numbers, ok};
use crate::laid::{Laid, bytes};

const T: usize = 23;
const D: usize = 40;
const E: usize = 12;
const K: usize = 3;
const ALIGN: usize = 4;

/// Rows of every element size move, and bf16 rows are summed, as by the Rust API.
#[test]
fn gather_and_combine_of_every_type() {
    for device in Device::all() {
        let backend = device.backend();
        let ids: Vec<i32> = (0..T * K).map(|a| (a * 7 % E) as i32).collect();
        let weights = numbers(T * K, 4);
        let plan = PlanConfig::builder(E).align(ALIGN).build().unwrap();
        let plan = Plan::new(&plan, MatrixRef::new(&ids, T, K).unwrap(), None).unwrap();
        let rows = plan.rows();
        let map = Tensor::with(&device, I32, &[rows as i64], plan.assignment_of_row());
        let fp8 = DLDataType { code: 10, bits: 8, lanes: 1 };
        let values: Vec<bf16> = numbers(T * D, 5).into_iter().map(bf16::from_f32).collect();
        let in_bytes = bytes(&values);
        let mut grouped_bf16 = Vec::new();
        for (dtype, element) in [(fp8, 1), (BF16, 2), (F32, 4)] {
            let cols = D * 2 / element;
            let tokens = Laid::new(&device, dtype, T, cols, &in_bytes);
            let grouped = Laid::new(&device, dtype, rows, cols, &[]);
            let args = cosmoe_gather_args {
                struct_size: size_of::<cosmoe_gather_args>(),
                tokens: tokens.tensor.raw(),
                assignment_of_row: map.raw(),
                top_k: K as i64,
            };
            // SAFETY: the struct has its size, tensors are what they say.
            unsafe {
                ok(cosmoe_gather(backend, &raw const args, grouped.tensor.raw()));
                ok(cosmoe_backend_synchronize(backend));
            }
            let expected = plan.gather(MatrixRef::new(&in_bytes, T, D * 2).unwrap()).unwrap();
            assert!(grouped.read() == expected, "{element} bytes");
            grouped_bf16 = expected;
        }
        let grouped = Laid::new(&device, BF16, rows, D, &grouped_bf16);
        let out = Laid::new(&device, BF16, T, D, &[]);
        let factors = Laid::new(&device, F32, T, K, &bytes(&weights));
        let map = Tensor::with(&device, I32, &[(T * K) as i64], plan.row_of_assignment());
        let args = cosmoe_combine_args {
            struct_size: size_of::<cosmoe_combine_args>(),
            grouped: grouped.tensor.raw(),
            row_of_assignment: map.raw(),
            weights: factors.tensor.raw(),
        };
        // SAFETY: the struct has its size, tensors are what they say, the handle is alive.
        unsafe {
            ok(cosmoe_combine(backend, &raw const args, out.tensor.raw()));
            ok(cosmoe_backend_synchronize(backend));
            ok(cosmoe_backend_free(backend));
        }
        let there: Vec<bf16> = grouped_bf16
            .chunks_exact(2)
            .map(|pair| bf16::from_ne_bytes([pair[0], pair[1]]))
            .collect();
        let mut expected = vec![bf16::ZERO; T * D];
        let args = cosmoe::CombineArgs {
            grouped: MatrixRef::new(&there, rows, D).unwrap(),
            row_of_assignment: VectorRef::new(plan.row_of_assignment()),
            weights: MatrixRef::new(&weights, T, K).unwrap(),
        };
        Cpu::new().combine(args, MatrixMut::new(&mut expected, T, D).unwrap()).unwrap();
        assert!(out.read() == bytes(&expected));
    }
}

/// Strides of a dimension with one index say nothing, and no strides are rows without gaps.
#[test]
fn strides_that_do_not_matter() {
    let device = Device::Cpu;
    let backend = device.backend();
    let gather = |rows: i64, cols: i64, strides: Option<[i64; 2]>| {
        let count = (rows * cols) as usize;
        let mut tokens = Tensor::with(&device, F32, &[rows, cols], &numbers(count, 1));
        if let Some(strides) = strides {
            tokens.restride(&strides);
        }
        let map: Vec<i32> = (0..rows as i32).collect();
        let map = Tensor::with(&device, I32, &[rows], &map);
        let grouped = Tensor::new(&device, F32, &[rows, cols]);
        let args = cosmoe_gather_args {
            struct_size: size_of::<cosmoe_gather_args>(),
            tokens: tokens.raw(),
            assignment_of_row: map.raw(),
            top_k: 1,
        };
        // SAFETY: the struct has its size; tensors' strides stay inside their memory.
        ok(unsafe { cosmoe_gather(backend, &raw const args, grouped.raw()) });
        assert!(grouped.read() == tokens.read());
    };
    gather(3, 4, None);
    gather(3, 4, Some([4, 1]));
    gather(1, 4, Some([-9, 1]));
    gather(1, 4, Some([i64::MAX, 1]));
    gather(3, 1, Some([1, i64::MIN]));
    gather(0, 4, Some([0, 0]));
    gather(3, 0, Some([-1, -1]));
    // SAFETY: nothing uses it after this.
    ok(unsafe { cosmoe_backend_free(backend) });
}
