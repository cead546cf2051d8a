//! One device as the driver keeps it: the machine and everything that has a handle.

use std::collections::{BTreeMap, HashMap};

use super::capture::Capture;
use super::context::Context;
use super::event::Event;
use super::graph::{Exec, Graph};
use super::handle::{Handle, Kind};
use super::memory::{Allocation, Pool};
use super::module::{Function, Module};
use super::settings::Settings;
use super::status::{Code, Fault, Outcome, fault};
use super::stream::Stream;
use crate::config::Config;
use crate::machine::Machine;

/// A device and its objects.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ordinal: u32,
    pub(crate) settings: Settings,
    pub(super) machine: Machine,
    /// The handle that the primary context has whenever it is active.
    pub(crate) primary: Handle,
    /// How often the primary context is retained.
    pub(crate) retained: u32,
    pub(crate) primary_flags: u32,
    pub(crate) contexts: HashMap<Handle, Context>,
    pub(crate) streams: HashMap<Handle, Stream>,
    pub(crate) events: HashMap<Handle, Event>,
    pub(crate) modules: HashMap<Handle, Module>,
    pub(crate) functions: HashMap<Handle, Function>,
    pub(crate) pools: HashMap<Handle, Pool>,
    pub(crate) default_pool: Handle,
    pub(crate) current_pool: Handle,
    pub(crate) graphs: HashMap<Handle, Graph>,
    pub(crate) execs: HashMap<Handle, Exec>,
    pub(crate) captures: BTreeMap<u64, Capture>,
    /// Live allocations by their start.
    pub(crate) allocations: BTreeMap<u64, Allocation>,
    /// The virtual clock: see [`event`](super::event).
    pub(crate) clock: u64,
}

impl State {
    /// A device with nothing on it.
    pub(crate) fn new(ordinal: u32, settings: Settings) -> Result<Self, String> {
        let machine = Machine::new(Config { ordinal, ..settings.config })?;
        let default_pool = Handle::new(Kind::Pool, ordinal);
        Ok(Self {
            ordinal,
            settings,
            machine,
            primary: Handle::new(Kind::Context, ordinal),
            retained: 0,
            primary_flags: 0,
            contexts: HashMap::new(),
            streams: HashMap::new(),
            events: HashMap::new(),
            modules: HashMap::new(),
            functions: HashMap::new(),
            pools: HashMap::from([(default_pool, Pool::default())]),
            default_pool,
            current_pool: default_pool,
            graphs: HashMap::new(),
            execs: HashMap::new(),
            captures: BTreeMap::new(),
            allocations: BTreeMap::new(),
            clock: 0,
        })
    }

    /// A new handle on this device.
    pub(crate) fn handle(&self, kind: Kind) -> Handle {
        Handle::new(kind, self.ordinal)
    }

    /// Bytes of shared memory that a block may opt in to.
    pub(crate) fn shared_opt_in(&self) -> u32 {
        let most = self.settings.config.limits().shared_per_block;
        self.settings.shared_limit.map_or(most, |limit| limit.min(most))
    }

    /// The live context of that handle.
    pub(crate) fn context(&mut self, handle: Handle) -> Outcome<&mut Context> {
        self.contexts.get_mut(&handle).ok_or(Fault::from(Code::CONTEXT_IS_DESTROYED))
    }
}

/// Finds an object by its handle; a wrong one is refused with the reason.
pub(crate) fn find<T>(
    table: &mut HashMap<Handle, T>,
    kind: Kind,
    handle: Handle,
) -> Outcome<&mut T> {
    match table.get_mut(&handle) {
        Some(object) => Ok(object),
        None => unknown(kind, handle),
    }
}

/// The fault for a handle that names nothing.
pub(crate) fn unknown<T>(kind: Kind, handle: Handle) -> Outcome<T> {
    let what = format!("{kind:?}").to_lowercase();
    match handle.device(kind) {
        Some(_) => fault(Code::INVALID_HANDLE, format!("the {what} was destroyed before")),
        None if handle == Handle::NULL => {
            fault(Code::INVALID_HANDLE, format!("the {what} is null"))
        }
        None => fault(Code::INVALID_HANDLE, format!("{:#x} is no {what}", handle.0)),
    }
}
