//! Lowering and running: a kernel's tree becomes a program once, and a launch runs it warp by warp.

pub(crate) mod lower;
mod order;
pub(crate) mod program;
mod random;
pub(crate) mod run;
mod special;
pub(crate) mod windows;
