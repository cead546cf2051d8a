//! The tree of a PTX module. Names are resolved as far as scoping goes (registers, labels); what an
//! instruction means is left to those who lower it.

/// A whole `.ptx` text.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// `.version 9.0`
    pub version: (u16, u16),
    /// `.target sm_80`, the first word.
    pub target: String,
    /// `.file` table: index, path.
    pub files: Vec<(u32, String)>,
    /// Module-scope variables: `.global`, `.const`, `.shared`.
    pub variables: Vec<Variable>,
    /// `.entry` and `.func`, with bodies or only declared.
    pub functions: Vec<Function>,
}

/// State space of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// `.const`
    Const,
    /// `.global`
    Global,
    /// `.local`
    Local,
    /// `.param`
    Param,
    /// `.shared`
    Shared,
}

/// A fundamental type, as a register or variable is declared with or an opcode is suffixed by.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    Tf32,
    F32,
    F64,
}

impl Type {
    /// From its PTX name without the dot: `u32`, `bf16x2`, `pred`.
    pub fn from_name(name: &str) -> Option<Type> {
        Some(match name {
            "pred" => Type::Pred,
            "b8" => Type::B8,
            "b16" => Type::B16,
            "b32" => Type::B32,
            "b64" => Type::B64,
            "b128" => Type::B128,
            "u8" => Type::U8,
            "u16" => Type::U16,
            "u32" => Type::U32,
            "u64" => Type::U64,
            "s8" => Type::S8,
            "s16" => Type::S16,
            "s32" => Type::S32,
            "s64" => Type::S64,
            "f16" => Type::F16,
            "f16x2" => Type::F16x2,
            "bf16" => Type::Bf16,
            "bf16x2" => Type::Bf16x2,
            "tf32" => Type::Tf32,
            "f32" => Type::F32,
            "f64" => Type::F64,
            _ => return None,
        })
    }

    /// Width in bits; 1 for a predicate.
    pub fn bits(self) -> u32 {
        match self {
            Type::Pred => 1,
            Type::B8 | Type::U8 | Type::S8 => 8,
            Type::B16 | Type::U16 | Type::S16 | Type::F16 | Type::Bf16 => 16,
            Type::B32
            | Type::U32
            | Type::S32
            | Type::F16x2
            | Type::Bf16x2
            | Type::Tf32
            | Type::F32 => 32,
            Type::B64 | Type::U64 | Type::S64 | Type::F64 => 64,
            Type::B128 => 128,
        }
    }

    /// Width in bytes; 1 for a predicate.
    pub fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// `.s8` to `.s64`.
    pub fn is_signed(self) -> bool {
        matches!(self, Type::S8 | Type::S16 | Type::S32 | Type::S64)
    }
}

/// A variable or parameter in memory.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name, unique in its module or function.
    pub name: String,
    /// Where it lives.
    pub space: Space,
    /// Element type.
    pub ty: Type,
    /// Alignment in bytes: `.align`, else that of its type (times the vector length).
    pub align: u32,
    /// Size in bytes; None for an `extern` array without length (dynamic shared memory).
    pub size: Option<u64>,
    /// `.extern`
    pub is_extern: bool,
    /// Initial content, ascending in offset, without overlaps; what it leaves out is zero.
    pub init: Vec<Init>,
    /// Line of its declaration, from 1.
    pub line: u32,
}

/// One initialised stretch of a variable.
#[derive(Debug, Clone)]
pub struct Init {
    /// Offset in bytes from the start of the variable.
    pub offset: u64,
    /// What is there.
    pub value: InitValue,
}

/// The value of an initialised stretch.
#[derive(Debug, Clone)]
pub enum InitValue {
    /// Plain bytes, little endian.
    Bytes(Vec<u8>),
    /// The 8-byte address of a variable or function, plus an addend in bytes; `generic(name)` sets
    /// `generic`.
    Address {
        /// The variable or function.
        name: String,
        /// Bytes added to its address.
        addend: i64,
        /// A generic address instead of one in the variable's own space.
        generic: bool,
    },
}

/// `.entry` or `.func`.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its (mangled) name.
    pub name: String,
    /// `.entry`, launchable from the host.
    pub is_entry: bool,
    /// `.param` (or `.reg`, kept as a variable too) inputs in order.
    pub params: Vec<Variable>,
    /// Return values in order; empty for an entry.
    pub returns: Vec<Variable>,
    /// None for a declaration.
    pub body: Option<Body>,
    /// `.maxntid`
    pub max_threads: Option<[u32; 3]>,
    /// `.reqntid`
    pub required_threads: Option<[u32; 3]>,
    /// `.minnctapersm`
    pub min_blocks: Option<u32>,
    /// Line of its head, from 1.
    pub line: u32,
}

/// Index into [`Body::registers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u32);

/// Index into [`Body::labels`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// What is between a function's braces, nested scopes flattened.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// Every register of every scope; two of one name in different scopes are two.
    pub registers: Vec<Register>,
    /// `.local`, `.shared` and `.param` variables declared inside. A name that a nested scope
    /// declares again is made unique, here and in the operands that mean it.
    pub variables: Vec<Variable>,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Labels and instructions in order of the text.
    pub items: Vec<Item>,
    /// `.branchtargets` lists, by the label in front of them.
    pub branch_targets: Vec<(String, Vec<Label>)>,
    /// `.callprototype` and `.calltargets`, by the label in front of them.
    pub call_prototypes: Vec<(String, Prototype)>,
}

/// A declared register.
#[derive(Debug, Clone)]
pub struct Register {
    /// With its percent sign.
    pub name: String,
    /// As declared.
    pub ty: Type,
}

/// What an indirect call may assume of its target.
#[derive(Debug, Clone, Default)]
pub struct Prototype {
    /// Return values.
    pub returns: Vec<Variable>,
    /// Inputs.
    pub params: Vec<Variable>,
    /// `.calltargets`: the functions it may be; empty for a prototype.
    pub targets: Vec<String>,
}

/// One thing in a body.
#[derive(Debug, Clone)]
pub enum Item {
    /// A label stands here.
    Label(Label),
    /// An instruction stands here.
    Inst(Inst),
}

/// `@guard`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The predicate register.
    pub reg: Reg,
    /// `@!p`
    pub negated: bool,
}

/// A place in the CUDA source, from `.loc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Index into [`Module::files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Where it was inlined, the outermost call: file and line in the kernel or function itself.
    pub call: Option<(u32, u32)>,
}

/// `@%p1 add.rn.f32 %f1, %f2, %f3;` is guard, opcode `add`, modifiers `rn`, `f32`, three operands.
#[derive(Debug, Clone)]
pub struct Inst {
    /// Lanes whose guard is false do nothing.
    pub guard: Option<Guard>,
    /// Up to the first dot.
    pub opcode: String,
    /// The dotted rest, without dots: `L1::no_allocate` is one.
    pub modifiers: Vec<String>,
    /// In order. A call has `(returns)`, target, `(arguments)`, prototype as operands 0 to 3:
    /// [`Operand::List`] (empty if absent), [`Operand::Symbol`] or [`Operand::Reg`],
    /// [`Operand::List`], and if present a [`Operand::Symbol`] that names an entry of
    /// [`Body::call_prototypes`].
    pub operands: Vec<Operand>,
    /// Line of the text, from 1.
    pub line: u32,
    /// The `.loc` in force, innermost (the inlined callee's line).
    pub source: Option<Source>,
}

impl Inst {
    /// Is `name` among the modifiers?
    pub fn has(&self, name: &str) -> bool {
        self.modifiers.iter().any(|m| m == name)
    }

    /// Opcode and modifiers as written: `add.rn.f32`.
    pub fn mnemonic(&self) -> String {
        let mut text = self.opcode.clone();
        for m in &self.modifiers {
            text.push('.');
            text.push_str(m);
        }
        text
    }

    /// The modifiers that are types, in order: `cvt.rn.f32.s32` has F32, S32.
    pub fn types(&self) -> Vec<Type> {
        self.modifiers.iter().filter_map(|m| Type::from_name(m)).collect()
    }
}

/// What an instruction reads or writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A declared register.
    Reg(Reg),
    /// `!%p`, or `-%r`-like negation never occurs.
    NotReg(Reg),
    /// Integer literal (or folded constant expression), as 64-bit two's complement.
    Int(i64),
    /// `0f3F800000`, or a decimal literal's f32 bits where it has an exponent or point (also `F64`).
    F32(u32),
    /// `0d3FF0000000000000`
    F64(u64),
    /// A special register by its name without the percent sign: `tid.x`, `laneid`, `envreg1`.
    Special(String),
    /// A variable, function, or the name of a target list or prototype; plus an addend in bytes.
    Symbol {
        /// Its name.
        name: String,
        /// `name+4`
        addend: i64,
    },
    /// `[base+offset]`
    Address {
        /// Register, variable or absolute.
        base: Base,
        /// Bytes.
        offset: i64,
    },
    /// `{a, b}`
    Vector(Vec<Operand>),
    /// `d|p`
    Pair(Box<Operand>, Box<Operand>),
    /// `_`
    Sink,
    /// A branch target.
    Label(Label),
    /// `(a, b)` of a call.
    List(Vec<Operand>),
}

/// The base of an address operand.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// A register.
    Reg(Reg),
    /// A variable.
    Symbol(String),
    /// None: the offset is the address.
    Absolute,
}

/// Why a text was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Line of the PTX text, from 1.
    pub line: u32,
    /// What stands there (an instruction's mnemonic, a directive, a token).
    pub what: String,
    /// Why it is refused.
    pub why: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PTX line {}: `{}`: {}", self.line, self.what, self.why)
    }
}

impl std::error::Error for Refusal {}
