//! What a lane knows to have happened: a map from blocks to bounds, shared as far as possible.
//!
//! Thousands of blocks that learn from each other through one counter or a chain of flags each keep
//! a clock that differs from the last one in a few entries. The map is a tree of 16 children a node
//! whose nodes are never changed once shared; joining two clocks looks only at what differs.

use std::sync::Arc;

/// Bounds for the lanes of one warp: everything of lane `i` in segments below `bound(i)` is known.
#[derive(Debug, Clone)]
pub(super) enum Lanes {
    /// The same for all.
    All(u32),
    /// One each.
    Each(Arc<[u32; 32]>),
}

impl Lanes {
    /// From one bound a lane.
    pub(super) fn new(bounds: [u32; 32]) -> Self {
        if bounds.iter().all(|b| *b == bounds[0]) {
            Lanes::All(bounds[0])
        } else {
            Lanes::Each(Arc::new(bounds))
        }
    }

    #[inline(always)]
    pub(super) fn bound(&self, lane: u32) -> u32 {
        match self {
            Lanes::All(bound) => *bound,
            Lanes::Each(bounds) => bounds[lane as usize & 31],
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Lanes::All(a), Lanes::All(b)) => a == b,
            (Lanes::Each(a), Lanes::Each(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }

    pub(super) fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Lanes::All(a), Lanes::All(b)) => Lanes::All(*a.max(b)),
            _ if self.same(other) => self.clone(),
            _ => {
                let mut bounds = [0; 32];
                for (lane, bound) in (0..).zip(&mut bounds) {
                    *bound = self.bound(lane).max(other.bound(lane));
                }
                let joined = Lanes::new(bounds);
                // Sharing is what keeps later joins cheap.
                if joined.same(self) {
                    self.clone()
                } else if joined.same(other) {
                    other.clone()
                } else {
                    joined
                }
            }
        }
    }
}

/// What is known of one block.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// All its warps' segments below this, but for lanes that had exited before (pins).
    pub(super) floor: u32,
    /// What is known of single warps beyond: (warp * 2 + copies, bounds), ascending.
    detail: Option<Arc<Vec<(u8, Lanes)>>>,
}

/// The key of a warp's own segments, or of its copies.
pub(super) fn agent(warp: u32, copies: bool) -> u8 {
    (warp as u8 & 31) << 1 | u8::from(copies)
}

impl Known {
    /// The bound of one lane of an agent beyond the floor; 0 if there is none.
    #[inline]
    pub(super) fn bound(&self, agent: u8, lane: u32) -> u32 {
        let Some(detail) = &self.detail else { return 0 };
        detail.iter().find(|(a, _)| *a == agent).map_or(0, |(_, lanes)| lanes.bound(lane))
    }

    /// The bounds of an agent beyond the floor, if there are any.
    pub(super) fn lanes(&self, agent: u8) -> Option<&Lanes> {
        self.detail.as_ref()?.iter().find(|(a, _)| *a == agent).map(|(_, lanes)| lanes)
    }

    /// Adds knowledge of an agent.
    pub(super) fn add(&mut self, agent: u8, lanes: Lanes) {
        let detail = Arc::make_mut(self.detail.get_or_insert_default());
        match detail.binary_search_by_key(&agent, |(a, _)| *a) {
            Ok(i) => detail[i].1 = detail[i].1.join(&lanes),
            Err(i) => detail.insert(i, (agent, lanes)),
        }
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.floor == 0 && self.detail.is_none()
    }

    fn same(&self, other: &Self) -> bool {
        self.floor == other.floor
            && match (&self.detail, &other.detail) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    Arc::ptr_eq(a, b)
                        || a.len() == b.len()
                            && a.iter().zip(b.iter()).all(|(x, y)| x.0 == y.0 && x.1.same(&y.1))
                }
                _ => false,
            }
    }

    fn join(&self, other: &Self) -> Self {
        let mut joined = Known { floor: self.floor.max(other.floor), detail: self.detail.clone() };
        match (&self.detail, &other.detail) {
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {}
            (None, Some(_)) => joined.detail = other.detail.clone(),
            (Some(_), Some(b)) => b.iter().for_each(|(a, lanes)| joined.add(*a, lanes.clone())),
            (_, None) => {}
        }
        joined
    }
}

const BITS: u32 = 4;
const FANOUT: usize = 1 << BITS;

#[derive(Debug, Clone)]
enum Node {
    Leaf([Known; FANOUT]),
    Branch([Option<Arc<Node>>; FANOUT]),
}

impl Node {
    fn empty(height: u32) -> Self {
        if height == 1 { Node::Leaf(Default::default()) } else { Node::Branch(Default::default()) }
    }
}

/// The map. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    root: Option<Arc<Node>>,
    /// Levels of the tree: it holds blocks below 16^height.
    height: u32,
}

impl Clock {
    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Whether the two are one: a cheap test that may miss equal ones.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// What is known of `block`.
    #[inline]
    pub(super) fn get(&self, block: u32) -> Option<&Known> {
        let mut node = self.root.as_deref()?;
        let mut height = self.height;
        if u64::from(block) >> (BITS * height) != 0 {
            return None;
        }
        loop {
            height -= 1;
            let i = (block >> (BITS * height)) as usize % FANOUT;
            match node {
                Node::Leaf(known) => return Some(&known[i]),
                Node::Branch(children) => node = children[i].as_deref()?,
            }
        }
    }

    /// Changes what is known of `block`.
    pub(super) fn update(&mut self, block: u32, change: impl FnOnce(&mut Known)) {
        while self.height == 0 || u64::from(block) >> (BITS * self.height) != 0 {
            self.grow();
        }
        let mut height = self.height;
        let mut node = Arc::make_mut(self.root.get_or_insert_with(|| Node::empty(height).into()));
        loop {
            height -= 1;
            let i = (block >> (BITS * height)) as usize % FANOUT;
            match node {
                Node::Leaf(known) => return change(&mut known[i]),
                Node::Branch(children) => {
                    let child = children[i].get_or_insert_with(|| Node::empty(height).into());
                    node = Arc::make_mut(child);
                }
            }
        }
    }

    fn grow(&mut self) {
        if let Some(root) = self.root.take() {
            let mut children: [Option<Arc<Node>>; FANOUT] = Default::default();
            children[0] = Some(root);
            self.root = Some(Node::Branch(children).into());
        }
        self.height += 1;
    }

    /// Learns what `other` knows.
    pub(super) fn join(&mut self, other: &Self) {
        let Some(theirs) = &other.root else { return };
        if self.root.is_none() {
            self.clone_from(other);
            return;
        }
        let mut lifted;
        let mut theirs = theirs;
        if self.height > other.height {
            lifted = other.clone();
            while lifted.height < self.height {
                lifted.grow();
            }
            if let Some(root) = &lifted.root {
                theirs = root;
            }
        }
        while self.height < other.height {
            self.grow();
        }
        if let Some(root) = &mut self.root {
            *root = join(root, theirs);
        }
    }
}

/// The join of two nodes of one height; one of them itself where it covers the other.
fn join(a: &Arc<Node>, b: &Arc<Node>) -> Arc<Node> {
    if Arc::ptr_eq(a, b) {
        return Arc::clone(a);
    }
    let (mut is_a, mut is_b) = (true, true);
    let node = match (&**a, &**b) {
        (Node::Leaf(x), Node::Leaf(y)) => Node::Leaf(std::array::from_fn(|i| {
            if x[i].same(&y[i]) {
                return x[i].clone();
            }
            let joined = x[i].join(&y[i]);
            is_a &= joined.same(&x[i]);
            is_b &= joined.same(&y[i]);
            joined
        })),
        (Node::Branch(x), Node::Branch(y)) => {
            Node::Branch(std::array::from_fn(|i| match (&x[i], &y[i]) {
                (None, None) => None,
                (Some(x), None) => {
                    is_b = false;
                    Some(Arc::clone(x))
                }
                (None, Some(y)) => {
                    is_a = false;
                    Some(Arc::clone(y))
                }
                (Some(x), Some(y)) => {
                    let joined = join(x, y);
                    is_a &= Arc::ptr_eq(&joined, x);
                    is_b &= Arc::ptr_eq(&joined, y);
                    Some(joined)
                }
            }))
        }
        // Heights are equal, so leaves meet leaves.
        _ => return Arc::clone(a),
    };
    if is_a {
        Arc::clone(a)
    } else if is_b {
        Arc::clone(b)
    } else {
        Arc::new(node)
    }
}
