//! Graphs and their executable copies.

use std::collections::BTreeMap;

use super::handle::{Handle, Kind};
use super::library::Library;
use super::operation::Operation;
use super::state::{State, find};
use super::status::{Code, Outcome, fault};
use crate::machine::{Mark, StreamId};

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) operation: Operation,
    /// The nodes that it comes after; all of them stand before it.
    pub(crate) after: Vec<usize>,
}

/// A graph: its nodes, each after those that it depends on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
}

/// An instantiated graph.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) context: Handle,
    pub(crate) flags: u64,
    graph: Graph,
    /// For each node, which of [`lanes`](Self::lanes) it runs on, or none for the launching stream.
    lane_of: Vec<Option<usize>>,
    /// Streams of its own for branches, so that what the graph leaves unordered is unordered.
    lanes: Vec<StreamId>,
    /// The end of its last launch: an executable graph never runs beside itself.
    last: Option<Mark>,
}

impl Graph {
    /// Adds a node.
    pub(crate) fn add(&mut self, handle: Handle, operation: Operation, after: Vec<usize>) {
        self.nodes.push(Node { handle, operation, after });
    }

    /// Where a node stands.
    pub(crate) fn index(&self, node: Handle) -> Outcome<usize> {
        match self.nodes.iter().position(|n| n.handle == node) {
            Some(index) => Ok(index),
            None => fault(Code::INVALID_VALUE, "the node is not of this graph"),
        }
    }

    /// Gives each node a lane: the first successor of a node goes on in its lane.
    fn lanes(&self) -> (Vec<Option<usize>>, usize) {
        let mut tails: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        let (mut lanes, mut count) = (Vec::new(), 0);
        for (index, node) in self.nodes.iter().enumerate() {
            let lane = match node.after.iter().find_map(|before| tails.remove(before)) {
                Some(lane) => lane,
                None if index == 0 => None,
                None => {
                    count += 1;
                    Some(count - 1)
                }
            };
            tails.insert(index, lane);
            lanes.push(lane);
        }
        (lanes, count)
    }
}

/// Flags of `cuGraphInstantiate` that change nothing here: free on launch (no graph allocates),
/// upload, node priorities.
const FLAGS: u64 = 1 | 2 | 8;

impl State {
    /// `cuGraphInstantiateWithFlags`: a copy that later changes of the graph leave alone.
    pub(crate) fn instantiate(
        &mut self,
        context: Handle,
        graph: Handle,
        flags: u64,
    ) -> Outcome<Handle> {
        if flags & !FLAGS != 0 {
            return fault(Code::INVALID_VALUE, format!("graph flags {flags:#x} are not emulated"));
        }
        let graph = find(&mut self.graphs, Kind::Graph, graph)?.clone();
        let (lane_of, count) = graph.lanes();
        let lanes = (0..count).map(|_| self.machine.create_stream()).collect();
        let handle = self.handle(Kind::Exec);
        self.execs.insert(handle, Exec { context, flags, graph, lane_of, lanes, last: None });
        Ok(handle)
    }

    /// `cuGraphExecUpdate`: takes over the operations of a graph of the same shape. The code of
    /// `CUgraphExecUpdateResult` and the node at fault otherwise.
    pub(crate) fn update_exec(
        &mut self,
        exec: Handle,
        graph: Handle,
    ) -> Outcome<Result<(), (u32, Handle)>> {
        let new = find(&mut self.graphs, Kind::Graph, graph)?.clone();
        let exec = find(&mut self.execs, Kind::Exec, exec)?;
        let old = &exec.graph;
        if old.nodes.len() != new.nodes.len() {
            return Ok(Err((2, Handle::NULL)));
        }
        for (old, new) in old.nodes.iter().zip(&new.nodes) {
            if old.after != new.after {
                return Ok(Err((2, new.handle)));
            }
            if old.operation.node_type() != new.operation.node_type() {
                return Ok(Err((3, new.handle)));
            }
        }
        for (old, new) in exec.graph.nodes.iter_mut().zip(new.nodes) {
            old.operation = new.operation;
        }
        Ok(Ok(()))
    }

    /// Changes the operation of a node of an executable graph.
    pub(crate) fn set_exec_node(
        &mut self,
        exec: Handle,
        node: Handle,
        operation: Operation,
    ) -> Outcome {
        let exec = find(&mut self.execs, Kind::Exec, exec)?;
        let index = exec.graph.index(node)?;
        replace(&mut exec.graph.nodes[index].operation, operation)
    }

    /// Changes the operation of a node of a graph.
    pub(crate) fn set_node(&mut self, node: Handle, operation: Operation) -> Outcome {
        for graph in self.graphs.values_mut() {
            if let Ok(index) = graph.index(node) {
                return replace(&mut graph.nodes[index].operation, operation);
            }
        }
        super::state::unknown(Kind::Node, node)
    }

    /// The node of that handle in whatever graph.
    pub(crate) fn node(&self, node: Handle) -> Outcome<(&Graph, usize)> {
        for graph in self.graphs.values() {
            if let Ok(index) = graph.index(node) {
                return Ok((graph, index));
            }
        }
        super::state::unknown(Kind::Node, node)
    }

    /// Adds a node to a graph that is built by hand.
    pub(crate) fn add_node(
        &mut self,
        graph: Handle,
        after: &[Handle],
        operation: Operation,
    ) -> Outcome<Handle> {
        let node = self.handle(Kind::Node);
        let graph = find(&mut self.graphs, Kind::Graph, graph)?;
        let after = after.iter().map(|node| graph.index(*node)).collect::<Outcome<Vec<_>>>()?;
        graph.add(node, operation, after);
        Ok(node)
    }
}

fn replace(old: &mut Operation, new: Operation) -> Outcome {
    if old.node_type() != new.node_type() {
        return fault(Code::INVALID_VALUE, "the node is of another type");
    }
    *old = new;
    Ok(())
}

/// `cuGraphLaunch`: runs the nodes in order. The device is locked for one node at a time, since
/// host functions run while it is free.
pub(crate) fn launch(library: &Library, device: u32, exec: Handle, stream: Handle) -> Outcome {
    let (graph, lanes, id, context, start) = {
        let mut state = library.lock(device)?;
        let id = state.begin(stream)?;
        if let Some(last) = find(&mut state.execs, Kind::Exec, exec)?.last.clone() {
            state.machine.wait(id, &last);
        }
        let start = state.machine.mark(id);
        let found = find(&mut state.execs, Kind::Exec, exec)?;
        let lane = |lane: &Option<usize>| lane.map_or(id, |lane| found.lanes[lane]);
        let lanes: Vec<StreamId> = found.lane_of.iter().map(lane).collect();
        (found.graph.clone(), lanes, id, found.context, start)
    };
    let mut done: Vec<Mark> = Vec::with_capacity(graph.nodes.len());
    for (node, lane) in graph.nodes.iter().zip(&lanes) {
        let host = {
            let mut state = library.lock(device)?;
            state.machine.wait(*lane, &start);
            for before in &node.after {
                state.machine.wait(*lane, &done[*before]);
            }
            let host = match state.context(context)?.failed {
                None => state.perform(context, *lane, &node.operation)?,
                // As on a GPU, what comes after a failure is not done.
                Some(_) => return Ok(()),
            };
            let mark = state.machine.mark(*lane);
            done.push(mark);
            host
        };
        if let Some(function) = host {
            function.run();
        }
    }
    let mut state = library.lock(device)?;
    for mark in &done {
        state.machine.wait(id, mark);
    }
    let end = state.machine.mark(id);
    // Another thread may have destroyed it meanwhile, which is fine.
    if let Some(exec) = state.execs.get_mut(&exec) {
        exec.last = Some(end);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(edges: &[&[usize]]) -> (Vec<Option<usize>>, usize) {
        let mut graph = Graph::default();
        for after in edges {
            graph.add(Handle::new(Kind::Node, 0), Operation::Empty, after.to_vec());
        }
        graph.lanes()
    }

    #[test]
    fn a_chain_needs_no_lane_and_branches_do() {
        assert_eq!(lanes(&[&[], &[0], &[1]]), (vec![None, None, None], 0));
        // A fork of two and their join.
        let fork = lanes(&[&[], &[0], &[0], &[1, 2]]);
        assert_eq!(fork, (vec![None, None, Some(0), None], 1));
        // Two roots.
        assert_eq!(lanes(&[&[], &[]]), (vec![None, Some(0)], 1));
    }
}
