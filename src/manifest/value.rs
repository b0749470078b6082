//! What each kind of value takes, and how it is explained when something else stands there.
//!
//! Knows nothing of nodes. Invariant: a value without a fault is read by the matching method of `node::Value`.

use super::grammar::Kind;
use crate::catalog::quantity::{Duration, Size, Window};
use crate::catalog::types::{DEEPEST, DataType, TimeUnit, type_names};
use crate::source::{did_you_mean, suggestion};
use kdl::KdlValue;

/// Why a value cannot stand where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is a text where a number belongs, or the like.
    Type {
        hint: String,
    },
    Value {
        message: String,
        hint: String,
    },
}

/// The kinds of KDL value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Integer,
    Number,
    Flag,
    Any,
}

impl Kind {
    /// The annotation that it permits, and what it stands for.
    pub(super) fn annotation(self) -> Option<&'static str> {
        match self {
            Kind::PathOrEnv | Kind::TextOrEnv => Some("env"),
            Kind::Amount => Some("constant"),
            _ => None,
        }
    }

    /// What it is, with its article.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Name | Kind::Reference => "a name",
            Kind::References => "names",
            Kind::Column => "a column",
            Kind::Columns => "columns",
            Kind::Text | Kind::TextOrEnv => "a text",
            Kind::Path | Kind::PathOrEnv => "a path",
            Kind::Expression => "an expression",
            Kind::Literal => "a value",
            Kind::Flag => "#true or #false",
            Kind::Integer(..) | Kind::Amount => "an integer",
            Kind::Ratio => "a number from 0 to 1",
            Kind::Word(_) => "a word",
            Kind::ExitCodes => "exit codes",
            Kind::Duration => "a duration",
            Kind::Size => "a size",
            Kind::Window => "a window",
            Kind::Type => "a column type",
            Kind::Moment => "a day, an hour or a month",
            Kind::Zone => "a time zone",
        }
    }

    /// How it is written.
    pub fn rule(self) -> String {
        match self {
            Kind::Name => "a name is a text of letters, digits, `_` and `-`, such as \"user_likes\"".into(),
            Kind::Reference => "a name is a text in quotes, such as \"user_likes\"".into(),
            Kind::References => "names stand in one text, with spaces between them, such as \"compile skeleton\"".into(),
            Kind::Column => "a column's name is a text in quotes, such as \"user_id\"".into(),
            Kind::Columns => "columns stand in one text, with spaces between them, such as \"user_id author_id\"".into(),
            Kind::Text => "a text stands in quotes".into(),
            Kind::TextOrEnv => "a text stands in quotes, or is taken from the environment: (env)\"NAME\"".into(),
            Kind::Path => "a path is a text relative to the workspace, such as \"data/feed\"".into(),
            Kind::PathOrEnv => "a path is a text relative to the workspace, such as \"data/feed\", or (env)\"NAME\"".into(),
            Kind::Expression => "an expression is a text in quotes, such as \"event = 'like'\"".into(),
            Kind::Literal => "a value of the column's type, such as 0, \"none\", #false or \"[]\"".into(),
            Kind::Flag => "write #true or #false, with the `#` and without quotes".into(),
            Kind::Integer(min, max) => range(min, max),
            Kind::Amount => "an integer from 1, without quotes, or a constant of runtime.kdl: (constant)\"name\"".into(),
            Kind::Ratio => "a number from 0 to 1, without quotes, such as 0.02".into(),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::ExitCodes => "exit codes are integers from 1 to 255 in one text, with spaces between them, such as \"75 111\"".into(),
            Kind::Duration => "a duration is an integer with one of the units ms s m h d, in quotes, such as \"7d\" or \"90s\"".into(),
            Kind::Size => "a size is an integer from 1 with one of KiB MiB GiB, in quotes, such as \"16GiB\"".into(),
            Kind::Window => "a window is a duration of more than nothing, such as \"7d\" or \"1h\", or \"lifetime\"".into(),
            Kind::Type => format!("a column type is one of {}", type_names().collect::<Vec<_>>().join(", ")),
            Kind::Moment => "a day is written \"2026-02-01\", an hour \"2026-02-01T13\", a month \"2026-02\"".into(),
            Kind::Zone => "a time zone has its IANA name, such as \"UTC\" or \"Europe/Berlin\"".into(),
        }
    }

    fn shape(self) -> Shape {
        match self {
            Kind::Integer(..) | Kind::Amount => Shape::Integer,
            Kind::Ratio => Shape::Number,
            Kind::Flag => Shape::Flag,
            Kind::Literal => Shape::Any,
            _ => Shape::Text,
        }
    }

    /// What is wrong with a value; `annotated` when it carries the annotation that this kind permits.
    pub(super) fn fault(self, value: &KdlValue, annotated: bool) -> Option<Fault> {
        let shape = if annotated { Shape::Text } else { self.shape() };
        if !shape.fits(value) {
            return Some(Fault::Type { hint: self.type_hint(value) });
        }
        match value {
            KdlValue::String(text) if annotated => text.is_empty().then(|| self.value_fault(text, "a name")),
            KdlValue::String(text) => self.text_fault(text),
            KdlValue::Integer(integer) => self.number_fault(&integer.to_string(), *integer as f64, Some(*integer)),
            KdlValue::Float(float) => self.number_fault(&float.to_string(), *float, None),
            _ => None,
        }
    }

    /// Shows the value as it should have been, where that can be guessed.
    fn type_hint(self, value: &KdlValue) -> String {
        match (self.shape(), value) {
            (Shape::Integer | Shape::Number, KdlValue::String(text)) if text.parse::<f64>().is_ok() => format!("without quotes: {text}"),
            (Shape::Flag, KdlValue::String(text)) if text == "true" || text == "false" => format!("write #{text}, without quotes"),
            (Shape::Any, KdlValue::Null) => "leave it out; `nullable=#true` says that the column may be null".into(),
            _ => self.rule(),
        }
    }

    fn value_fault(self, text: &str, noun: &str) -> Fault {
        Fault::Value { message: format!("`{}` is not {noun}", clipped(text)), hint: self.rule() }
    }

    fn text_fault(self, text: &str) -> Option<Fault> {
        let good = match self {
            Kind::Text | Kind::TextOrEnv | Kind::Literal => true,
            Kind::Name => is_name(text),
            Kind::Duration => Duration::parse(text).is_some(),
            Kind::Size => Size::parse(text).is_some_and(|size| size.bytes > 0),
            Kind::Window => Window::parse(text).is_some(),
            Kind::Type => DataType::parse(text).is_some(),
            Kind::Moment => is_moment(text),
            Kind::Zone => text.parse::<chrono_tz::Tz>().is_ok(),
            Kind::Word(words) => words.contains(&text),
            Kind::ExitCodes => are_exit_codes(text),
            _ => !text.trim().is_empty(),
        };
        if good { None } else { Some(self.describe(text)) }
    }

    fn describe(self, text: &str) -> Fault {
        if text.trim().is_empty() {
            return Fault::Value { message: format!("{} cannot be empty", self.noun()), hint: self.rule() };
        }
        let message = match self {
            Kind::Word(_) => format!("`{}` is not known here", clipped(text)),
            _ => format!("`{}` is not {}", clipped(text), self.noun()),
        };
        Fault::Value { message, hint: self.hint(text) }
    }

    fn hint(self, text: &str) -> String {
        match self {
            Kind::Word(words) => also(did_you_mean(text, words.iter().copied()), self.rule()),
            Kind::Type => type_hint(text),
            Kind::Size => also_written(size_meant(text), self.rule()),
            Kind::Duration | Kind::Window => also_written(duration_meant(text), self.rule()),
            Kind::Zone => also(did_you_mean(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())), self.rule()),
            _ => self.rule(),
        }
    }

    fn number_fault(self, written: &str, number: f64, integer: Option<i128>) -> Option<Fault> {
        let good = match (self, integer) {
            (Kind::Integer(min, max), Some(integer)) => (i128::from(min)..=i128::from(max)).contains(&integer),
            (Kind::Amount, Some(integer)) => (1..=i128::from(i64::MAX)).contains(&integer),
            (Kind::Ratio, _) => (0.0..=1.0).contains(&number),
            _ => true,
        };
        let fault = || Fault::Value { message: format!("`{written}` is out of range"), hint: self.rule() };
        if good { None } else { Some(fault()) }
    }
}

impl Shape {
    fn fits(self, value: &KdlValue) -> bool {
        match self {
            Shape::Text => value.is_string(),
            Shape::Integer => value.is_integer(),
            Shape::Number => value.is_integer() || value.is_float(),
            Shape::Flag => value.is_bool(),
            Shape::Any => !value.is_null(),
        }
    }
}

/// What a KDL value is, with its article.
pub(super) fn describe(value: &KdlValue) -> &'static str {
    match value {
        KdlValue::String(_) => "a text",
        KdlValue::Integer(_) => "an integer",
        KdlValue::Float(_) => "a fraction",
        KdlValue::Bool(_) => "a truth value",
        KdlValue::Null => "null",
    }
}

/// A text as it is quoted in a message: of one that fills pages the beginning.
fn clipped(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

fn also(near: Option<&str>, rule: String) -> String {
    match near {
        Some(word) => format!("did you mean `{word}`? {rule}"),
        None => rule,
    }
}

fn also_written(meant: Option<String>, rule: String) -> String {
    match meant {
        Some(meant) => format!("did you mean \"{meant}\"? {rule}"),
        None => rule,
    }
}

/// The leading number of a text and what follows it, without spaces and in small letters.
fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim().to_lowercase()))
}

/// The size that was probably meant by `16GB` or `16 g`.
fn size_meant(text: &str) -> Option<String> {
    let (number, unit) = number_and_unit(text).filter(|(number, _)| *number > 0)?;
    let unit = match unit.as_str() {
        "k" | "kb" | "ki" | "kib" => "KiB",
        "" | "m" | "mb" | "mi" | "mib" => "MiB",
        "g" | "gb" | "gi" | "gib" => "GiB",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

/// The duration that was probably meant by `1w`, `30` or `2 hours`.
fn duration_meant(text: &str) -> Option<String> {
    let (number, unit) = number_and_unit(text).filter(|(number, _)| (1..1_000_000).contains(number))?;
    let (factor, unit) = match unit.as_str() {
        "w" | "week" | "weeks" => (7, "d"),
        "month" | "months" => (30, "d"),
        "y" | "year" | "years" => (365, "d"),
        "" | "d" | "day" | "days" => (1, "d"),
        "h" | "hr" | "hour" | "hours" => (1, "h"),
        "m" | "min" | "mins" | "minute" | "minutes" => (1, "m"),
        "s" | "sec" | "secs" | "second" | "seconds" => (1, "s"),
        _ => return None,
    };
    Some(format!("{}{unit}", number * factor))
}

fn range(min: u64, max: u64) -> String {
    match max {
        _ if max >= i64::MAX as u64 => format!("an integer from {min}, without quotes"),
        _ => format!("an integer from {min} to {max}, without quotes"),
    }
}

/// The hint for what is no type: of a compound one, how that one is written.
fn type_hint(text: &str) -> String {
    let compounds = [
        ("vector", "a vector has floats and a width: \"vector<float16, 1152>\""),
        ("timestamp", "a timestamp has a unit and perhaps a zone: \"timestamp<ms>\", \"timestamp<us, Europe/Berlin>\""),
        ("list", "a list has the type of its elements: \"list<int64>\""),
    ];
    if text.matches('<').count() > DEEPEST {
        return format!("types nest no more than {DEEPEST} deep");
    }
    if let Some((_, rule)) = compounds.iter().find(|(name, _)| text.trim_start().starts_with(name)) {
        return format!("{rule}; {}", unit_hint(text));
    }
    match text {
        "int" | "integer" | "long" | "bigint" => "did you mean `int64`?".into(),
        "float" | "double" | "real" => "did you mean `float64` or `float32`?".into(),
        "str" | "text" | "varchar" | "utf8" => "did you mean `string`?".into(),
        "boolean" => "did you mean `bool`?".into(),
        _ => suggestion(text, type_names()),
    }
}

fn unit_hint(text: &str) -> String {
    match text.contains("timestamp") {
        true => format!("units are {}", TimeUnit::NAMES.join(", ")),
        false => format!("simple types are {}", type_names().filter(|name| !name.contains('<')).collect::<Vec<_>>().join(", ")),
    }
}

fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    starts && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

fn is_moment(text: &str) -> bool {
    if text.len() == 7 {
        return chrono::NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").is_ok();
    }
    let (day, hour) = text.split_once('T').map_or((text, None), |(day, hour)| (day, Some(hour)));
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let hour_exists = |hour: &str| two_digits(hour) && hour < "24";
    day.len() == 10 && chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok() && hour.is_none_or(hour_exists)
}

fn are_exit_codes(text: &str) -> bool {
    let mut codes = text.split_whitespace().peekable();
    codes.peek().is_some() && codes.all(|code| code.parse::<u8>().is_ok_and(|code| code > 0))
}
