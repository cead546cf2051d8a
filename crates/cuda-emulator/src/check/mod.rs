//! stub
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
pub mod access;
use crate::config::Config;
use crate::machine::{Mark, StreamId};
use crate::memory::Arena;
use crate::report::Finding;
pub use access::{Access, Arrival, MbarrierOp, Op, Scope, Shape, Strength, WarpRef};
#[derive(Debug)]
pub struct Checker {}
impl Checker {
    pub fn new(config: &Config) -> Self {
        Checker {}
    }
    pub fn set_enabled(&mut self, arena: &mut Arena, on: bool) {}
    pub fn create_stream(&mut self) -> StreamId {
        StreamId(1)
    }
    pub fn mark(&mut self, stream: StreamId) -> Mark {
        Mark::default()
    }
    pub fn wait(&mut self, stream: StreamId, mark: &Mark) {}
    pub fn synchronize(&mut self, stream: StreamId) {}
    pub fn synchronize_all(&mut self) {}
    pub fn allocate(&mut self, arena: &mut Arena, bytes: u64, stream: StreamId) -> Option<u64> {
        arena.allocate(bytes)
    }
    pub fn free(
        &mut self,
        arena: &mut Arena,
        address: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        arena.free(address).unwrap();
        Ok(())
    }
    pub fn host_write(
        &mut self,
        arena: &mut Arena,
        to: u64,
        bytes: &[u8],
        stream: StreamId,
    ) -> Result<(), Finding> {
        let o = arena.bounds(to, bytes.len() as u64).unwrap();
        arena.data_mut()[o..o + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    pub fn host_read(
        &mut self,
        arena: &mut Arena,
        from: u64,
        into: &mut [u8],
        stream: StreamId,
    ) -> Result<(), Finding> {
        let o = arena.bounds(from, into.len() as u64).unwrap();
        into.copy_from_slice(&arena.data()[o..o + into.len()]);
        Ok(())
    }
    pub fn host_copy(
        &mut self,
        arena: &mut Arena,
        to: u64,
        from: u64,
        bytes: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        let mut v = vec![0; bytes as usize];
        self.host_read(arena, from, &mut v, stream)?;
        self.host_write(arena, to, &v, stream)
    }
    pub fn host_fill(
        &mut self,
        arena: &mut Arena,
        to: u64,
        pattern: &[u8],
        count: u64,
        stream: StreamId,
    ) -> Result<(), Finding> {
        let v = pattern.repeat(count as usize);
        self.host_write(arena, to, &v, stream)
    }
    pub fn begin_launch(&mut self, arena: &mut Arena, shape: &Shape, stream: StreamId) {}
    pub fn end_launch(&mut self, arena: &mut Arena) {}
    pub fn begin_block(&mut self, slot: u32, block: u64, shared_bytes: u32) {}
    pub fn end_block(&mut self, slot: u32) {}
    pub fn exit(&mut self, w: WarpRef, lanes: u32) {}
    pub fn global(
        &mut self,
        arena: &mut Arena,
        w: WarpRef,
        a: &Access,
        mask: u32,
        addresses: &[u64; 32],
    ) -> Result<(), Finding> {
        Ok(())
    }
    pub fn shared(
        &mut self,
        w: WarpRef,
        a: &Access,
        mask: u32,
        offsets: &[u32; 32],
    ) -> Result<(), Finding> {
        Ok(())
    }
    pub fn async_copy(
        &mut self,
        arena: &mut Arena,
        w: WarpRef,
        pc: u32,
        mask: u32,
        to: &[u32; 32],
        from: &[u64; 32],
        bytes: u32,
        source_bytes: &[u32; 32],
    ) -> Result<(), Finding> {
        Ok(())
    }
    pub fn async_commit(&mut self, w: WarpRef, mask: u32) {}
    pub fn async_wait(&mut self, w: WarpRef, mask: u32, keep: u32) {}
    pub fn async_wait_all(&mut self, w: WarpRef, mask: u32) {}
    pub fn barrier_arrive(&mut self, slot: u32, id: u32, arrival: Arrival) {}
    pub fn barrier(&mut self, slot: u32, id: u32, waiting: &[Arrival]) {}
    pub fn warp_barrier(&mut self, w: WarpRef, mask: u32, pc: u32) {}
    pub fn fence(&mut self, w: WarpRef, mask: u32, scope: Scope, pc: u32) {}
    pub fn mbarrier(
        &mut self,
        w: WarpRef,
        op: MbarrierOp,
        mask: u32,
        offsets: &[u32; 32],
        pc: u32,
    ) -> Result<(), Finding> {
        Ok(())
    }
    pub fn mbarrier_phase(&mut self, slot: u32, offset: u32) {}
}
