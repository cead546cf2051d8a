//! The process: its devices, which context a thread has current, and what a call may do.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handle::{Handle, Kind};
use super::settings::Settings;
use super::state::State;
use super::status::{Code, Fault, Outcome, fault};

/// The devices between `cuInit` and `cuEmulatorReset`.
#[derive(Debug)]
pub(crate) struct Library {
    devices: Vec<Mutex<State>>,
}

static LIBRARY: Mutex<Option<Arc<Library>>> = Mutex::new(None);

thread_local! {
    /// The thread's stack of contexts; the last is current.
    static CONTEXTS: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
    /// Inside a host function of a stream, which may not call the driver.
    static IN_HOST_FUNCTION: Cell<bool> = const { Cell::new(false) };
}

/// `cuInit`: makes the devices that the environment describes, once.
pub(crate) fn initialise() -> Outcome {
    let mut slot = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    if slot.is_some() {
        return Ok(());
    }
    let settings = settings()?;
    if settings.devices == 0 {
        return Err(Code::NO_DEVICE.into());
    }
    let mut devices = Vec::new();
    for ordinal in 0..settings.devices {
        match State::new(ordinal, settings.clone()) {
            Ok(state) => devices.push(Mutex::new(state)),
            Err(why) => return fault(Code::UNKNOWN, why),
        }
    }
    *slot = Some(Arc::new(Library { devices }));
    Ok(())
}

/// What the environment says.
pub(crate) fn settings() -> Outcome<Settings> {
    let variable = |name: &str| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let settings = Settings::check_names(names).and_then(|()| Settings::read(variable));
    settings.or_else(|why| fault(Code::UNKNOWN, why))
}

/// Drops every device with all that is on it; `cuInit` makes new ones.
pub(crate) fn reset() {
    let old = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(old);
}

/// The devices, once `cuInit` has made them.
pub(crate) fn library() -> Outcome<Arc<Library>> {
    let slot = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    slot.clone().ok_or(Fault::from(Code::NOT_INITIALIZED))
}

impl Library {
    /// How many devices there are.
    pub(crate) fn count(&self) -> u32 {
        self.devices.len() as u32
    }

    /// Locks a device.
    pub(crate) fn lock(&self, ordinal: u32) -> Outcome<MutexGuard<'_, State>> {
        let Some(device) = self.devices.get(ordinal as usize) else {
            return Err(Code::INVALID_DEVICE.into());
        };
        let broken = "a call on this device panicked before; cuEmulatorReset makes a new one";
        device.lock().or_else(|_| fault(Code::UNKNOWN, broken))
    }
}

/// Runs the body of a call: what fails is printed if there is a reason, nothing unwinds into C.
pub(crate) fn call(name: &str, body: impl FnOnce() -> Outcome) -> i32 {
    if IN_HOST_FUNCTION.get() {
        say(&format!("{name}: called from a host function of a stream, which CUDA forbids"));
        return Code::NOT_PERMITTED.0;
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(Fault { code, why })) => {
            if let Some(why) = why {
                say(&format!("{name}: {}: {why}", code.name()));
            }
            code.0
        }
        Err(_) => {
            say(&format!("{name}: the emulator itself failed; this is a bug of the emulator"));
            Code::UNKNOWN.0
        }
    }
}

/// A call on a device.
pub(crate) fn on_device(name: &str, device: i32, body: impl FnOnce(&mut State) -> Outcome) -> i32 {
    call(name, || {
        let library = library()?;
        let ordinal = u32::try_from(device).map_err(|_| Fault::from(Code::INVALID_DEVICE))?;
        body(&mut *library.lock(ordinal)?)
    })
}

/// A call in the current context. After a failed launch every one fails as the launch did.
pub(crate) fn in_context(name: &str, body: impl FnOnce(&mut State, Handle) -> Outcome) -> i32 {
    call(name, || with_context(body))
}

/// [`in_context`] inside a call, for those that go on without the lock.
pub(crate) fn with_context<T>(body: impl FnOnce(&mut State, Handle) -> Outcome<T>) -> Outcome<T> {
    let library = library()?;
    let context = current().ok_or(Fault::from(Code::INVALID_CONTEXT))?;
    in_that_context(&library, context, body)
}

/// A call in the context that owns a handle, or in the current one for the default streams.
pub(crate) fn at_handle<T>(
    kind: Kind,
    handle: Handle,
    owner: impl FnOnce(&mut State) -> Outcome<Handle>,
    body: impl FnOnce(&mut State, Handle) -> Outcome<T>,
) -> Outcome<T> {
    let library = library()?;
    let Some(device) = handle.device(kind) else {
        return super::state::unknown(kind, handle);
    };
    let context = owner(&mut *library.lock(device)?)?;
    in_that_context(&library, context, body)
}

fn in_that_context<T>(
    library: &Library,
    context: Handle,
    body: impl FnOnce(&mut State, Handle) -> Outcome<T>,
) -> Outcome<T> {
    let device = context.device(Kind::Context).ok_or(Fault::from(Code::INVALID_CONTEXT))?;
    let mut state = library.lock(device).map_err(|fault| match fault.code {
        Code::INVALID_DEVICE => Code::CONTEXT_IS_DESTROYED.into(),
        _ => fault,
    })?;
    if let Some(failed) = state.context(context)?.failed {
        return Err(failed.into());
    }
    body(&mut state, context)
}

/// The thread's current context.
pub(crate) fn current() -> Option<Handle> {
    CONTEXTS.with_borrow(|stack| stack.last().copied())
}

/// Changes the thread's stack of contexts.
pub(crate) fn with_contexts<T>(body: impl FnOnce(&mut Vec<Handle>) -> T) -> T {
    CONTEXTS.with_borrow_mut(body)
}

/// Runs a host function of a stream; meanwhile the thread may not call the driver.
pub(crate) fn host_function(body: impl FnOnce()) {
    IN_HOST_FUNCTION.set(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    IN_HOST_FUNCTION.set(false);
    if result.is_err() {
        say("a host function panicked");
    }
}

/// Writes to standard error, where nobody may be listening.
pub(crate) fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "cuda-emulator: {text}");
}
