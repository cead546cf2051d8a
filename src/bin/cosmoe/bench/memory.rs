//! Memory of a backend, for operands that are made once and stay.

use cosmoe::{
    Backend, Cpu, Element, FloatMatrixRef, MatrixMut, MatrixRef, Result, Scalar, Space, VectorMut,
    VectorRef, Workspace, WorkspaceSize,
};
use half::{bf16, f16};

/// A backend with buffers.
pub(super) trait Memory: Backend {
    type Buffer<T: Scalar>;

    fn store<T: Scalar>(&self, data: Vec<T>) -> Result<Self::Buffer<T>>;

    fn vector<T: Scalar>(buffer: &Self::Buffer<T>) -> Result<VectorRef<'_, T, Self::Space>>;

    fn vector_mut<T: Scalar>(buffer: &mut Self::Buffer<T>)
    -> Result<VectorMut<'_, T, Self::Space>>;

    /// All elements as rows of `shape.1`.
    fn matrix<T: Scalar>(
        buffer: &Self::Buffer<T>,
        shape: (usize, usize),
    ) -> Result<MatrixRef<'_, T, Self::Space>>;

    fn matrix_mut<T: Scalar>(
        buffer: &mut Self::Buffer<T>,
        shape: (usize, usize),
    ) -> Result<MatrixMut<'_, T, Self::Space>>;
}

impl Memory for Cpu {
    type Buffer<T: Scalar> = Vec<T>;

    fn store<T: Scalar>(&self, data: Vec<T>) -> Result<Vec<T>> {
        Ok(data)
    }

    fn vector<T: Scalar>(buffer: &Vec<T>) -> Result<VectorRef<'_, T>> {
        Ok(VectorRef::new(buffer))
    }

    fn vector_mut<T: Scalar>(buffer: &mut Vec<T>) -> Result<VectorMut<'_, T>> {
        Ok(VectorMut::new(buffer))
    }

    fn matrix<T: Scalar>(buffer: &Vec<T>, shape: (usize, usize)) -> Result<MatrixRef<'_, T>> {
        MatrixRef::new(buffer, shape.0, shape.1)
    }

    fn matrix_mut<T: Scalar>(
        buffer: &mut Vec<T>,
        shape: (usize, usize),
    ) -> Result<MatrixMut<'_, T>> {
        MatrixMut::new(buffer, shape.0, shape.1)
    }
}

#[cfg(feature = "cuda")]
impl Memory for cosmoe::cuda::Cuda {
    type Buffer<T: Scalar> = cosmoe::cuda::Buffer<T>;

    fn store<T: Scalar>(&self, data: Vec<T>) -> Result<Self::Buffer<T>> {
        cosmoe::cuda::Buffer::new(self, &data)
    }

    fn vector<T: Scalar>(buffer: &Self::Buffer<T>) -> Result<VectorRef<'_, T, Self::Space>> {
        buffer.vector(0..buffer.len())
    }

    fn vector_mut<T: Scalar>(
        buffer: &mut Self::Buffer<T>,
    ) -> Result<VectorMut<'_, T, Self::Space>> {
        let range = 0..buffer.len();
        buffer.vector_mut(range)
    }

    fn matrix<T: Scalar>(
        buffer: &Self::Buffer<T>,
        shape: (usize, usize),
    ) -> Result<MatrixRef<'_, T, Self::Space>> {
        buffer.matrix(0, shape, shape.1)
    }

    fn matrix_mut<T: Scalar>(
        buffer: &mut Self::Buffer<T>,
        shape: (usize, usize),
    ) -> Result<MatrixMut<'_, T, Self::Space>> {
        buffer.matrix_mut(0, shape, shape.1)
    }
}

/// An element type whose matrices may be tokens, experts and logits.
pub(super) trait Float: Element {
    fn untyped<S: Space>(view: MatrixRef<'_, Self, S>) -> FloatMatrixRef<'_, S>;
}

macro_rules! floats {
    ($($element:ty),*) => { $(impl Float for $element {
        fn untyped<S: Space>(view: MatrixRef<'_, Self, S>) -> FloatMatrixRef<'_, S> {
            view.into()
        }
    })* };
}
floats!(f32, f16, bf16);

/// The workspace that a call asks for, taken once.
pub(super) struct Lent<B: Memory> {
    scratch: B::Buffer<u8>,
    state: B::Buffer<u8>,
}

impl<B: Memory> Lent<B> {
    pub(super) fn new(backend: &B, size: WorkspaceSize) -> Result<Self> {
        let scratch = backend.store(vec![0; size.scratch])?;
        Ok(Self { scratch, state: backend.store(vec![0; size.state])? })
    }

    pub(super) fn workspace(&mut self) -> Result<Workspace<'_, B::Space>> {
        let scratch = B::vector_mut(&mut self.scratch)?;
        Ok(Workspace { scratch, state: B::vector_mut(&mut self.state)? })
    }
}
