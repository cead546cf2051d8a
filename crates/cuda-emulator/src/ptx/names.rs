//! What the names of a function body mean, scope by scope.
//!
//! A scope is a pair of braces; the parameters are in the outermost one. Registers, variables, lists
//! of targets and labels share one space of names. All but labels are declared before their use.

use std::collections::HashMap;

use super::ast::{Label, Reg};

/// What a name in a body stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Named {
    /// A register.
    Reg(Reg),
    /// A variable or parameter, by the name it has in the tree.
    Variable(String),
    /// A label.
    Label(Label),
    /// A list of branch targets, by the name it has in the tree.
    Branches(String),
    /// A prototype or list of call targets, by the name it has in the tree.
    Calls(String),
}

/// Identifies a scope for good, also after it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope(usize);

#[derive(Default)]
struct Names {
    outer: Option<usize>,
    names: HashMap<String, Named>,
}

/// Why a label cannot be found.
pub(super) enum NoLabel {
    /// No visible scope has it.
    Missing,
    /// The name is no label.
    Other,
    /// An enclosing scope had it before the use, a nearer one only after.
    Ambiguous,
}

/// All scopes of one body.
pub(super) struct Scopes {
    /// Closed ones stay, for labels used before they stand.
    all: Vec<Names>,
    current: usize,
    /// Names of the tree's variables and lists, and how often each was asked for.
    taken: HashMap<String, u32>,
}

impl Scopes {
    pub(super) fn new() -> Self {
        Scopes { all: vec![Names::default()], current: 0, taken: HashMap::new() }
    }

    pub(super) fn open(&mut self) {
        self.all.push(Names { outer: Some(self.current), names: HashMap::new() });
        self.current = self.all.len() - 1;
    }

    /// False if only the outermost scope was open.
    pub(super) fn close(&mut self) -> bool {
        match self.all[self.current].outer {
            Some(outer) => {
                self.current = outer;
                true
            }
            None => false,
        }
    }

    pub(super) fn current(&self) -> Scope {
        Scope(self.current)
    }

    /// False if the current scope has that name already.
    pub(super) fn declare(&mut self, name: String, named: Named) -> bool {
        use std::collections::hash_map::Entry;
        match self.all[self.current].names.entry(name) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(named);
                true
            }
        }
    }

    /// A name for the tree that none before it has; `avoid` keeps it off the module's names.
    pub(super) fn unique(&mut self, name: &str, avoid: bool) -> String {
        let count = self.taken.entry(name.to_owned()).or_insert(u32::from(avoid));
        *count += 1;
        // A dot is in no name of the text.
        if *count == 1 { name.to_owned() } else { format!("{name}.{count}") }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Named> {
        self.outward(Scope(self.current)).find_map(|scope| scope.get(name))
    }

    /// The label `name` as seen from `scope`, for a use when `stood` labels had been passed.
    pub(super) fn label(&self, scope: Scope, name: &str, stood: usize) -> Result<Label, NoLabel> {
        let mut found = self.outward(scope).filter_map(|scope| scope.get(name));
        let near = match found.next() {
            Some(Named::Label(label)) => *label,
            Some(_) => return Err(NoLabel::Other),
            None => return Err(NoLabel::Missing),
        };
        let passed = |label: Label| (label.0 as usize) < stood;
        let mut far = found.filter(|named| matches!(named, Named::Label(label) if passed(*label)));
        if !passed(near) && far.next().is_some() { Err(NoLabel::Ambiguous) } else { Ok(near) }
    }

    fn outward(&self, scope: Scope) -> impl Iterator<Item = &HashMap<String, Named>> {
        std::iter::successors(Some(&self.all[scope.0]), |scope| scope.outer.map(|o| &self.all[o]))
            .map(|scope| &scope.names)
    }
}
