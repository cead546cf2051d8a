//! The output file: safetensors, unseen until it is whole. Data goes first, the header comes last.

mod unseen;

use std::path::Path;

use bytemuck::NoUninit;

pub(crate) use unseen::{SealedFile, UnseenFile};

use crate::error::Failure;

/// Bytes in front of the data: length, header, spaces. The longest header of this program's
/// tensors takes half of it.
const RESERVED: usize = 2048;

/// A safetensors file in the making.
pub(crate) struct OutFile {
    file: UnseenFile,
    entries: Vec<Entry>,
    /// Where the next tensor starts, from the start of the data.
    end: u64,
}

struct Entry {
    name: &'static str,
    dtype: &'static str,
    shape: Vec<usize>,
    start: u64,
}

/// Element types of output tensors.
pub(crate) trait OutElement: NoUninit {
    const DTYPE: &'static str;
}

impl OutElement for f32 {
    const DTYPE: &'static str = "F32";
}

impl OutElement for i32 {
    const DTYPE: &'static str = "I32";
}

impl OutFile {
    /// Checks the target and makes the temporary; the target itself stays as it is.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let mut file = UnseenFile::create("--out", path)?;
        file.seek(RESERVED as u64)?;
        Ok(Self { file, entries: Vec::new(), end: 0 })
    }

    pub(crate) fn tensor<T: OutElement>(
        &mut self,
        name: &'static str,
        shape: &[usize],
        data: &[T],
    ) -> Result<(), Failure> {
        self.begin::<T>(name, shape);
        self.append(data)
    }

    /// Starts a tensor whose data comes in pieces.
    pub(crate) fn begin<T: OutElement>(&mut self, name: &'static str, shape: &[usize]) {
        let shape = shape.to_vec();
        self.entries.push(Entry { name, dtype: T::DTYPE, shape, start: self.end });
    }

    pub(crate) fn append<T: OutElement>(&mut self, data: &[T]) -> Result<(), Failure> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        self.file.write(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes the header: the file is whole, and still unseen.
    pub(crate) fn seal(mut self) -> Result<SealedFile, Failure> {
        let header = self.header();
        self.file.seek(0)?;
        self.file.write(&header)?;
        self.file.seal()
    }

    /// The reserved bytes. The format allows spaces behind the header.
    fn header(&self) -> Vec<u8> {
        let ends = self.entries.iter().skip(1).map(|next| next.start).chain([self.end]);
        let tensors: Vec<String> = self
            .entries
            .iter()
            .zip(ends)
            .map(|(entry, end)| {
                let Entry { name, dtype, shape, start } = entry;
                format!(
                    r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
                )
            })
            .collect();
        let len = RESERVED - size_of::<u64>();
        let mut bytes = (len as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(format!("{{{}}}", tensors.join(",")).as_bytes());
        debug_assert!(bytes.len() <= RESERVED, "the header outgrew its place");
        bytes.resize(RESERVED, b' ');
        bytes
    }
}
