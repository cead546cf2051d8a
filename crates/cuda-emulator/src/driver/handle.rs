//! Handles: numbers that are never reused and never addresses.
//!
//! A handle says its kind, its device and a serial number, so that a freed one is recognised for
//! ever and one of another kind is refused; nothing ever follows it as a pointer.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Context = 1,
    Stream,
    Event,
    Module,
    Function,
    Pool,
    Graph,
    Node,
    Exec,
}

/// An opaque `CUcontext`, `CUstream`, ...: as wide as a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Handle(pub(crate) u64);

/// Above every address a process can have.
const MARK: u64 = 0x5E << 56;

impl Handle {
    /// No object; as a stream, the legacy default stream.
    pub(crate) const NULL: Handle = Handle(0);

    /// `CU_STREAM_LEGACY`.
    pub(crate) const LEGACY: Handle = Handle(1);

    /// `CU_STREAM_PER_THREAD`.
    pub(crate) const PER_THREAD: Handle = Handle(2);

    /// A handle that no other object has had.
    pub(crate) fn new(kind: Kind, device: u32) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Self(MARK | (kind as u64) << 52 | u64::from(device & 0xFF) << 44 | serial << 4)
    }

    /// The device, if the handle was made by [`new`](Self::new) for an object of this kind.
    pub(crate) fn device(self, kind: Kind) -> Option<u32> {
        let ours = self.0 >> 52 == (MARK >> 52 | kind as u64) && self.0 & 15 == 0;
        ours.then_some((self.0 >> 44 & 0xFF) as u32)
    }

    /// One of the streams that exist without being created.
    pub(crate) fn is_default_stream(self) -> bool {
        self.0 <= Self::PER_THREAD.0
    }

    /// The serial number.
    pub(crate) fn serial(self) -> u64 {
        self.0 >> 4 & ((1 << 40) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_knows_its_kind_and_device() {
        let stream = Handle::new(Kind::Stream, 3);
        assert_eq!(stream.device(Kind::Stream), Some(3));
        assert_eq!(stream.device(Kind::Event), None);
        assert_ne!(stream, Handle::new(Kind::Stream, 3));
        for other in [Handle::NULL, Handle::LEGACY, Handle::PER_THREAD, Handle(0x7FFF_1234_5670)] {
            assert_eq!(other.device(Kind::Stream), None, "{other:?}");
        }
        assert!(Handle::PER_THREAD.is_default_stream() && !stream.is_default_stream());
    }
}
