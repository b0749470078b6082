//! The types of columns, as the manifest writes them: `int64`, `list<int64>`, `vector<float16, 1152>`, `timestamp<ms>`.
//!
//! Knows nothing of Arrow or Parquet; `table` maps these to theirs. Invariant: `parse` and `Display` are inverse.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The unit of an epoch or a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    S,
    Ms,
    Us,
    Ns,
}

impl TimeUnit {
    pub const NAMES: [&str; 4] = ["s", "ms", "us", "ns"];

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "s" => Self::S,
            "ms" => Self::Ms,
            "us" => Self::Us,
            "ns" => Self::Ns,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }

    /// How many of it make a second.
    pub fn per_second(self) -> i64 {
        match self {
            Self::S => 1,
            Self::Ms => 1_000,
            Self::Us => 1_000_000,
            Self::Ns => 1_000_000_000,
        }
    }
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DataType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    String,
    Binary,
    Date,
    Timestamp { unit: TimeUnit, zone: Option<String> },
    List(Box<DataType>),
    Vector(Box<DataType>, u32),
}

const SIMPLE: [(&str, DataType); 15] = [
    ("bool", DataType::Bool),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("string", DataType::String),
    ("binary", DataType::Binary),
    ("date", DataType::Date),
];

/// The words a type can start with, for suggestions.
pub fn type_names() -> impl Iterator<Item = &'static str> + Clone {
    SIMPLE.iter().map(|(name, _)| *name).chain(["timestamp<ms>", "list<int64>", "vector<float16, 1152>"])
}

/// How deep types nest at most: deeper ones are no data, and every reader of types recurses over them.
pub const DEEPEST: usize = 8;

impl DataType {
    /// Reads a type as the manifest writes it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::within(text, DEEPEST)
    }

    /// Reads a type that nests no deeper than so many lists.
    fn within(text: &str, deepest: usize) -> Option<Self> {
        let text = text.trim();
        if let Some((_, simple)) = SIMPLE.iter().find(|(name, _)| *name == text) {
            return Some(simple.clone());
        }
        let (name, inner) = text.strip_suffix('>')?.split_once('<')?;
        match name.trim() {
            "list" => Some(Self::List(Box::new(Self::within(inner, deepest.checked_sub(1)?)?))),
            "vector" => parse_vector(inner, deepest.checked_sub(1)?),
            "timestamp" => parse_timestamp(inner),
            _ => None,
        }
    }

    pub fn is_integer(&self) -> bool {
        use DataType::*;
        matches!(self, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64)
    }

    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float16 | Self::Float32 | Self::Float64)
    }

    /// Whether both are vectors of as many elements, whatever floats these are.
    pub fn is_as_wide(&self, other: &DataType) -> bool {
        matches!((self, other), (Self::Vector(_, width), Self::Vector(_, others)) if width == others)
    }

    pub fn is_number(&self) -> bool {
        self.is_integer() || self.is_float()
    }

    /// A 64-bit epoch or a timestamp: what can order events.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Int64 | Self::Timestamp { .. })
    }

    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }
}

fn parse_vector(inner: &str, deepest: usize) -> Option<DataType> {
    let (element, width) = inner.rsplit_once(',')?;
    let element = DataType::within(element, deepest).filter(DataType::is_float)?;
    let width = width.trim().parse().ok().filter(|w| *w > 0)?;
    Some(DataType::Vector(Box::new(element), width))
}

fn parse_timestamp(inner: &str) -> Option<DataType> {
    let (unit, zone) = match inner.split_once(',') {
        Some((unit, zone)) => (unit, Some(zone.trim().to_string())),
        None => (inner, None),
    };
    Some(DataType::Timestamp { unit: TimeUnit::parse(unit.trim())?, zone })
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = SIMPLE.iter().find(|(_, simple)| simple == self) {
            return f.write_str(name);
        }
        match self {
            Self::Timestamp { unit, zone: None } => write!(f, "timestamp<{}>", unit.name()),
            Self::Timestamp { unit, zone: Some(zone) } => write!(f, "timestamp<{}, {zone}>", unit.name()),
            Self::List(inner) => write!(f, "list<{inner}>"),
            Self::Vector(inner, width) => write!(f, "vector<{inner}, {width}>"),
            simple => unreachable!("{simple:?} has a name"),
        }
    }
}

impl From<DataType> for String {
    fn from(data_type: DataType) -> String {
        data_type.to_string()
    }
}

impl TryFrom<String> for DataType {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_as_written() {
        let written = ["bool", "uint16", "list<int64>", "vector<float16, 1152>", "timestamp<us, Europe/Berlin>", "list<list<string>>"];
        for text in written {
            assert_eq!(DataType::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}int64{}", "list<".repeat(depth), ">".repeat(depth));
        assert_eq!(DataType::parse(&nested(DEEPEST)).unwrap().to_string(), nested(DEEPEST));
        assert_eq!(DataType::parse(&nested(DEEPEST + 1)), None);
        assert_eq!(DataType::parse(&nested(100_000)), None);
        assert_eq!(DataType::parse(&format!("{}float16{}", "vector<".repeat(100_000), ", 2>".repeat(100_000))), None);
    }

    #[test]
    fn nonsense_is_no_type() {
        for text in ["int", "list<", "vector<string, 3>", "vector<float16, 0>", "timestamp<m>", ""] {
            assert_eq!(DataType::parse(text), None, "{text}");
        }
    }
}
