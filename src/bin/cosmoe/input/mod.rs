//! Input files: mapped, checked as a whole, read as typed tensors.

mod elements;
mod map;
mod measure;
mod npy;
mod safetensors;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use ::safetensors::Dtype;

pub(crate) use elements::{FloatRows, Floats, Tensor};
pub(crate) use measure::Measure;

use crate::error::Failure;
use map::Bytes;

/// An open file of tensors.
pub(crate) struct TensorFile {
    /// The path as messages show it.
    name: String,
    bytes: Bytes,
    content: Content,
}

enum Content {
    /// A `.npy` file's one tensor, which has no name.
    One(TensorInfo),
    Named {
        tensors: Vec<(String, TensorInfo)>,
        metadata: HashMap<String, String>,
    },
}

/// A tensor's type, shape and place in the file.
struct TensorInfo {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Range<usize>,
}

/// A tensor that a command looks for.
pub(crate) struct Wanted<'a> {
    /// Its name by default.
    pub(crate) default: &'a str,
    /// The name that an option gives instead.
    pub(crate) named: Option<&'a str>,
    /// That option.
    pub(crate) option: &'a str,
}

impl<'a> Wanted<'a> {
    /// A tensor that no option renames.
    pub(crate) fn fixed(default: &'a str) -> Self {
        Self { default, named: None, option: "" }
    }

    fn name(&self) -> &'a str {
        self.named.unwrap_or(self.default)
    }
}

/// How many near names the error of a missing tensor lists.
const NEAREST: usize = 3;

impl TensorFile {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        Self::new(Bytes::open(path, &name)?, name, npy::USED)
    }

    /// As [`open`](Self::open), also with element types that no command computes with.
    pub(crate) fn open_to_list(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        Self::new(Bytes::open(path, &name)?, name, npy::LISTED)
    }

    pub(crate) fn embedded(bytes: &'static [u8], name: &str) -> Result<Self, Failure> {
        Self::new(Bytes::Static(bytes), name.to_owned(), npy::USED)
    }

    fn new(bytes: Bytes, name: String, descrs: &npy::Descrs) -> Result<Self, Failure> {
        let content = if bytes.starts_with(npy::MAGIC) {
            Content::One(npy::parse(&bytes, &name, descrs)?)
        } else {
            let header = safetensors::parse(&bytes, &name)?;
            Content::Named { tensors: header.tensors, metadata: header.metadata }
        };
        Ok(Self { name, bytes, content })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        match &self.content {
            Content::One(_) => None,
            Content::Named { metadata, .. } => metadata.get(key).map(String::as_str),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// All tensors in file order, with their names if they have one.
    pub(crate) fn tensors(&self) -> Vec<(Option<&str>, Tensor<'_>)> {
        match &self.content {
            Content::One(info) => vec![(None, self.tensor(None, info))],
            Content::Named { tensors, .. } => {
                let named = tensors.iter().map(|(name, info)| (Some(name.as_str()), info));
                named.map(|(name, info)| (name, self.tensor(name, info))).collect()
            }
        }
    }

    /// The file's main tensor. A `.npy` file has no other.
    pub(crate) fn main(&self, wanted: &Wanted<'_>) -> Result<Tensor<'_>, Failure> {
        match &self.content {
            Content::One(info) => {
                self.named_in_npy(wanted)?;
                Ok(self.tensor(None, info))
            }
            Content::Named { .. } => self.find(wanted)?.ok_or_else(|| self.missing(wanted)),
        }
    }

    /// As [`main`](Self::main), or the only tensor, whatever its name.
    pub(crate) fn main_or_only(&self, wanted: &Wanted<'_>) -> Result<Tensor<'_>, Failure> {
        match &self.content {
            Content::Named { tensors, .. } if wanted.named.is_none() => match tensors.as_slice() {
                [(name, info)] => Ok(self.tensor(Some(name), info)),
                _ => self.main(wanted),
            },
            _ => self.main(wanted),
        }
    }

    /// A tensor that may be missing unless an option names it.
    pub(crate) fn optional(&self, wanted: &Wanted<'_>) -> Result<Option<Tensor<'_>>, Failure> {
        if let Content::One(_) = self.content {
            self.named_in_npy(wanted)?;
            return Ok(None);
        }
        match self.find(wanted)? {
            None if wanted.named.is_some() => Err(self.missing(wanted)),
            found => Ok(found),
        }
    }

    /// A tensor beside the main one that an option makes necessary: `because` is that option.
    pub(crate) fn required(
        &self,
        wanted: &Wanted<'_>,
        because: &str,
    ) -> Result<Tensor<'_>, Failure> {
        let subject = format!("{because}: {}", self.name);
        self.optional(wanted)?.ok_or_else(|| self.missing_from(subject, wanted))
    }

    fn find(&self, wanted: &Wanted<'_>) -> Result<Option<Tensor<'_>>, Failure> {
        let Content::Named { tensors, .. } = &self.content else {
            return Ok(None);
        };
        let found = tensors.iter().find(|(name, _)| name == wanted.name());
        Ok(found.map(|(name, info)| self.tensor(Some(name), info)))
    }

    fn tensor<'a>(&'a self, name: Option<&str>, info: &'a TensorInfo) -> Tensor<'a> {
        let label = match name {
            Some(name) => format!("{}: tensor \"{name}\"", self.name),
            None => self.name.clone(),
        };
        Tensor::new(label, info.dtype, &info.shape, &self.bytes[info.data.clone()])
    }

    fn named_in_npy(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        match wanted.named {
            None => Ok(()),
            Some(_) => {
                let expected = format!("a safetensors file in {}", self.name);
                Err(Failure::input(wanted.option, expected, "a .npy file, which names no tensor"))
            }
        }
    }

    fn missing(&self, wanted: &Wanted<'_>) -> Failure {
        let subject = match wanted.named {
            Some(_) => format!("{}: {}", wanted.option, self.name),
            None => self.name.clone(),
        };
        self.missing_from(subject, wanted)
    }

    fn missing_from(&self, subject: String, wanted: &Wanted<'_>) -> Failure {
        let name = wanted.name();
        let Content::Named { tensors, .. } = &self.content else {
            return Failure::input(subject, format_args!("tensor \"{name}\""), "a .npy file");
        };
        let mut near: Vec<_> = tensors
            .iter()
            .map(|(other, info)| (strsim::damerau_levenshtein(name, other), other, info))
            .collect();
        // Stable: equally near names stay in file order.
        near.sort_by_key(|&(distance, ..)| distance);
        let list: Vec<String> = near
            .iter()
            .take(NEAREST)
            .map(|(_, name, info)| format!("\"{name}\" {} {:?}", info.dtype, info.shape))
            .collect();
        let found = match tensors.len() {
            0 => "no tensors".to_owned(),
            n if n <= NEAREST => list.join(", "),
            n => format!("{n} others; nearest: {}", list.join(", ")),
        };
        let expected = match (wanted.named, wanted.option) {
            (None, option) if !option.is_empty() => format!("tensor \"{name}\", or {option} NAME"),
            _ => format!("tensor \"{name}\""),
        };
        Failure::input(subject, expected, found)
    }
}
