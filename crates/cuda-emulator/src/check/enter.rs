//! Where accesses come in: alignment, bounds, then the shadow.

use super::access::{Access, MbarrierOp, Op, Scope, Strength, WarpRef};
use super::cells::Fault;
use super::describe::{Space, Where};
use super::ids::{ASYNC, lanes, record};
use super::order::{Order, View};
use super::segments::Segment;
use super::strong::{Around, Manner};
use super::weak::Weak;
use super::{Checker, Slot};
use crate::memory::{Arena, BASE, Place};
use crate::report::Finding;

/// What to call an access.
fn name(a: &Access) -> &'static str {
    match (a.op, a.strength) {
        (Op::Read, Strength::Weak) => "read",
        (Op::Write, Strength::Weak) => "write",
        (Op::Read, Strength::Strong(_)) => "strong read",
        (Op::Write, Strength::Strong(_)) => "strong write",
        (Op::Atomic, _) => "atomic",
        (Op::Reduce, _) => "reduction",
    }
}

/// Which memory an access is of.
enum Target<'a> {
    Global(&'a mut Arena),
    Shared,
}

impl Checker {
    fn where_shared(&self, w: WarpRef, what: &'static str, bytes: u32, at: u32) -> Where {
        let space = Space::Shared(self.slots[w.slot as usize].shared.bytes);
        Where { what, bytes: u64::from(bytes), at: u64::from(at), base: 0, space }
    }

    /// Alignment and bounds of a global access.
    #[inline]
    fn place_global(
        &mut self,
        arena: &Arena,
        w: WarpRef,
        what: &'static str,
        bytes: u32,
        mask: u32,
        addresses: &[u64; 32],
    ) -> Result<(), Finding> {
        let bytes = u64::from(bytes);
        let (start, end) = self.near;
        let last = end.saturating_sub(bytes);
        let good = |a: u64| a & (bytes - 1) == 0 && a >= start && a <= last;
        if end - start >= bytes && lanes(mask).all(|lane| good(addresses[lane])) {
            return Ok(());
        }
        for lane in lanes(mask) {
            self.place_lane(arena, w, what, bytes, lane as u32, addresses[lane])?;
        }
        Ok(())
    }

    fn place_lane(
        &mut self,
        arena: &Arena,
        w: WarpRef,
        what: &'static str,
        bytes: u64,
        lane: u32,
        at: u64,
    ) -> Result<(), Finding> {
        let (start, end) = self.near;
        if at & (bytes - 1) == 0 && at >= start && at < end && bytes <= end - at {
            return Ok(());
        }
        let place = arena.lookup(at);
        let found = Where { what, bytes, at, base: BASE, space: Space::Global(place) };
        if at & (bytes - 1) != 0 {
            return Err(found.misaligned(lane, bytes));
        }
        match place {
            Place::Live(a) if bytes <= a.end() - at => {
                if self.view(w).eye(lane).ordered(record(a.tag, 0)) == Order::No {
                    return Err(found.unordered_allocation(lane));
                }
                self.near = (a.start, a.end());
                Ok(())
            }
            _ => Err(found.outside(lane)),
        }
    }

    fn view(&self, w: WarpRef) -> View<'_> {
        View {
            segments: &self.segments,
            streams: &self.streams,
            launch: &self.launch,
            block: Some((&self.slots[w.slot as usize].block, w.warp)),
        }
    }

    fn where_lane(
        &self,
        target: &Target<'_>,
        w: WarpRef,
        what: &'static str,
        bytes: u32,
        at: u64,
    ) -> Where {
        match target {
            Target::Global(arena) => {
                let at = BASE + at;
                let space = Space::Global(arena.lookup(at));
                Where { what, bytes: u64::from(bytes), at, base: BASE, space }
            }
            Target::Shared => self.where_shared(w, what, bytes, at as u32),
        }
    }

    fn explain(
        &self,
        target: &Target<'_>,
        w: WarpRef,
        what: &'static str,
        bytes: u32,
        offsets: &[u64; 32],
        (lane, fault): (u32, Fault),
    ) -> Finding {
        let place = self.where_lane(target, w, what, bytes, offsets[lane as usize]);
        place.fault(&self.view(w).eye(lane), fault)
    }

    /// What was recorded is reliable.
    fn reliable(
        &self,
        target: &Target<'_>,
        w: WarpRef,
        what: &'static str,
        bytes: u32,
        at: u64,
    ) -> Result<(), Finding> {
        if self.segments.exhausted() || self.sets.exhausted() {
            return Err(self.where_lane(target, w, what, bytes, at).exhausted());
        }
        Ok(())
    }

    /// An access whose bounds are checked, at byte offsets of its memory.
    fn enter(
        &mut self,
        mut target: Target<'_>,
        w: WarpRef,
        a: &Access,
        mask: u32,
        offsets: &[u64; 32],
    ) -> Result<(), Finding> {
        let at = offsets[mask.trailing_zeros() as usize & 31];
        self.reliable(&target, w, name(a), a.bytes, at)?;
        let result = if a.strength == Strength::Weak && matches!(a.op, Op::Read | Op::Write) {
            self.weak(&mut target, w, a, mask, offsets)
        } else {
            self.strong(&mut target, w, a, mask, offsets, |lane, shared| {
                Manner::of(a, lane, shared)
            })
        };
        result.map_err(|fault| self.explain(&target, w, name(a), a.bytes, offsets, fault))
    }

    fn weak(
        &mut self,
        target: &mut Target<'_>,
        w: WarpRef,
        a: &Access,
        mask: u32,
        offsets: &[u64; 32],
    ) -> Result<(), (u32, Fault)> {
        let Slot { block, shared } = &mut self.slots[w.slot as usize];
        let warp = &block.warps[w.warp as usize];
        let own = warp.records();
        let access = Weak {
            mask,
            bytes: a.bytes as usize,
            writes: a.op == Op::Write,
            offsets,
            own: &own,
            new: &own,
            uniform: warp.groups.len() == 1,
        };
        let view = View {
            segments: &self.segments,
            streams: &self.streams,
            launch: &self.launch,
            block: Some((block, w.warp)),
        };
        let mut memory = match target {
            Target::Global(arena) => super::global_memory(arena, &mut self.sides, &self.launch),
            Target::Shared => shared.memory(block),
        };
        if a.read_only {
            memory.fresh = self.segments.start() << 5;
        }
        access.access(&mut memory, view, &mut self.sets)
    }

    fn strong(
        &mut self,
        target: &mut Target<'_>,
        w: WarpRef,
        a: &Access,
        mask: u32,
        offsets: &[u64; 32],
        manner: impl Fn(u32, bool) -> Manner,
    ) -> Result<(), (u32, Fault)> {
        let Slot { block, shared } = &mut self.slots[w.slot as usize];
        let around = Around {
            segments: &self.segments,
            streams: &self.streams,
            launch: &self.launch,
            sets: &self.sets,
        };
        let is_shared = matches!(target, Target::Shared);
        let mut memory = match target {
            Target::Global(arena) => super::global_memory(arena, &mut self.sides, &self.launch),
            Target::Shared => shared.memory(block),
        };
        let own = block.warps[w.warp as usize].records();
        let mut ticks = 0;
        // A vector is as many accesses as it has elements, of which 8 bytes are the widest.
        let part = a.bytes.min(8) as usize;
        for lane in lanes(mask) {
            let manner = manner(lane as u32, is_shared);
            ticks |= u32::from(manner.release) << lane;
            let first = offsets[lane] as usize;
            for byte in (first..first + a.bytes as usize).step_by(part) {
                memory
                    .strong(&around, block, w.warp, lane as u32, own[lane], byte, part, manner)
                    .map_err(|f| (lane as u32, f))?;
            }
        }
        self.tick(w, ticks, a.pc);
        Ok(())
    }

    /// After lanes have learned or released one by one.
    fn tick(&mut self, w: WarpRef, mask: u32, pc: u32) {
        let block = &mut self.slots[w.slot as usize].block;
        let sequence = block.sequence;
        let warp = &mut block.warps[w.warp as usize];
        if mask != 0 {
            let next = Segment { block: sequence, warp: w.warp, copies: false, pc };
            warp.tick(mask, self.segments.add(next));
        } else {
            warp.settle();
        }
    }

    /// See [`Checker::global`].
    pub(super) fn enter_global(
        &mut self,
        arena: &mut Arena,
        w: WarpRef,
        a: &Access,
        mask: u32,
        addresses: &[u64; 32],
    ) -> Result<(), Finding> {
        if mask == 0 {
            return Ok(());
        }
        self.place_global(arena, w, name(a), a.bytes, mask, addresses)?;
        let offsets = addresses.map(|x| x.wrapping_sub(BASE));
        self.enter(Target::Global(arena), w, a, mask, &offsets)
    }

    fn place_shared(
        &self,
        w: WarpRef,
        what: &'static str,
        bytes: u32,
        mask: u32,
        offsets: &[u32; 32],
    ) -> Result<(), Finding> {
        let size = self.slots[w.slot as usize].shared.bytes;
        for lane in lanes(mask) {
            let at = offsets[lane];
            if at & (bytes - 1) != 0 {
                let found = self.where_shared(w, what, bytes, at);
                return Err(found.misaligned(lane as u32, u64::from(bytes)));
            }
            if bytes > size || at > size - bytes {
                return Err(self.where_shared(w, what, bytes, at).outside(lane as u32));
            }
        }
        Ok(())
    }

    /// See [`Checker::shared`].
    pub(super) fn enter_shared(
        &mut self,
        w: WarpRef,
        a: &Access,
        mask: u32,
        offsets: &[u32; 32],
    ) -> Result<(), Finding> {
        if mask == 0 {
            return Ok(());
        }
        self.place_shared(w, name(a), a.bytes, mask, offsets)?;
        self.enter(Target::Shared, w, a, mask, &offsets.map(u64::from))
    }

    /// See [`Checker::async_copy`].
    #[expect(clippy::too_many_arguments, reason = "as many as the instruction has")]
    pub(super) fn enter_copy(
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
        if mask == 0 {
            return Ok(());
        }
        self.copy_reads(arena, w, pc, mask, from, bytes, source_bytes)?;
        let what = "cp.async write";
        self.place_shared(w, what, bytes, mask, to)?;
        self.reliable(&Target::Shared, w, what, bytes, 0)?;
        let Slot { block, shared } = &mut self.slots[w.slot as usize];
        let sequence = block.sequence;
        let warp = &mut block.warps[w.warp as usize];
        let own = warp.records();
        let next = Segment { block: sequence, warp: w.warp, copies: true, pc };
        let issued_in = warp.group(mask.trailing_zeros()).segment;
        let copies = warp.copies.issue(mask, issued_in, &mut self.segments, next);
        let new: [u32; 32] = std::array::from_fn(|lane| ASYNC | record(copies[lane], lane as u32));
        let offsets = to.map(u64::from);
        let access = Weak {
            mask,
            bytes: bytes as usize,
            writes: true,
            offsets: &offsets,
            own: &own,
            new: &new,
            uniform: warp.groups.len() == 1,
        };
        let block = &*block;
        let view = View {
            segments: &self.segments,
            streams: &self.streams,
            launch: &self.launch,
            block: Some((block, w.warp)),
        };
        let mut memory = shared.memory(block);
        access
            .access(&mut memory, view, &mut self.sets)
            .map_err(|f| self.explain(&Target::Shared, w, what, bytes, &offsets, f))
    }

    /// The global reads of `cp.async`: aligned to the copy's size, as long as the source.
    #[expect(clippy::too_many_arguments, reason = "as many as the instruction has")]
    fn copy_reads(
        &mut self,
        arena: &mut Arena,
        w: WarpRef,
        pc: u32,
        mask: u32,
        from: &[u64; 32],
        bytes: u32,
        source_bytes: &[u32; 32],
    ) -> Result<(), Finding> {
        let mut whole = 0;
        for lane in lanes(mask) {
            let source = source_bytes[lane].min(bytes);
            if source == bytes {
                whole |= 1 << lane;
                continue;
            }
            let at = from[lane];
            if source != 0 && at & u64::from(bytes - 1) != 0 {
                let space = Space::Global(arena.lookup(at));
                let size = u64::from(source);
                let found = Where { what: "cp.async read", bytes: size, at, base: BASE, space };
                return Err(found.misaligned(lane as u32, u64::from(bytes)));
            }
            let mut done = 0;
            while done < source {
                let part = if source - done >= 2 { 2 } else { 1 };
                let mut addresses = [0; 32];
                addresses[lane] = at + u64::from(done);
                let read = Access::weak(pc, part, Op::Read);
                self.enter_global(arena, w, &read, 1 << lane, &addresses)?;
                done += part;
            }
        }
        self.enter_global(arena, w, &Access::weak(pc, bytes, Op::Read), whole, from)
    }

    /// See [`Checker::mbarrier`].
    pub(super) fn enter_mbarrier(
        &mut self,
        w: WarpRef,
        op: MbarrierOp,
        mask: u32,
        offsets: &[u32; 32],
        pc: u32,
    ) -> Result<(), Finding> {
        if op == MbarrierOp::Init {
            self.enter_shared(w, &Access::weak(pc, 8, Op::Write), mask, offsets)?;
            let mbarriers = &mut self.slots[w.slot as usize].block.mbarriers;
            for lane in lanes(mask) {
                mbarriers.remove(&offsets[lane]);
            }
            return Ok(());
        }
        if mask == 0 {
            return Ok(());
        }
        let what = "mbarrier operation";
        self.place_shared(w, what, 8, mask, offsets)?;
        self.reliable(&Target::Shared, w, what, 8, 0)?;
        let wide = offsets.map(u64::from);
        let writes = matches!(op, MbarrierOp::Arrive | MbarrierOp::ArriveCopies);
        let a = Access::strong(pc, 8, Op::Read, Scope::Cta);
        // What an arrival releases goes through its phase and not through the word.
        let manner = Manner {
            reads: true,
            writes,
            acquire: false,
            release: false,
            observes: false,
            publishes: false,
            scope: Scope::Cta,
            shared: true,
        };
        self.strong(&mut Target::Shared, w, &a, mask, &wide, |_, _| manner)
            .map_err(|f| self.explain(&Target::Shared, w, what, 8, &wide, f))?;
        let next = self.segments.next();
        let block = &mut self.slots[w.slot as usize].block;
        let warp = &mut block.warps[w.warp as usize];
        for lane in lanes(mask) {
            let phases = block.mbarriers.entry(offsets[lane]).or_default();
            match op {
                MbarrierOp::Arrive => {
                    phases.pending.join(&warp.knowledge(block.sequence, block.floor, 1 << lane))
                }
                MbarrierOp::ArriveCopies => {
                    phases.pending.join(&warp.copies_until(block.sequence, lane as u32, next));
                }
                MbarrierOp::Waited => warp.learn(1 << lane, &phases.complete),
                MbarrierOp::Init | MbarrierOp::Polled => {}
            }
        }
        if op == MbarrierOp::ArriveCopies {
            warp.copies.close(mask);
        }
        self.tick(w, if op == MbarrierOp::Arrive { mask } else { 0 }, pc);
        Ok(())
    }
}
