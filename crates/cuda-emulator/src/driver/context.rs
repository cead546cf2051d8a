//! Contexts: what they own, how they fail, how they end.

use std::collections::HashMap;
use std::thread::ThreadId;

use super::handle::{Handle, Kind};
use super::library::say;
use super::record;
use super::state::State;
use super::status::{Code, Fault, Outcome, fault};
use super::stream::{Ordering, Stream};
use crate::machine::StreamId;
use crate::report::Report;

/// A context.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) flags: u32,
    /// What the first failed launch or copy left behind: every later call returns it.
    pub(crate) failed: Option<Code>,
    /// The stream behind handles 0 and 1.
    pub(crate) legacy: Handle,
    /// The streams behind handle 2, one a thread.
    pub(crate) per_thread: HashMap<ThreadId, Handle>,
    /// Values of `CUlimit` that were set.
    pub(crate) limits: HashMap<u32, usize>,
    pub(crate) cache: u32,
}

/// Bits of `CUctx_flags`.
const FLAGS: u32 = 0xFF;

impl State {
    /// Makes a context under a handle.
    pub(crate) fn create_context(&mut self, handle: Handle, flags: u32) -> Outcome {
        // One way to wait at most: spin, yield or block.
        if flags & !FLAGS != 0 || (flags & 7).count_ones() > 1 {
            return fault(Code::INVALID_VALUE, format!("context flags {flags:#x}"));
        }
        let legacy = self.handle(Kind::Stream);
        let id = self.machine.create_stream();
        let stream = Stream::new(handle, id, Ordering::Legacy, 0);
        self.streams.insert(legacy, stream);
        let context = Context {
            flags,
            failed: None,
            legacy,
            per_thread: HashMap::new(),
            limits: HashMap::new(),
            cache: 0,
        };
        self.contexts.insert(handle, context);
        Ok(())
    }

    /// Ends a context: everything it owns goes, its failure too.
    pub(crate) fn destroy_context(&mut self, handle: Handle) -> Outcome {
        if self.contexts.remove(&handle).is_none() {
            return Err(Code::INVALID_CONTEXT.into());
        }
        self.machine.synchronize_all();
        self.captures.retain(|_, capture| capture.context != handle);
        self.streams.retain(|_, stream| stream.context != handle);
        self.events.retain(|_, event| event.context != handle);
        self.functions.retain(|_, function| function.context != handle);
        self.execs.retain(|_, exec| exec.context != handle);
        let modules: Vec<Handle> =
            self.modules.iter().filter(|(_, m)| m.context == handle).map(|(h, _)| *h).collect();
        for module in modules {
            if let Some(module) = self.modules.remove(&module) {
                self.machine.unload(module.id);
            }
        }
        let owned = self.allocations.iter().filter(|(_, a)| a.context == handle);
        let addresses: Vec<u64> = owned.map(|(address, _)| *address).collect();
        for address in addresses {
            // Everything has been waited for: nothing is left that could be unordered.
            let _ = self.release(address, StreamId::HOST);
        }
        Ok(())
    }

    /// `cuDevicePrimaryCtxRetain`.
    pub(crate) fn retain_primary(&mut self) -> Outcome<Handle> {
        if self.retained == 0 && !self.contexts.contains_key(&self.primary) {
            self.create_context(self.primary, self.primary_flags)?;
        }
        self.retained += 1;
        Ok(self.primary)
    }

    /// `cuDevicePrimaryCtxRelease`: the last one ends it.
    pub(crate) fn release_primary(&mut self) -> Outcome {
        match self.retained {
            0 => Err(Code::INVALID_CONTEXT.into()),
            1 => {
                self.retained = 0;
                self.destroy_context(self.primary)
            }
            _ => {
                self.retained -= 1;
                Ok(())
            }
        }
    }

    /// `cuDevicePrimaryCtxReset`: ends what the context owns; those who retain it keep it, empty.
    pub(crate) fn reset_primary(&mut self) -> Outcome {
        if !self.contexts.contains_key(&self.primary) {
            return Ok(());
        }
        self.destroy_context(self.primary)?;
        match self.retained {
            0 => Ok(()),
            _ => self.create_context(self.primary, self.primary_flags),
        }
    }

    /// Work on a stream failed: prints the report, and the context fails from now on.
    pub(crate) fn fail(&mut self, context: Handle, report: &Report) {
        let code = Code(report.code);
        let text = format!("{} ({})\n{report}", code.name(), report.code);
        say(&text);
        record::keep_report(&self.settings, &text);
        if let Some(context) = self.contexts.get_mut(&context) {
            context.failed.get_or_insert(code);
        }
    }

    /// The end of a call that waits for what it did: it fails where the work did.
    pub(crate) fn finished(&mut self, context: Handle) -> Outcome {
        match self.context(context)?.failed {
            Some(code) => Err(Fault::from(code)),
            None => Ok(()),
        }
    }

    /// The value of a limit.
    pub(crate) fn limit(&mut self, context: Handle, limit: u32) -> Outcome<usize> {
        let default = default_limit(limit)?;
        Ok(*self.context(context)?.limits.get(&limit).unwrap_or(&default))
    }

    /// Sets a limit. None of them changes what the emulated device does.
    pub(crate) fn set_limit(&mut self, context: Handle, limit: u32, value: usize) -> Outcome {
        default_limit(limit)?;
        self.context(context)?.limits.insert(limit, value);
        Ok(())
    }
}

/// The limits of `CUlimit` that a device of capability 8.0 has, and what they are at first.
fn default_limit(limit: u32) -> Outcome<usize> {
    match limit {
        0x00 => Ok(1 << 10),
        0x01 => Ok(1 << 20),
        0x02 => Ok(8 << 20),
        0x04 => Ok(2048),
        0x05 => Ok(64),
        0x06 => Ok(0),
        0x03 | 0x07..=0x09 => Err(Code::UNSUPPORTED_LIMIT.into()),
        _ => Err(Code::INVALID_VALUE.into()),
    }
}
