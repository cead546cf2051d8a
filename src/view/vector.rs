//! Contiguous vectors.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use super::space::{Host, Space};
use crate::element::Scalar;

/// A shared view of `len` contiguous elements.
pub struct VectorRef<'a, T, S: Space = Host> {
    ptr: *const T,
    len: usize,
    memory: PhantomData<(&'a [T], S)>,
}

/// An exclusive view of `len` contiguous elements.
pub struct VectorMut<'a, T, S: Space = Host> {
    ptr: *mut T,
    len: usize,
    memory: PhantomData<(&'a mut [T], S)>,
}

// SAFETY: a VectorRef is a shared borrow of T's; it may cross threads exactly when &[T] may.
unsafe impl<T: Sync, S: Space> Send for VectorRef<'_, T, S> {}
// SAFETY: as above.
unsafe impl<T: Sync, S: Space> Sync for VectorRef<'_, T, S> {}
// SAFETY: a VectorMut is an exclusive borrow of T's; it may cross threads exactly when &mut [T] may.
unsafe impl<T: Send, S: Space> Send for VectorMut<'_, T, S> {}
// SAFETY: a shared VectorMut gives out nothing but &[T].
unsafe impl<T: Sync, S: Space> Sync for VectorMut<'_, T, S> {}

impl<T, S: Space> Clone for VectorRef<'_, T, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, S: Space> Copy for VectorRef<'_, T, S> {}

impl<T, S: Space> std::fmt::Debug for VectorRef<'_, T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VectorRef<{}>[{}]", std::any::type_name::<T>(), self.len)
    }
}

impl<T, S: Space> std::fmt::Debug for VectorMut<'_, T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VectorMut<{}>[{}]", std::any::type_name::<T>(), self.len)
    }
}

impl<T: Scalar, S: Space> VectorRef<'_, T, S> {
    /// A view of memory that the type system does not know, for instance a device's.
    ///
    /// # Safety
    /// For the view's life, and on a device until the work submitted with it is done, `ptr` is
    /// aligned to `T` and points to `len` elements of memory of `S` that nothing writes (with `len` 0
    /// it is never read).
    #[must_use]
    pub const unsafe fn from_raw_parts(ptr: *const T, len: usize) -> Self {
        Self { ptr, len, memory: PhantomData }
    }

    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of the first element.
    #[must_use]
    pub const fn as_ptr(&self) -> *const T {
        self.ptr
    }
}

impl<T: Scalar, S: Space> VectorMut<'_, T, S> {
    /// A view of memory that the type system does not know, for instance a device's.
    ///
    /// # Safety
    /// For the view's life, and on a device until the work submitted with it is done, `ptr` is
    /// aligned to `T` and points to `len` elements of memory of `S` that only this view, or work
    /// submitted after it to the same stream, reads or writes (with `len` 0 it is never read).
    #[must_use]
    pub const unsafe fn from_raw_parts(ptr: *mut T, len: usize) -> Self {
        Self { ptr, len, memory: PhantomData }
    }

    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of the first element.
    #[must_use]
    pub const fn as_ptr(&self) -> *const T {
        self.ptr
    }

    /// Address of the first element.
    #[must_use]
    pub const fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr
    }

    /// A shorter exclusive borrow of the same elements.
    #[must_use]
    pub fn reborrow(&mut self) -> VectorMut<'_, T, S> {
        VectorMut { ptr: self.ptr, len: self.len, memory: PhantomData }
    }

    /// A shorter shared borrow of the same elements.
    #[must_use]
    pub const fn as_ref(&self) -> VectorRef<'_, T, S> {
        VectorRef { ptr: self.ptr, len: self.len, memory: PhantomData }
    }

    /// The first `len` elements and the others; all are the first's if there are no more.
    #[cfg(feature = "cuda")]
    pub(crate) fn split_at(self, len: usize) -> (Self, Self) {
        let len = len.min(self.len);
        let rest =
            Self { ptr: self.ptr.wrapping_add(len), len: self.len - len, memory: PhantomData };
        (Self { len, ..self }, rest)
    }

    /// No elements.
    #[cfg(feature = "cuda")]
    pub(crate) fn empty() -> Self {
        Self { ptr: std::ptr::dangling_mut(), len: 0, memory: PhantomData }
    }
}

impl<'a, T: Scalar> VectorRef<'a, T, Host> {
    /// The elements of a slice.
    #[must_use]
    pub const fn new(data: &'a [T]) -> Self {
        Self { ptr: data.as_ptr(), len: data.len(), memory: PhantomData }
    }

    /// The elements as a slice.
    #[must_use]
    pub const fn as_slice(&self) -> &'a [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the constructor's caller vouched for `len` shared, aligned elements for 'a.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl<'a, T: Scalar> VectorMut<'a, T, Host> {
    /// The elements of a slice.
    #[must_use]
    pub const fn new(data: &'a mut [T]) -> Self {
        Self { ptr: data.as_mut_ptr(), len: data.len(), memory: PhantomData }
    }

    /// The elements as a slice.
    #[must_use]
    pub const fn into_slice(self) -> &'a mut [T] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the constructor's caller vouched for `len` exclusive, aligned elements for 'a,
        // and `self` is consumed.
        unsafe { std::slice::from_raw_parts_mut(self.ptr, self.len) }
    }
}

impl<'a, T: Scalar> From<&'a [T]> for VectorRef<'a, T, Host> {
    fn from(data: &'a [T]) -> Self {
        Self::new(data)
    }
}

impl<'a, T: Scalar> From<&'a mut [T]> for VectorMut<'a, T, Host> {
    fn from(data: &'a mut [T]) -> Self {
        Self::new(data)
    }
}
