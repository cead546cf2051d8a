//! What is between a function's braces: scopes, declarations, labels, source positions.

use std::collections::HashMap;

use super::ast::{
    Body, Function, Item, Label, Prototype, Refusal, Reg, Register, Source, Space, Type,
};
use super::cursor::Cursor;
use super::expression;
use super::function::prototype;
use super::module::{Global, Parser, pragma};
use super::names::{Named, NoLabel, Scope, Scopes};
use super::token::{Kind, refusal};
use super::variable::{declarator, head};

/// More registers in one function than this are a mistake, not a program.
const MOST_REGISTERS: usize = 1 << 20;
const TOO_MANY: &str = "more registers than a function can have";

/// The state of parsing one body.
pub(super) struct BodyParser<'p, 'a> {
    pub(super) cursor: &'p mut Cursor<'a>,
    pub(super) globals: &'p HashMap<String, Global>,
    pub(super) body: Body,
    pub(super) scopes: Scopes,
    /// Uses of labels, which may stand before the label does.
    uses: Vec<LabelUse<'a>>,
    /// The `.loc` in force.
    pub(super) source: Option<Source>,
    /// Outermost call of each place that was inlined: by file, line and column.
    calls: HashMap<[u32; 3], (u32, u32)>,
}

struct LabelUse<'a> {
    name: &'a str,
    line: u32,
    scope: Scope,
    /// How many labels had been passed.
    stood: usize,
    place: Place,
}

/// Where a label's number is to be written once it is known.
enum Place {
    /// The only operand of an item.
    Branch(usize),
    /// A list of branch targets, and which of them.
    Target(usize, usize),
}

impl Parser<'_> {
    /// From `{` to `}`.
    pub(super) fn body(&mut self, function: &Function) -> Result<Body, Refusal> {
        let mut parser = BodyParser {
            cursor: &mut self.cursor,
            globals: &self.globals,
            body: Body::default(),
            scopes: Scopes::new(),
            uses: Vec::new(),
            source: None,
            calls: HashMap::new(),
        };
        for param in function.returns.iter().chain(&function.params) {
            let named = Named::Variable(parser.scopes.unique(&param.name, false));
            parser.declare(&param.name, param.line, named)?;
        }
        parser.statements()?;
        parser.resolve_labels()?;
        Ok(parser.body)
    }
}

impl<'a> BodyParser<'_, 'a> {
    fn statements(&mut self) -> Result<(), Refusal> {
        self.cursor.expect(Kind::LeftBrace, "`{`")?;
        loop {
            match self.cursor.peek() {
                Kind::LeftBrace => {
                    self.cursor.skip();
                    self.scopes.open();
                }
                Kind::RightBrace => {
                    self.cursor.skip();
                    if !self.scopes.close() {
                        return Ok(());
                    }
                }
                Kind::Dotted => self.directive()?,
                Kind::Word if self.cursor.peek_second() == Kind::Colon => self.label()?,
                Kind::Word | Kind::At => self.instruction()?,
                _ => return Err(self.cursor.unexpected("a statement or `}`")),
            }
        }
    }

    fn directive(&mut self) -> Result<(), Refusal> {
        match self.cursor.peek_text() {
            ".reg" => self.registers(),
            ".local" => self.variables(Space::Local),
            ".shared" => self.variables(Space::Shared),
            ".param" => self.variables(Space::Param),
            ".loc" => self.location(),
            ".pragma" => pragma(self.cursor),
            _ => Err(self.cursor.refuse("this directive is not known in a function's body")),
        }
    }

    fn declare(&mut self, name: &str, line: u32, named: Named) -> Result<(), Refusal> {
        if self.scopes.declare(name.to_owned(), named) {
            Ok(())
        } else {
            Err(refusal(line, name, "declared twice in one scope"))
        }
    }

    /// `.reg .b32 a, %r<12>;`
    fn registers(&mut self) -> Result<(), Refusal> {
        self.cursor.skip();
        let ty = Type::from_name(self.cursor.peek_text().trim_start_matches('.'));
        let Some(ty) = ty.filter(|ty| !matches!(ty, Type::Bf16 | Type::Bf16x2 | Type::Tf32)) else {
            return Err(self.cursor.unexpected("the type of a register, one value wide"));
        };
        self.cursor.skip();
        loop {
            let line = self.cursor.line();
            let name = self.cursor.expect(Kind::Word, "the name of a register")?;
            if self.cursor.accept(Kind::Less) {
                let count = expression::small(self.cursor)?;
                self.cursor.expect(Kind::Greater, "`>`")?;
                if count as usize > MOST_REGISTERS - self.body.registers.len() {
                    return Err(refusal(line, name, TOO_MANY));
                }
                for number in 0..count {
                    self.register(format!("{name}{number}"), line, ty)?;
                }
            } else {
                self.register(name.to_owned(), line, ty)?;
            }
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        self.cursor.expect(Kind::Semicolon, "`;`")?;
        Ok(())
    }

    fn register(&mut self, name: String, line: u32, ty: Type) -> Result<(), Refusal> {
        let number = self.body.registers.len();
        if number == MOST_REGISTERS {
            return Err(refusal(line, &name, TOO_MANY));
        }
        self.declare(&name, line, Named::Reg(Reg(number as u32)))?;
        self.body.registers.push(Register { name, ty });
        Ok(())
    }

    /// `.shared .align 16 .b8 a[64], b[64];`
    fn variables(&mut self, space: Space) -> Result<(), Refusal> {
        self.cursor.skip();
        let head = head(self.cursor, space)?;
        loop {
            let declarator = declarator(self.cursor)?;
            let mut variable = head.variable(&declarator, space)?;
            if variable.size.is_none() {
                return Err(refusal(variable.line, &variable.name, "an array without a length"));
            }
            if self.cursor.peek() == Kind::Equals {
                return Err(self.cursor.refuse("this variable takes no initial value"));
            }
            let known = self.globals.contains_key(declarator.name);
            variable.name = self.scopes.unique(declarator.name, known);
            let named = Named::Variable(variable.name.clone());
            self.declare(declarator.name, declarator.line, named)?;
            self.body.variables.push(variable);
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        self.cursor.expect(Kind::Semicolon, "`;`")?;
        Ok(())
    }

    /// `.loc 1 20 5, function_name $L__info_string0, inlined_at 1 30 7`
    fn location(&mut self) -> Result<(), Refusal> {
        self.cursor.skip();
        let file = expression::small(self.cursor)?;
        let line = expression::small(self.cursor)?;
        let column = expression::small(self.cursor)?;
        let mut call = None;
        while self.cursor.accept(Kind::Comma) {
            match self.cursor.peek_text() {
                "function_name" => {
                    self.cursor.skip();
                    self.cursor.expect(Kind::Word, "a label of the debug strings")?;
                    if self.cursor.accept(Kind::Plus) {
                        expression::small(self.cursor)?;
                    }
                }
                "inlined_at" => {
                    self.cursor.skip();
                    let mut place = [0; 3];
                    for part in &mut place {
                        *part = expression::small(self.cursor)?;
                    }
                    call = Some(self.calls.get(&place).copied().unwrap_or((place[0], place[1])));
                }
                _ => return Err(self.cursor.unexpected("`function_name` or `inlined_at`")),
            }
        }
        match call {
            Some(call) => self.calls.insert([file, line, column], call),
            None => self.calls.remove(&[file, line, column]),
        };
        // Line 0 says that the compiler knows none.
        self.source = (line > 0).then_some(Source { file, line, call });
        Ok(())
    }

    /// `name:` and, if one follows, the list it names.
    fn label(&mut self) -> Result<(), Refusal> {
        let line = self.cursor.line();
        let name = self.cursor.take();
        self.cursor.skip();
        let list = self.cursor.peek_text();
        if !matches!(list, ".branchtargets" | ".callprototype" | ".calltargets") {
            let label = Label(self.body.labels.len() as u32);
            self.declare(name, line, Named::Label(label))?;
            self.body.labels.push(name.to_owned());
            self.body.items.push(Item::Label(label));
            return Ok(());
        }
        self.cursor.skip();
        let unique = self.scopes.unique(name, self.globals.contains_key(name));
        if list == ".branchtargets" {
            self.declare(name, line, Named::Branches(unique.clone()))?;
            self.branch_targets(unique)?;
        } else {
            self.declare(name, line, Named::Calls(unique.clone()))?;
            let prototype = match list {
                ".callprototype" => prototype(self.cursor)?,
                _ => self.call_targets()?,
            };
            self.body.call_prototypes.push((unique, prototype));
        }
        self.cursor.expect(Kind::Semicolon, "`;`")?;
        Ok(())
    }

    fn branch_targets(&mut self, name: String) -> Result<(), Refusal> {
        let list = self.body.branch_targets.len();
        let mut count = 0;
        loop {
            self.use_label(Place::Target(list, count))?;
            count += 1;
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        // Each is written when all labels stand.
        self.body.branch_targets.push((name, vec![Label(0); count]));
        Ok(())
    }

    fn call_targets(&mut self) -> Result<Prototype, Refusal> {
        let mut targets = Vec::new();
        loop {
            match self.globals.get(self.cursor.peek_text()) {
                Some(Global::Function(_)) => targets.push(self.cursor.take().to_owned()),
                _ => return Err(self.cursor.unexpected("the name of a declared function")),
            }
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        Ok(Prototype { targets, ..Prototype::default() })
    }

    /// The label that the next instruction branches to.
    pub(super) fn branch_target(&mut self) -> Result<(), Refusal> {
        self.use_label(Place::Branch(self.body.items.len()))
    }

    fn use_label(&mut self, place: Place) -> Result<(), Refusal> {
        let line = self.cursor.line();
        let name = self.cursor.expect(Kind::Word, "a label")?;
        let (scope, stood) = (self.scopes.current(), self.body.labels.len());
        self.uses.push(LabelUse { name, line, scope, stood, place });
        Ok(())
    }

    fn resolve_labels(&mut self) -> Result<(), Refusal> {
        use super::ast::Operand;
        for label_use in &self.uses {
            let LabelUse { name, line, scope, stood, place } = label_use;
            let label = self.scopes.label(*scope, name, *stood).map_err(|error| {
                let why = match error {
                    NoLabel::Missing => "no label of that name is visible here",
                    NoLabel::Other => "not a label",
                    NoLabel::Ambiguous => "a nearer scope declares this label again further down",
                };
                refusal(*line, name, why)
            })?;
            match place {
                Place::Branch(item) => {
                    if let Item::Inst(inst) = &mut self.body.items[*item] {
                        inst.operands = vec![Operand::Label(label)];
                    }
                }
                Place::Target(list, place) => self.body.branch_targets[*list].1[*place] = label,
            }
        }
        Ok(())
    }
}
