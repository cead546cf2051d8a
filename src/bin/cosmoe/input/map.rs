//! Files as memory.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::error::Failure;

/// The bytes of a file, or bytes that the program holds.
pub(crate) enum Bytes {
    Mapped(Mmap),
    Static(&'static [u8]),
}

impl Bytes {
    pub(super) fn open(path: &Path, name: &str) -> Result<Self, Failure> {
        let refuse = |error| Failure::system(name, "a readable file", &error);
        // Asked before opening: to open a pipe would wait for its writer.
        let metadata = fs::metadata(path).map_err(refuse)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a directory" } else { "a device or pipe" };
            return Err(Failure::input(name, "a regular file", found));
        }
        let file = File::open(path).map_err(refuse)?;
        // SAFETY: the mapping is private and only read. As with every program that maps files, its
        // user must leave them alone meanwhile: numbers may change (every bit pattern is valid), a
        // header that changes while it is parsed, or a file cut short, is beyond what can be
        // checked here.
        let map = unsafe { Mmap::map(&file) }.map_err(refuse)?;
        Ok(Self::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}
