//! The outermost level of a text: what holds for the whole module, its variables, its functions.

use std::collections::HashMap;

use super::ast::{Module, Refusal, Space, Variable};
use super::cursor::Cursor;
use super::expression;
use super::token::{Kind, refusal};
use super::variable::{declarator, head};

/// What a name of the module stands for, by its place in the tree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Global {
    Variable(usize),
    Function(usize),
}

/// The state of parsing one text.
pub(super) struct Parser<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) module: Module,
    /// Everything declared so far outside of functions.
    pub(super) globals: HashMap<String, Global>,
}

/// How others see a variable or function.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Linkage {
    pub(super) is_extern: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Refusal> {
        Ok(Parser {
            cursor: Cursor::new(text)?,
            module: Module::default(),
            globals: HashMap::new(),
        })
    }

    pub(super) fn module(mut self) -> Result<Module, Refusal> {
        self.preamble()?;
        while self.cursor.peek() != Kind::End {
            self.item()?;
        }
        Ok(self.module)
    }

    /// `.version` and `.target`, which start every text.
    fn preamble(&mut self) -> Result<(), Refusal> {
        if !self.cursor.accept_dotted(".version") {
            return Err(self.cursor.unexpected("`.version`, with which PTX begins"));
        }
        let fault = self.cursor.refuse("not a version of PTX");
        let version = self.cursor.take().split_once('.');
        self.module.version = version
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .ok_or(fault)?;
        if !self.cursor.accept_dotted(".target") {
            return Err(self.cursor.unexpected("`.target`"));
        }
        self.module.target = self.cursor.expect(Kind::Word, "a target")?.to_owned();
        while self.cursor.accept(Kind::Comma) {
            match self.cursor.peek_text() {
                "debug" | "texmode_unified" | "texmode_independent" => self.cursor.skip(),
                _ => return Err(self.cursor.refuse("this target option is not emulated")),
            }
        }
        Ok(())
    }

    fn item(&mut self) -> Result<(), Refusal> {
        let mut linkage = Linkage::default();
        loop {
            match self.cursor.peek_text() {
                ".extern" => linkage.is_extern = true,
                ".visible" | ".weak" | ".common" => {}
                _ => break,
            }
            self.cursor.skip();
        }
        let directive = self.cursor.peek_text();
        if self.cursor.peek() != Kind::Dotted {
            return Err(self.cursor.unexpected("a directive"));
        }
        match directive {
            ".global" => self.variables(Space::Global, linkage),
            ".const" => self.variables(Space::Const, linkage),
            ".shared" => self.variables(Space::Shared, linkage),
            ".entry" | ".func" => self.function(linkage),
            ".address_size" => {
                self.cursor.skip();
                match self.cursor.peek_text() {
                    "64" => self.cursor.skip(),
                    _ => return Err(self.cursor.refuse("only 64-bit addresses are emulated")),
                }
                Ok(())
            }
            ".file" => self.file(),
            ".section" => self.section(),
            ".pragma" => pragma(&mut self.cursor),
            _ => Err(self.cursor.refuse("this directive is not known here")),
        }
    }

    /// `.file 1 "path"`, perhaps with a time stamp and a size.
    fn file(&mut self) -> Result<(), Refusal> {
        self.cursor.skip();
        let index = expression::small(&mut self.cursor)?;
        let path = self.cursor.expect(Kind::Text, "the path of a file")?;
        let path = path.trim_matches('"').to_owned();
        self.module.files.push((index, path));
        while self.cursor.accept(Kind::Comma) {
            expression::integer(&mut self.cursor)?;
        }
        Ok(())
    }

    /// Debug information, which only debuggers read.
    fn section(&mut self) -> Result<(), Refusal> {
        self.cursor.skip();
        if !self.cursor.peek_text().starts_with(".debug_") {
            return Err(self.cursor.unexpected("the name of a debug section"));
        }
        self.cursor.skip();
        self.cursor.expect(Kind::LeftBrace, "`{`")?;
        while self.cursor.peek() != Kind::RightBrace {
            if self.cursor.peek() == Kind::End {
                return Err(self.cursor.unexpected("the section's `}`"));
            }
            self.cursor.skip();
        }
        self.cursor.skip();
        Ok(())
    }

    fn variables(&mut self, space: Space, linkage: Linkage) -> Result<(), Refusal> {
        self.cursor.skip();
        let head = head(&mut self.cursor, space)?;
        loop {
            let declarator = declarator(&mut self.cursor)?;
            let mut variable = head.variable(&declarator, space)?;
            variable.is_extern = linkage.is_extern;
            if self.cursor.peek() == Kind::Equals {
                if linkage.is_extern || space == Space::Shared {
                    return Err(self.cursor.refuse("this variable takes no initial value"));
                }
                self.cursor.skip();
                self.initialiser(&mut variable, &head, &declarator)?;
            }
            if variable.size.is_none() && !linkage.is_extern {
                let why = "an array without a length must be `.extern` or have an initial value";
                return Err(refusal(variable.line, &variable.name, why));
            }
            self.add_variable(variable)?;
            if !self.cursor.accept(Kind::Comma) {
                break;
            }
        }
        self.cursor.expect(Kind::Semicolon, "`;`")?;
        Ok(())
    }

    /// A name may be declared `.extern` any number of times and defined once.
    fn add_variable(&mut self, variable: Variable) -> Result<(), Refusal> {
        let line = variable.line;
        let place = match self.globals.get(&variable.name) {
            None => {
                let place = self.module.variables.len();
                self.globals.insert(variable.name.clone(), Global::Variable(place));
                self.module.variables.push(variable);
                return Ok(());
            }
            Some(Global::Variable(place)) => *place,
            Some(Global::Function(_)) => {
                return Err(refusal(line, &variable.name, "a function has this name"));
            }
        };
        let known = &mut self.module.variables[place];
        let refuse = |why| Err(refusal(line, &variable.name, why));
        if (known.space, known.ty) != (variable.space, variable.ty) {
            return refuse("declared before with another type or state space");
        }
        if !known.is_extern && !variable.is_extern {
            return refuse("defined twice");
        }
        if known.is_extern && !variable.is_extern {
            *known = variable;
        }
        Ok(())
    }
}

/// `.pragma "nounroll";` Pragmas advise the optimiser; PTX lets those not known be ignored.
pub(super) fn pragma(cursor: &mut Cursor<'_>) -> Result<(), Refusal> {
    cursor.skip();
    loop {
        cursor.expect(Kind::Text, "a string")?;
        if !cursor.accept(Kind::Comma) {
            break;
        }
    }
    cursor.expect(Kind::Semicolon, "`;`")?;
    Ok(())
}

/// `+4`, any number of times, behind the name of a variable.
pub(super) fn addend(cursor: &mut Cursor<'_>) -> Result<i64, Refusal> {
    if !cursor.accept(Kind::Plus) {
        return Ok(0);
    }
    // Further terms are part of the expression.
    expression::integer(cursor)
}
