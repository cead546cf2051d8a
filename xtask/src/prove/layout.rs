//! Where the arguments of a kernel lie, read from its CUDA source: the members of a struct, or a list
//! of parameters. Launches name them, so no offset is written down twice.

/// One scalar or pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bytes from the start of the struct; 0 for a parameter of its own.
    pub(super) offset: u32,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pointer,
    /// By its PTX name: `u32`, `u64`, `f32`.
    Scalar(&'static str),
}

impl Kind {
    fn bytes(self) -> u32 {
        match self {
            Kind::Scalar("u32" | "f32") => 4,
            Kind::Scalar(_) | Kind::Pointer => 8,
        }
    }
}

/// The members of the last `struct ...Params` in `source`, and its size. Members that are structs of `source`
/// themselves are their members.
pub(super) fn of_struct(source: &str) -> Result<(Vec<Field>, u32), String> {
    let (before, _) = source.rsplit_once("Params {").ok_or("no struct with a name in ...Params")?;
    let name = before.rsplit(' ').next().unwrap_or_default();
    let mut fields = Vec::new();
    let (end, alignment) = members(source, &format!("{name}Params"), 0, &mut fields)?;
    Ok((fields, end.next_multiple_of(alignment)))
}

/// Adds the members of a struct that starts at `start`; where they end, and the struct's alignment.
fn members(
    source: &str,
    name: &str,
    start: u32,
    fields: &mut Vec<Field>,
) -> Result<(u32, u32), String> {
    let head = format!("struct {name} {{");
    let (_, after) = source.split_once(&head).ok_or_else(|| format!("no struct {name}"))?;
    let (body, _) = after.split_once("};").ok_or("a struct without an end")?;
    let (mut end, mut alignment) = (start, 1);
    for line in body.lines() {
        let text = line.split("//").next().unwrap_or("").trim();
        if text.is_empty() {
            continue;
        }
        let declaration = text.strip_suffix(';').ok_or_else(|| format!("not a member: {text}"))?;
        let inner = declaration.split_once(' ').filter(|(of, _)| {
            !declaration.contains('*') && source.contains(&format!("struct {of} {{"))
        });
        if let Some((of, _)) = inner {
            // Every struct here begins with a pointer.
            let (inside, inner_alignment) = members(source, of, end.next_multiple_of(8), fields)?;
            end = inside.next_multiple_of(inner_alignment);
            alignment = alignment.max(inner_alignment);
            continue;
        }
        let (name, kind) = declared(declaration)?;
        let offset = end.next_multiple_of(kind.bytes());
        end = offset + kind.bytes();
        alignment = alignment.max(kind.bytes());
        fields.push(Field { name, kind, offset });
    }
    Ok((end, alignment))
}

/// `int* x, int n`
pub(super) fn of_parameters(list: &str) -> Result<Vec<Field>, String> {
    let one = |text: &str| {
        let (name, kind) = declared(text.trim())?;
        Ok(Field { name, kind, offset: 0 })
    };
    list.split(',').map(one).collect()
}

fn declared(text: &str) -> Result<(String, Kind), String> {
    let (of, name) = text.rsplit_once([' ', '*']).ok_or_else(|| format!("no name in '{text}'"))?;
    let of = of.trim().trim_start_matches("const ").trim_end_matches("const").trim();
    let kind = match of {
        _ if text.contains('*') => Kind::Pointer,
        "uint64_t" => Kind::Scalar("u64"),
        // PTX declares signed parameters so, too.
        "uint32_t" | "unsigned" | "int32_t" | "int" => Kind::Scalar("u32"),
        "float" => Kind::Scalar("f32"),
        _ => return Err(format!("'{text}': its type is not known here")),
    };
    Ok((name.to_owned(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_lie_as_in_c() {
        let source = "struct XParams {\n    const float* a;  // [n]\n    uint32_t n;\n\n    \
                      uint64_t stride;\n    float f;\n};\nstruct Other {};";
        let (fields, size) = of_struct(source).unwrap();
        let found: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.kind, f.offset)).collect();
        let expected = [
            ("a", Kind::Pointer, 0),
            ("n", Kind::Scalar("u32"), 8),
            ("stride", Kind::Scalar("u64"), 16),
            ("f", Kind::Scalar("f32"), 24),
        ];
        assert_eq!(found, expected);
        assert_eq!(size, 32);
        assert_eq!(of_struct("struct P {};").unwrap_err(), "no struct with a name in ...Params");
        let odd = of_struct("struct XParams { \n half2 h;\n};").unwrap_err();
        assert_eq!(odd, "'half2 h': its type is not known here");
    }

    #[test]
    fn structs_inside_are_their_members() {
        let source = "struct Inner {\n    int* p;\n    uint32_t n;\n    uint32_t m;\n};\n\
                      struct XParams {\n    const float* a;\n    uint32_t b;\n    Inner inner;\n    \
                      uint32_t last;\n};";
        let (fields, size) = of_struct(source).unwrap();
        let found: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
        assert_eq!(found, [("a", 0), ("b", 8), ("p", 16), ("n", 24), ("m", 28), ("last", 32)]);
        assert_eq!(size, 40);
    }

    #[test]
    fn parameters_of_their_own() {
        let fields = of_parameters("volatile unsigned* state, const int n").unwrap();
        assert_eq!(fields[0].kind, Kind::Pointer);
        assert_eq!((fields[1].name.as_str(), fields[1].kind), ("n", Kind::Scalar("u32")));
    }
}
