//! `cosmoe info`: what this build and this machine offer.

use cosmoe::Cpu;

use super::Outcome;
use crate::device::NO_KERNELS;
use crate::sample;

pub(crate) fn run() -> Outcome {
    let cpu = Cpu::new();
    let bytes = sample::TOKENS.len() + sample::ROUTER.len();
    let stdout = format!(
        "version    {}\n\
         simd       {}\n\
         threads    {}\n\
         devices    cpu; no cuda: {NO_KERNELS}\n\
         sample     all-MiniLM-L6-v2 states of public-domain English, 16 experts, {bytes} bytes\n",
        env!("CARGO_PKG_VERSION"),
        cpu.simd(),
        cpu.tasks(),
    );
    Outcome { stdout, notes: Vec::new(), out: None }
}
