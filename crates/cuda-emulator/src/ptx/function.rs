//! Functions: heads, parameters, performance directives, and which declaration is the function.

use super::ast::{Function, Prototype, Refusal, Space, Variable};
use super::cursor::Cursor;
use super::expression;
use super::module::{Global, Linkage, Parser, pragma};
use super::token::{Kind, refusal};
use super::variable::{declarator, head};

impl Parser<'_> {
    /// `.entry` or `.func`, with a body or without.
    pub(super) fn function(&mut self, linkage: Linkage) -> Result<(), Refusal> {
        let line = self.cursor.line();
        let is_entry = self.cursor.take() == ".entry";
        if self.cursor.peek_text() == ".attribute" {
            return Err(self.cursor.refuse("functions with attributes are not emulated"));
        }
        let returns = if is_entry { Vec::new() } else { parameters(&mut self.cursor)? };
        let name = self.cursor.expect(Kind::Word, "the name of a function")?.to_owned();
        let mut function = Function {
            name,
            is_entry,
            params: parameters(&mut self.cursor)?,
            returns,
            body: None,
            max_threads: None,
            required_threads: None,
            min_blocks: None,
            line,
        };
        self.check_open_arrays(&function)?;
        self.directives(&mut function)?;
        let place = self.declare_function(&function)?;
        if self.cursor.accept(Kind::Semicolon) {
            return Ok(());
        }
        if linkage.is_extern || self.module.functions[place].body.is_some() {
            return Err(refusal(line, &function.name, "no body can stand here, or a second one"));
        }
        function.body = Some(self.body(&function)?);
        self.module.functions[place] = function;
        Ok(())
    }

    /// Makes the name known, so that the body may call its own function, and returns its place.
    fn declare_function(&mut self, function: &Function) -> Result<usize, Refusal> {
        let name = &function.name;
        let refuse = |why| Err(refusal(function.line, name, why));
        match self.globals.get(name) {
            None => {
                let place = self.module.functions.len();
                self.globals.insert(name.clone(), Global::Function(place));
                self.module.functions.push(function.clone());
                Ok(place)
            }
            Some(Global::Variable(_)) => refuse("a variable has this name"),
            Some(Global::Function(place)) => {
                let known = &self.module.functions[*place];
                let same = known.is_entry == function.is_entry
                    && alike(&known.params, &function.params)
                    && alike(&known.returns, &function.returns);
                if same { Ok(*place) } else { refuse("declared before with other parameters") }
            }
        }
    }

    /// Arguments of a variable number come as an array without length, last in a `.func`.
    fn check_open_arrays(&self, function: &Function) -> Result<(), Refusal> {
        let last = function.params.len().wrapping_sub(1);
        let params = function.params.iter().enumerate();
        let allowed = |place: usize| !function.is_entry && place == last;
        let open = params.filter(|(place, p)| p.size.is_none() && !allowed(*place));
        let returns = function.returns.iter().filter(|r| r.size.is_none());
        match open.map(|(_, p)| p).chain(returns).next() {
            Some(p) => Err(refusal(p.line, &p.name, "an array without a length cannot be here")),
            None => Ok(()),
        }
    }

    /// `.maxntid 256`, `.minnctapersm 2`, `.noreturn` and their like.
    fn directives(&mut self, function: &mut Function) -> Result<(), Refusal> {
        loop {
            if self.cursor.peek() != Kind::Dotted {
                break;
            }
            match self.cursor.peek_text() {
                ".maxntid" => function.max_threads = Some(self.extent()?),
                ".reqntid" => function.required_threads = Some(self.extent()?),
                ".minnctapersm" => {
                    self.cursor.skip();
                    function.min_blocks = Some(expression::small(&mut self.cursor)?);
                }
                // How many registers the compiler may use does not change what runs.
                ".maxnreg" | ".maxnctapersm" | ".abi_preserve" | ".abi_preserve_control" => {
                    self.cursor.skip();
                    expression::small(&mut self.cursor)?;
                }
                ".noreturn" => self.cursor.skip(),
                ".pragma" => pragma(&mut self.cursor)?,
                _ => return Err(self.cursor.refuse("this directive of a function is not known")),
            }
        }
        match self.cursor.peek() {
            Kind::Semicolon | Kind::LeftBrace => Ok(()),
            _ => Err(self.cursor.unexpected("`{` or `;`")),
        }
    }

    /// `256`, `16, 16` or `8, 8, 4`, behind a directive.
    fn extent(&mut self) -> Result<[u32; 3], Refusal> {
        self.cursor.skip();
        let mut extent = [1; 3];
        for (place, length) in extent.iter_mut().enumerate() {
            if place > 0 && !self.cursor.accept(Kind::Comma) {
                break;
            }
            *length = expression::small(&mut self.cursor)?;
        }
        Ok(extent)
    }
}

/// `(.param .b32 a, .param .align 8 .b8 b[16])`, or nothing at all.
pub(super) fn parameters(cursor: &mut Cursor<'_>) -> Result<Vec<Variable>, Refusal> {
    let mut list = Vec::new();
    if !cursor.accept(Kind::LeftParen) || cursor.accept(Kind::RightParen) {
        return Ok(list);
    }
    loop {
        if cursor.peek_text() == ".reg" {
            return Err(cursor.refuse("parameters in registers are not emulated"));
        }
        if !cursor.accept_dotted(".param") {
            return Err(cursor.unexpected("`.param`"));
        }
        let head = head(cursor, Space::Param)?;
        list.push(head.variable(&declarator(cursor)?, Space::Param)?);
        if !cursor.accept(Kind::Comma) {
            break;
        }
    }
    cursor.expect(Kind::RightParen, "`)` or `,`")?;
    Ok(list)
}

/// Behind `.callprototype`: `(.param .b32 _) _ (.param .b64 _, .param .b32 _)`.
pub(super) fn prototype(cursor: &mut Cursor<'_>) -> Result<Prototype, Refusal> {
    let returns = parameters(cursor)?;
    if cursor.peek_text() != "_" {
        return Err(cursor.unexpected("`_`, the name of every prototype"));
    }
    cursor.skip();
    let params = parameters(cursor)?;
    while matches!(cursor.peek_text(), ".noreturn" | ".abi_preserve" | ".abi_preserve_control") {
        if cursor.take() != ".noreturn" {
            expression::small(cursor)?;
        }
    }
    Ok(Prototype { returns, params, targets: Vec::new() })
}

fn alike(one: &[Variable], other: &[Variable]) -> bool {
    let shape = |v: &Variable| (v.ty, v.size);
    one.iter().map(shape).eq(other.iter().map(shape))
}
