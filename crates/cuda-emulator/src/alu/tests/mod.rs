//! Every form against independent semantics.
