//! An order of basic blocks in which running the lanes with the lowest position first makes a
//! warp's lanes meet again: a weak topological order, in which every loop is contiguous and whatever
//! comes after a loop or a branch comes later (Bourdoncle, "Efficient chaotic iteration strategies
//! with widenings", 1993).

/// Blocks reachable from block 0, in order. `successors[b]` lists where block `b` may go on; of a
/// branch the fall-through last, so that it is placed next.
pub(crate) fn weak_topological(successors: &[Vec<usize>]) -> Vec<usize> {
    let mut search =
        Search { successors, number: vec![0; successors.len()], next: 0, stack: Vec::new() };
    let mut reversed = Vec::new();
    if !successors.is_empty() {
        search.visit(0, &mut reversed);
    }
    reversed.reverse();
    reversed
}

const DONE: usize = usize::MAX;

struct Search<'a> {
    successors: &'a [Vec<usize>],
    /// 0 = not seen.
    number: Vec<usize>,
    next: usize,
    stack: Vec<usize>,
}

impl Search<'_> {
    /// Appends the components found from `block`, last first. Returns the lowest number reached.
    fn visit(&mut self, block: usize, reversed: &mut Vec<usize>) -> usize {
        self.stack.push(block);
        self.next += 1;
        self.number[block] = self.next;
        let mut head = self.next;
        let mut is_loop = false;
        for i in 0..self.successors[block].len() {
            let next = self.successors[block][i];
            let low = match self.number[next] {
                0 => self.visit(next, reversed),
                number => number,
            };
            if low <= head {
                head = low;
                is_loop = true;
            }
        }
        if head == self.number[block] {
            self.number[block] = DONE;
            while let Some(element) = self.stack.pop() {
                if element == block {
                    break;
                }
                self.number[element] = 0;
            }
            if is_loop {
                // The loop without its head is ordered in the same way; its inner blocks are
                // visited anew, those outside are DONE.
                let mut inner = Vec::new();
                for i in 0..self.successors[block].len() {
                    let next = self.successors[block][i];
                    if self.number[next] == 0 {
                        self.visit(next, &mut inner);
                    }
                }
                reversed.extend(inner);
            }
            reversed.push(block);
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::weak_topological;

    #[test]
    fn join_comes_after_both_sides() {
        // 0 -> 2 | 1; 1 -> 3; 2 -> 3
        assert_eq!(weak_topological(&[vec![2, 1], vec![3], vec![3], vec![]]), [0, 1, 2, 3]);
    }

    #[test]
    fn loops_are_contiguous_and_exits_come_after() {
        // 0 -> 1; 1 -> 4 (break) | 2; 2 -> 1 (back) | 3 ; 3 -> 4
        let order = weak_topological(&[vec![1], vec![4, 2], vec![1, 3], vec![4], vec![]]);
        assert_eq!(order, [0, 1, 2, 3, 4]);
        // The exit stands before the latch in the text: 0 -> 1; 1 -> 2 (exit) | 3; 3 -> 1
        let order = weak_topological(&[vec![1], vec![2, 3], vec![], vec![1]]);
        assert_eq!(order, [0, 1, 3, 2]);
    }

    #[test]
    fn irregular_flow_has_every_block_once() {
        // Two entries into a loop.
        let mut order = weak_topological(&[vec![2, 1], vec![2], vec![1, 3], vec![]]);
        assert_eq!(order.last(), Some(&3));
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
