//! The tables that say what may be written: for each kind of node its values, properties and nodes, each with a sentence.
//!
//! Knows nothing of KDL's parser or of declarations; `validate` walks nodes along these tables, and the language page is made from them.
//! Invariant: a grammar's `example` is valid by that grammar (a test holds this over all of them).

/// What a kind of node may hold.
#[derive(Debug)]
pub struct Grammar {
    /// The node's name. Of a node that the user names, what the name stands for, in angle brackets.
    pub name: &'static str,
    /// What it is for, as a sentence.
    pub doc: &'static str,
    /// A complete one, to paste.
    pub example: &'static str,
    pub arguments: &'static [Argument],
    pub properties: &'static [Property],
    pub children: &'static [Child],
    /// The grammar of nodes that the user names, where there are such.
    pub free: Option<&'static Grammar>,
    /// How its parts depend on each other.
    pub rules: &'static [Rule],
}

/// A value that stands behind the node's name.
#[derive(Debug)]
pub struct Argument {
    pub name: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
    pub count: Count,
}

/// How many values an argument stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    One,
    Optional,
    /// One or more.
    Many,
}

/// A value with a name, `key="user_id"`.
#[derive(Debug)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    pub doc: &'static str,
    pub required: bool,
}

/// A node between the braces.
#[derive(Debug)]
pub struct Child {
    pub grammar: &'static Grammar,
    pub repeat: Repeat,
    pub required: bool,
}

/// How often a node may stand in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    Once,
    Any,
    /// Any number, each with its own name as first value.
    Distinct,
}

/// How the parts of one node depend on each other; parts are arguments, properties and nodes by their names.
#[derive(Debug)]
pub enum Rule {
    /// Exactly one of these stands; the text says what they are together.
    OneOf(&'static str, &'static [&'static str]),
    /// At most one of these stands.
    AtMostOne(&'static [&'static str]),
    /// The first cannot stand without the second.
    Needs(&'static str, &'static str),
    /// The first must stand unless the second does.
    Unless(&'static str, &'static str),
    /// None of the others can stand beside the first; the text says why.
    Excludes(&'static str, &'static [&'static str], &'static str),
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The name of something that is defined here: letters, digits, `_` and `-`.
    Name,
    /// The name of something that is defined elsewhere.
    Reference,
    /// Several of them, separated by spaces.
    References,
    /// The name of a column.
    Column,
    /// Several of them, separated by spaces.
    Columns,
    /// Prose, or a text of the user's own.
    Text,
    /// A path, relative to the workspace.
    Path,
    /// A path that may come from the environment.
    PathOrEnv,
    /// A text that may come from the environment.
    TextOrEnv,
    /// An SQL scalar expression.
    Expression,
    /// Any value of a column's type.
    Literal,
    Flag,
    /// A whole number from the first to the second.
    Integer(u64, u64),
    /// A count of at least one, or a constant of the runtime.
    Amount,
    /// A number from 0 to 1.
    Ratio,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Exit codes, separated by spaces.
    ExitCodes,
    Duration,
    Size,
    /// A duration, or `lifetime`.
    Window,
    /// The type of a column.
    Type,
    /// A day, or an hour of one.
    Moment,
    /// The name of a time zone.
    Zone,
}

impl Grammar {
    /// A node that holds nothing; grammars are written as what they add to it.
    pub const EMPTY: Self = Self { name: "", doc: "", example: "", arguments: &[], properties: &[], children: &[], free: None, rules: &[] };

    pub fn child(&self, name: &str) -> Option<&'static Child> {
        self.children.iter().find(|child| child.grammar.name == name)
    }

    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    pub fn child_names(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.children.iter().map(|child| child.grammar.name)
    }

    pub fn property_names(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.properties.iter().map(|property| property.name)
    }

    /// How messages speak of it: by its name, or by what the user's name for it stands for.
    pub fn title(&self) -> String {
        match self.name.strip_prefix('<').and_then(|name| name.strip_suffix('>')) {
            Some(what) => format!("a {what}"),
            None if self.name.ends_with(".kdl") => self.name.to_string(),
            None => format!("`{}`", self.name),
        }
    }

    /// The argument that the value at a position belongs to.
    pub fn argument(&self, position: usize) -> Option<&'static Argument> {
        let last = self.arguments.last().filter(|argument| argument.count == Count::Many);
        self.arguments.get(position).or(last)
    }

    /// Whether the user may put any node between its braces.
    pub fn holds_nodes(&self) -> bool {
        !self.children.is_empty() || self.free.is_some()
    }
}

impl Argument {
    pub const fn one(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, count: Count::One }
    }

    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, count: Count::Optional }
    }

    pub const fn many(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, count: Count::Many }
    }
}

impl Property {
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, required: false }
    }

    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, doc, required: true }
    }
}

impl Child {
    pub const fn once(grammar: &'static Grammar) -> Self {
        Self { grammar, repeat: Repeat::Once, required: false }
    }

    pub const fn required(grammar: &'static Grammar) -> Self {
        Self { grammar, repeat: Repeat::Once, required: true }
    }

    pub const fn any(grammar: &'static Grammar) -> Self {
        Self { grammar, repeat: Repeat::Any, required: false }
    }

    pub const fn distinct(grammar: &'static Grammar) -> Self {
        Self { grammar, repeat: Repeat::Distinct, required: false }
    }
}

/// The words of a table that maps words to values.
pub const fn words<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut i = 0;
    while i < N {
        words[i] = table[i].0;
        i += 1;
    }
    words
}
