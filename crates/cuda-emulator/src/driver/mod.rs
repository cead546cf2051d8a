//! The driver interface: the C functions of `libcuda.so.1` over [`Machine`](crate::machine).
//!
//! Rooms, lowest first: [`status`] (codes), [`handle`], [`settings`] (environment), [`limits`] and
//! [`attributes`] (what the device is); [`state`] (one device) with what it holds: [`context`],
//! [`stream`], [`event`], [`memory`], [`host`] memory, [`module`], [`capture`], [`graph`]; what is
//! submitted: [`operation`], [`copy`], [`launch`]; [`record`] (counts and reports); [`library`]
//! (the process: locks, current contexts, the border that nothing unwinds over); and [`c`], the
//! exported functions.
//!
//! A pointer from C is followed only where CUDA's own interface promises that it is good; a handle
//! is never followed at all.

#![expect(unsafe_code, reason = "the C interface takes pointers and exports symbols")]

mod attributes;
mod c;
mod capture;
mod context;
mod copy;
mod event;
mod graph;
mod handle;
mod host;
mod image;
mod launch;
mod library;
mod limits;
mod memory;
mod module;
mod operation;
mod record;
mod settings;
mod state;
mod status;
mod stream;
