//! Structs that begin with their size, in memory of exactly that size.

use std::marker::PhantomData;
use std::ptr::null_mut;

use cosmoe_capi::{
    cosmoe_combine_args, cosmoe_gather_args, cosmoe_plan_args, cosmoe_plan_config, cosmoe_plan_out,
    cosmoe_route_args, cosmoe_route_out, cosmoe_router_config, cosmoe_router_weights,
    cosmoe_select_args, cosmoe_workspace_size,
};

use crate::{Block, Bytes};

/// A struct of the interface.
///
/// # Safety
/// `#[repr(C)]` without padding, `struct_size` first; every field is valid whatever its bits.
pub unsafe trait Growing: Copy {
    /// Its size in the first version that had it.
    const FIRST_SIZE: usize;
}

macro_rules! growing {
    ($($name:ident: $size:literal,)*) => { $(
        // SAFETY: so they are declared, numbers and pointers all.
        unsafe impl Growing for $name {
            const FIRST_SIZE: usize = $size;
        }
    )* };
}
growing! {
    cosmoe_combine_args: 32,
    cosmoe_gather_args: 32,
    cosmoe_plan_args: 24,
    cosmoe_plan_config: 64,
    cosmoe_plan_out: 64,
    cosmoe_route_args: 24,
    cosmoe_route_out: 32,
    cosmoe_router_config: 80,
    cosmoe_router_weights: 40,
    cosmoe_select_args: 24,
    cosmoe_workspace_size: 24,
}

/// Where a pointer to a struct points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    There,
    Askew,
    Nowhere,
}

/// A struct whose size and place a fuzzer chose.
#[derive(Debug)]
pub struct Struct<T> {
    block: Block,
    size: usize,
    place: Place,
    of: PhantomData<T>,
}

/// Structs beyond it are refused for their size alone, which then is all that there is.
const LARGEST: usize = 1 << 10;
const SIZE_FIELD: usize = size_of::<usize>();

impl<T: Growing> Struct<T> {
    /// Room for a struct, of any content but its size.
    pub fn room(data: &mut Bytes<'_>) -> Self {
        let place = match data.byte() {
            0xff => Place::Nowhere,
            0xfe => Place::Askew,
            _ => Place::There,
        };
        // As the header has it where the input says nothing.
        let size = match data.number() {
            near @ -128..=127 => size_of::<T>().wrapping_add_signed(near as isize),
            any => any as usize,
        };
        let bytes = if size > LARGEST { SIZE_FIELD } else { size.max(SIZE_FIELD) };
        let mut block = Block::new(&vec![0xa5; bytes]);
        block.bytes_mut()[..SIZE_FIELD].copy_from_slice(&size.to_ne_bytes());
        Self { block, size, place, of: PhantomData }
    }

    /// A struct with nothing set but its size.
    pub fn zeros(data: &mut Bytes<'_>) -> Self {
        let mut made = Self::room(data);
        made.block.bytes_mut()[SIZE_FIELD..].fill(0);
        made
    }

    /// A struct with these fields, and zeros behind those that are known.
    pub fn new(data: &mut Bytes<'_>, value: T) -> Self {
        let mut made = Self::zeros(data);
        // SAFETY: it has no padding.
        let fields =
            unsafe { std::slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) };
        for (byte, field) in made.block.bytes_mut().iter_mut().zip(fields).skip(SIZE_FIELD) {
            *byte = *field;
        }
        made
    }

    /// Changes the bits behind the size that the input names.
    pub fn change(&mut self, data: &mut Bytes<'_>) {
        for byte in &mut self.block.bytes_mut()[SIZE_FIELD..] {
            if data.is_empty() {
                break;
            }
            *byte ^= data.byte();
        }
    }

    /// What a call gets.
    #[must_use]
    pub fn pointer(&self) -> *mut T {
        match self.place {
            Place::There => self.block.start().cast(),
            Place::Askew => self.block.start().wrapping_add(1).cast(),
            Place::Nowhere => null_mut(),
        }
    }

    /// The size that it says it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.block.bytes()
    }

    /// Whether a call writes to it, or reads it if there is nothing but zeros behind the fields.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.place == Place::There && (T::FIRST_SIZE..=LARGEST).contains(&self.size)
    }

    /// What a call has to read in it; none where it has to refuse it.
    #[must_use]
    pub fn read(&self) -> Option<T> {
        let (bytes, known) = (self.block.bytes(), size_of::<T>());
        if !self.is_usable() || bytes.iter().skip(known).any(|&byte| byte != 0) {
            return None;
        }
        let mut fields = bytes.to_vec();
        fields.resize(known, 0);
        // SAFETY: so many bytes, which are valid whatever they are.
        Some(unsafe { fields.as_ptr().cast::<T>().read_unaligned() })
    }
}
