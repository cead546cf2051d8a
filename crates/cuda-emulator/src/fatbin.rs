//! Fatbins: the container in which nvcc ships one kernel file compiled for several devices.
//!
//! NVIDIA documents neither header nor entries; the fields read here are those that all files of
//! CUDA 12 and 13 agree on, and what is not understood is refused. Sixteen bytes of header, then
//! entries, each a header of its own length and a payload padded to eight bytes.

use std::io::Read;

/// Length of the header of a fatbin, which is all that [`total_size`] needs.
pub const HEADER: usize = 16;

const MAGIC: u32 = 0xBA55_ED50;
/// First bytes of an ELF file, such as a cubin.
const ELF: &[u8] = b"\x7FELF";

/// Smallest header of an entry; options and names may follow it.
const ENTRY: usize = 64;

/// Flags of an entry.
const FLAG_LZ4: u64 = 1 << 13;
const FLAG_ZSTD: u64 = 1 << 15;
const FLAG_ONLY_THIS: u64 = 1 << 20;
const FLAG_ONLY_FAMILY: u64 = 1 << 21;

/// What sort of code an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text for the driver to compile.
    Ptx,
    /// Machine code for one architecture.
    Elf,
    /// An intermediate form, by its number in the file.
    Other(u16),
}

/// Which devices besides those of its own capability an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// PTX: all that are newer. Machine code: those of the same major capability.
    Upward,
    /// The same family (`compute_100f`).
    Family,
    /// None (`compute_90a`).
    Only,
}

/// One entry of a fatbin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its sort.
    pub kind: Kind,
    /// Compute capability it was compiled for, `(8, 0)`.
    pub capability: (u32, u32),
    /// Whether newer devices may run it too.
    pub reach: Reach,
    /// PTX text without padding, decompressed; empty for other sorts, which nobody reads.
    pub bytes: Vec<u8>,
}

/// Length of a whole fatbin, of which at least the first [`HEADER`] bytes are given.
pub fn total_size(header: &[u8]) -> Result<usize, String> {
    let magic = u32_at(header, 0)?;
    if magic != MAGIC {
        return Err(format!("not a fatbin: begins with {magic:#010x} instead of {MAGIC:#010x}"));
    }
    let (version, length) = (u16_at(header, 4)?, u16_at(header, 6)?);
    if version != 1 || usize::from(length) != HEADER {
        return Err(format!("a fatbin of version {version} with a header of {length} bytes"));
    }
    let size = u64_at(header, 8)?;
    usize::try_from(size)
        .ok()
        .and_then(|size| size.checked_add(HEADER))
        .ok_or_else(|| format!("a fatbin of {size} bytes"))
}

/// What `bytes` offers: the entries of a fatbin, or a PTX text as it is. A cubin is refused.
pub fn ptx_images(bytes: &[u8]) -> Result<Vec<Image>, String> {
    if bytes.starts_with(ELF) {
        return Err("a cubin holds machine code only, and only PTX can be run here".to_owned());
    }
    if !bytes.starts_with(&MAGIC.to_le_bytes()) {
        return Ok(vec![text_image(bytes)?]);
    }
    let size = total_size(bytes)?;
    let all = bytes
        .get(..size)
        .ok_or_else(|| format!("the fatbin is cut off: {} of {size} bytes", bytes.len()))?;
    let mut images = Vec::new();
    let mut rest = &all[HEADER..];
    while !rest.is_empty() {
        let (image, length) = entry(rest)?;
        images.push(image);
        rest = &rest[length..];
    }
    Ok(images)
}

/// The entry that `bytes` begin with, and its length.
fn entry(bytes: &[u8]) -> Result<(Image, usize), String> {
    let header = u32_at(bytes, 4)? as usize;
    let padded = u64_at(bytes, 8)?;
    let end = usize::try_from(padded).ok().and_then(|padded| padded.checked_add(header));
    let whole = end.filter(|_| header >= ENTRY).and_then(|end| bytes.get(..end));
    let Some(whole) = whole else {
        return Err(format!("a fatbin entry of {header} + {padded} bytes does not fit its fatbin"));
    };
    let kind = match u16_at(whole, 0)? {
        1 => Kind::Ptx,
        2 => Kind::Elf,
        other => Kind::Other(other),
    };
    let architecture = u32_at(whole, 28)?;
    let flags = u64_at(whole, 40)?;
    let reach = match (flags & FLAG_ONLY_THIS != 0, flags & FLAG_ONLY_FAMILY != 0) {
        (false, false) => Reach::Upward,
        (false, true) => Reach::Family,
        (true, _) => Reach::Only,
    };
    let bytes = match kind {
        Kind::Ptx => {
            let stored = u32_at(whole, 16)? as usize;
            let full = u64_at(whole, 56)?;
            unpack(&whole[header..], stored, full, flags)
                .map_err(|why| format!("PTX of the fatbin for sm_{architecture}: {why}"))?
        }
        _ => Vec::new(),
    };
    let capability = (architecture / 10, architecture % 10);
    Ok((Image { kind, capability, reach, bytes }, whole.len()))
}

/// The text in a payload; `stored` bytes make `full` ones if they are compressed, both are 0 if not.
fn unpack(payload: &[u8], stored: usize, full: u64, flags: u64) -> Result<Vec<u8>, String> {
    if flags & FLAG_LZ4 != 0 {
        return Err("compressed with LZ4; let nvcc write it with --no-compress".to_owned());
    }
    if flags & FLAG_ZSTD == 0 {
        return if (stored, full) == (0, 0) {
            Ok(text(payload).to_vec())
        } else {
            Err(format!("packed in a way not known here (flags {flags:#x})"))
        };
    }
    let packed = payload.get(..stored).ok_or("compressed text longer than its room")?;
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(packed)
        .map_err(|error| format!("not zstd: {error}"))?
        .take(full.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("damaged zstd: {error}"))?;
    if bytes.len() as u64 != full {
        return Err(format!("unpacks to {} bytes or more instead of {full}", bytes.len()));
    }
    Ok(text(&bytes).to_vec())
}

/// A PTX text that came without a fatbin.
fn text_image(bytes: &[u8]) -> Result<Image, String> {
    let bytes = text(bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains(".version"));
    let text = text.ok_or("neither a fatbin nor PTX text")?;
    let target = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(".target"))
        .and_then(|line| line.trim_start().strip_prefix("sm_"))
        .ok_or("PTX text without a `.target sm_..`")?;
    let end = target.find(|c: char| !c.is_ascii_digit()).unwrap_or(target.len());
    let (number, suffix) = target.split_at(end);
    let number: u32 = number.parse().map_err(|_| "PTX text for a target without a number")?;
    let reach = match suffix.chars().next() {
        Some('a') => Reach::Only,
        Some('f') => Reach::Family,
        _ => Reach::Upward,
    };
    let capability = (number / 10, number % 10);
    Ok(Image { kind: Kind::Ptx, capability, reach, bytes: bytes.to_vec() })
}

/// Up to the zero that ends a text, if there is one.
fn text(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], String> {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or_else(|| format!("the fatbin ends at byte {} of a header", bytes.len()))
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16, String> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, String> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, String> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
