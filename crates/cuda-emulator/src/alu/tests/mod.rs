//! Every form against semantics written another way: arithmetic on `i128`, loops over bits as in
//! the manual's pseudo-code, exact sums; with partial masks, and destinations that are sources.

mod bits;
mod compare;
mod convert;
mod float;
mod formats;
mod forms;
mod half;
mod integer;
mod moves;
mod rig;
mod rows;
