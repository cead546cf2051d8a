//! The floating-point environment that results are promised in.
//!
//! It is a thread's own, and programs change it: what is linked with `-ffast-math` flushes subnormals in every
//! thread that it starts from then on. Rust code has no other environment than the standard one.

use std::marker::PhantomData;

/// The standard environment, until this is dropped: rounding to nearest, subnormals kept, no traps.
pub(crate) struct Standard {
    found: machine::Control,
    /// It is of the thread that made it.
    not_send: PhantomData<*mut ()>,
}

impl Standard {
    pub(crate) fn enter() -> Self {
        let found = machine::get();
        set_standard();
        Self { found, not_send: PhantomData }
    }
}

impl Drop for Standard {
    fn drop(&mut self) {
        if !machine::is_standard(self.found) {
            machine::set(self.found);
        }
    }
}

/// The standard environment, for threads of our own.
pub(crate) fn set_standard() {
    if !machine::is_standard(machine::get()) {
        machine::set(machine::STANDARD);
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use std::arch::asm;

    /// MXCSR.
    pub(super) type Control = u32;

    /// All exceptions masked.
    pub(super) const STANDARD: Control = 0x1f80;
    /// The exceptions that have occurred: no setting.
    const OCCURRED: Control = 0x3f;

    pub(super) fn is_standard(control: Control) -> bool {
        control & !OCCURRED == STANDARD
    }

    pub(super) fn get() -> Control {
        let mut control: Control = 0;
        // SAFETY: the register is stored into a live number.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags))
        };
        control
    }

    pub(super) fn set(control: Control) {
        // SAFETY: a value that `get` found, or the standard one: none has reserved bits.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, readonly, preserves_flags));
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod machine {
    use std::arch::asm;

    /// FPCR.
    pub(super) type Control = u64;

    pub(super) const STANDARD: Control = 0;

    pub(super) fn is_standard(control: Control) -> bool {
        control == STANDARD
    }

    pub(super) fn get() -> Control {
        let control: Control;
        // SAFETY: every thread may read the register.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags)) };
        control
    }

    pub(super) fn set(control: Control) {
        // SAFETY: a value that `get` found, or the standard one.
        unsafe { asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod machine {
    /// Nothing that this crate knows how to change.
    pub(super) type Control = ();

    pub(super) const STANDARD: Control = ();

    pub(super) fn is_standard((): Control) -> bool {
        true
    }

    pub(super) fn get() -> Control {}

    pub(super) fn set((): Control) {}
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Flush to zero, denormals are zero.
    const FAST: u32 = machine::STANDARD | 1 << 15 | 1 << 6;

    #[test]
    fn what_the_caller_had_comes_back() {
        machine::set(FAST);
        {
            let _standard = Standard::enter();
            assert!(machine::is_standard(machine::get()));
        }
        let found = machine::get();
        machine::set(machine::STANDARD);
        assert_eq!(found & !0x3f, FAST);
        drop(Standard::enter());
        assert!(machine::is_standard(machine::get()));
    }
}
