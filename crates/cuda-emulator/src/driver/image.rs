//! The image that a module is loaded from: PTX text, a fatbin, or the wrapper around one.

use std::ffi::{CStr, c_char, c_void};

use super::status::{Code, Outcome, fault};
use crate::fatbin::{self, Image, Kind, Reach};

/// First bytes of a fatbin, of the struct that points to one, and of a cubin.
const FATBIN: [u8; 4] = 0xBA55_ED50_u32.to_le_bytes();
const WRAPPER: [u8; 4] = 0x4662_43B1_u32.to_le_bytes();
const CUBIN: [u8; 4] = [0x7F, b'E', b'L', b'F'];

/// `__fatBinC_Wrapper_t`.
#[repr(C)]
struct Wrapper {
    magic: u32,
    version: u32,
    data: *const c_void,
    file: *const c_void,
}

/// The PTX that a device of that capability takes out of an image.
///
/// # Safety
/// `image` is null or points to a whole image: text that ends with a zero, a fatbin, a wrapper with
/// its fatbin, or a cubin.
pub(crate) unsafe fn ptx(image: *const c_void, capability: (u32, u32)) -> Outcome<String> {
    if image.is_null() {
        return fault(Code::INVALID_VALUE, "the image is null");
    }
    let mut magic = [0; 4];
    for (i, byte) in magic.iter_mut().enumerate() {
        // SAFETY: the image is whole, and it goes on after any byte but the zero that ends a text.
        *byte = unsafe { image.cast::<u8>().add(i).read() };
        if *byte == 0 {
            break;
        }
    }
    match magic {
        FATBIN => {
            // SAFETY: a fatbin begins with its header, which says how long the whole is.
            let header = unsafe { bytes(image, fatbin::HEADER) };
            let size = fatbin::total_size(header).or_else(|why| fault(Code::INVALID_IMAGE, why))?;
            // SAFETY: as the header says.
            choose(unsafe { bytes(image, size) }, capability)
        }
        WRAPPER => {
            // SAFETY: the magic number is that of a wrapper; it may stand at any address.
            let wrapper = unsafe { image.cast::<Wrapper>().read_unaligned() };
            if wrapper.data.is_null() || wrapper.data == image {
                return fault(Code::INVALID_IMAGE, "a wrapper without a fatbin");
            }
            // SAFETY: a wrapper points to a whole fatbin.
            unsafe { ptx(wrapper.data, capability) }
        }
        CUBIN => fault(Code::NO_BINARY_FOR_GPU, "a cubin has no PTX, and only PTX is emulated"),
        // SAFETY: what is nothing else is text that ends with a zero.
        _ => choose(unsafe { CStr::from_ptr(image.cast::<c_char>()) }.to_bytes(), capability),
    }
}

/// # Safety
/// There are `length` bytes.
unsafe fn bytes<'a>(image: *const c_void, length: usize) -> &'a [u8] {
    // SAFETY: as promised; the caller of the driver leaves the image alone for the whole call.
    unsafe { std::slice::from_raw_parts(image.cast::<u8>(), length) }
}

/// The PTX for the highest capability that the device has, of a fatbin or of a text.
pub(crate) fn choose(bytes: &[u8], capability: (u32, u32)) -> Outcome<String> {
    if bytes.starts_with(&CUBIN) {
        return fault(Code::NO_BINARY_FOR_GPU, "a cubin has no PTX, and only PTX is emulated");
    }
    let images = fatbin::ptx_images(bytes).or_else(|why| fault(Code::INVALID_IMAGE, why))?;
    let fitting = images.iter().filter(|image| runs_on(image, capability));
    if let Some(image) = fitting.max_by_key(|image| image.capability) {
        return match std::str::from_utf8(&image.bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => fault(Code::INVALID_IMAGE, "PTX that is not text"),
        };
    }
    let list: Vec<String> = images
        .iter()
        .map(|i| format!("{:?} {}.{}", i.kind, i.capability.0, i.capability.1).to_lowercase())
        .collect();
    let (major, minor) = capability;
    let why = format!("no PTX for {major}.{minor} or lower, but {}", list.join(", "));
    fault(Code::NO_BINARY_FOR_GPU, why)
}

/// Whether a device runs an image.
fn runs_on(image: &Image, capability: (u32, u32)) -> bool {
    image.kind == Kind::Ptx
        && match image.reach {
            Reach::Upward => image.capability <= capability,
            Reach::Family => image.capability <= capability && image.capability.0 == capability.0,
            Reach::Only => image.capability == capability,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &CStr = c".version 8.0\n.target sm_86\n.address_size 64\n";

    #[test]
    fn text_is_taken_by_devices_that_have_its_target() {
        // SAFETY: the text ends with a zero.
        let on = |capability| unsafe { ptx(TEXT.as_ptr().cast(), capability) };
        assert_eq!(on((8, 6)), Ok(TEXT.to_str().expect("ASCII").to_owned()));
        assert!(on((9, 0)).is_ok());
        let fault = on((8, 0)).expect_err("sm_86 on 8.0");
        assert_eq!(fault.code, Code::NO_BINARY_FOR_GPU);
        assert!(fault.why.expect("a reason").contains("ptx 8.6"));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let wrapper = Wrapper {
            magic: u32::from_le_bytes(WRAPPER),
            version: 1,
            data: TEXT.as_ptr().cast(),
            file: std::ptr::null(),
        };
        let empty = Wrapper { data: std::ptr::null(), ..wrapper };
        let images: [(*const c_void, Option<Code>); 5] = [
            (std::ptr::null(), Some(Code::INVALID_VALUE)),
            (c"".as_ptr().cast(), Some(Code::INVALID_IMAGE)),
            (c"\x7FELF\x02".as_ptr().cast(), Some(Code::NO_BINARY_FOR_GPU)),
            ((&raw const empty).cast(), Some(Code::INVALID_IMAGE)),
            ((&raw const wrapper).cast(), None),
        ];
        for (image, code) in images {
            // SAFETY: each is null, a text, or a wrapper around none or a text.
            let result = unsafe { ptx(image, (9, 0)) };
            assert_eq!(result.err().map(|fault| fault.code), code);
        }
    }
}
