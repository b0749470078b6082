//! SQL text → [`Expr`], one expression and nothing after it; what we do not know is refused, never ignored.
//!
//! Knows nothing of columns and types. Invariants: every error has a place where the text allows one; no text, however long or
//! deeply nested, overflows the stack.

use super::tokens::{Places, Scalars, depth, tokenize};
use super::{Branch, Expr, ExprError, ExprErrorKind, Function, Operator, Place, Placed, Scalar, State};
use crate::catalog::types::{DataType, TimeUnit, type_names};
use crate::source::suggestion;
use sqlparser::ast::{self, BinaryOperator, CastKind, Spanned as _, UnaryOperator, Value};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

/// How deep a tree may be; a chain of `AND` is as deep as it is long.
const DEEPEST: usize = 150;

/// Reads one SQL scalar expression.
pub fn parse(text: &str) -> Result<Expr, ExprError> {
    let reader = Reader { places: Places::new(text) };
    let tokens = reader.tokens()?;
    let mut parser = Parser::new(&Scalars).with_recursion_limit(DEEPEST).with_tokens_with_locations(tokens);
    let tree = parser.parse_expr().map_err(|error| reader.refused(error))?;
    reader.nothing_more(&parser.next_token())?;
    let expr = reader.read(&tree)?;
    // The canonical text may have more parentheses; it must be readable as well.
    Reader { places: Places::new(&expr.to_string()) }.tokens().and(Ok(expr))
}

/// Makes our tree of the parser's.
struct Reader<'t> {
    places: Places<'t>,
}

type Read<T> = Result<T, ExprError>;

impl Reader<'_> {
    fn tokens(&self) -> Read<Vec<TokenWithSpan>> {
        let text = self.places.text;
        let tokens = tokenize(text).map_err(|error| self.syntax(error.message, self.places.at(error.location)))?;
        if tokens.is_empty() {
            return Err(self.syntax("an expression is missing", Some(Place { offset: 0, len: text.len() })));
        }
        if depth(&tokens) > DEEPEST { Err(self.too_deep()) } else { Ok(tokens) }
    }

    fn nothing_more(&self, next: &TokenWithSpan) -> Read<()> {
        match &next.token {
            Token::EOF => Ok(()),
            token => Err(self.syntax(format!("`{token}` is not expected after the expression"), self.places.of(next.span))),
        }
    }

    fn refused(&self, error: ParserError) -> ExprError {
        let message = match error {
            ParserError::RecursionLimitExceeded => return self.too_deep(),
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        };
        let (message, at) = split_location(&message);
        let message = message.strip_prefix("Expected: ").map_or(message.to_string(), |rest| format!("expected {rest}"));
        let end = Place { offset: self.places.text.len(), len: 0 };
        self.syntax(message.replace("found: EOF", "but the text ends"), at.map_or(Some(end), |at| self.places.at(at)))
    }

    fn too_deep(&self) -> ExprError {
        self.syntax("the expression is too long or nested too deeply", None).hint("write a chain of `=` and `OR` as `IN (…)`")
    }

    fn syntax(&self, message: impl Into<String>, place: Option<Place>) -> ExprError {
        ExprError::new(ExprErrorKind::Syntax, message, place)
    }

    fn unsupported(&self, what: &str, tree: &ast::Expr) -> ExprError {
        self.syntax(format!("{what} is not supported here"), self.places.of(tree.span()))
    }

    fn read(&self, tree: &ast::Expr) -> Read<Expr> {
        match tree {
            ast::Expr::Nested(inner) => self.read(inner),
            ast::Expr::Identifier(name) => Ok(self.column(name)),
            ast::Expr::Value(value) => self.value(&value.value, value.span),
            ast::Expr::TypedString(typed) => self.typed_string(typed),
            ast::Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            ast::Expr::Case { operand, conditions, else_result, .. } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            ast::Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, array: false, format: None } => {
                self.cast(expr, data_type)
            }
            ast::Expr::Function(call) => self.call(call, tree),
            ast::Expr::Ceil { expr, field } => self.rounding(Function::Ceil, expr, field, tree),
            ast::Expr::Floor { expr, field } => self.rounding(Function::Floor, expr, field, tree),
            predicate => self.predicate(predicate),
        }
    }

    fn boxed(&self, tree: &ast::Expr) -> Read<Box<Expr>> {
        self.read(tree).map(Box::new)
    }

    fn all(&self, trees: &[ast::Expr]) -> Read<Vec<Expr>> {
        trees.iter().map(|tree| self.read(tree)).collect()
    }

    fn column(&self, name: &ast::Ident) -> Expr {
        Expr::Column(Placed { value: name.value.clone(), place: self.places.of(name.span) })
    }

    fn literal(&self, value: Scalar, span: Span) -> Expr {
        Expr::Literal(Placed { value, place: self.places.of(span) })
    }

    fn value(&self, value: &Value, span: Span) -> Read<Expr> {
        let scalar = match value {
            Value::Null => Scalar::Null,
            Value::Boolean(value) => Scalar::Bool(*value),
            Value::SingleQuotedString(text) => Scalar::String(text.clone()),
            Value::Number(text, false) => Scalar::parse_number(text).map_err(|message| self.syntax(message, self.places.of(span)))?,
            other => return Err(self.syntax(format!("`{other}` is no literal known here"), self.places.of(span))),
        };
        Ok(self.literal(scalar, span))
    }

    fn typed_string(&self, typed: &ast::TypedString) -> Read<Expr> {
        let (Value::SingleQuotedString(text), span) = (&typed.value.value, typed.value.span) else {
            return Err(self.syntax("a text in single quotes is expected here", self.places.of(typed.value.span)));
        };
        let (scalar, format) = match typed.data_type {
            ast::DataType::Date => (Scalar::parse_date(text), "DATE '2026-02-01'"),
            ast::DataType::Timestamp(None, ast::TimezoneInfo::None) => {
                (Scalar::parse_timestamp(text), "TIMESTAMP '2026-02-01 12:00:00.000000', with a `Z` or `+02:00` behind it for an instant")
            }
            ref other => {
                let message = format!("`{other} '…'` is no literal known here");
                return Err(self.syntax(message, self.places.of(span)).hint("write CAST('…' AS type)"));
            }
        };
        let wrong = || self.syntax(format!("`{text}` cannot be read"), self.places.of(span)).hint(format!("the form is {format}"));
        Ok(self.literal(scalar.ok_or_else(wrong)?, span))
    }

    fn unary(&self, op: UnaryOperator, operand: &ast::Expr) -> Read<Expr> {
        match (op, operand) {
            (UnaryOperator::Not, operand) => Ok(Expr::Not(self.boxed(operand)?)),
            (UnaryOperator::Plus, operand) => self.read(operand),
            (UnaryOperator::Minus, ast::Expr::Value(number)) => match &number.value {
                Value::Number(text, false) => self.value(&Value::Number(format!("-{text}"), false), number.span),
                _ => Ok(Expr::Negate(self.boxed(operand)?)),
            },
            (UnaryOperator::Minus, operand) => Ok(Expr::Negate(self.boxed(operand)?)),
            (other, operand) => Err(self.unsupported(&format!("`{other}`"), operand)),
        }
    }

    fn binary(&self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Read<Expr> {
        let operator = read_operator(op).ok_or_else(|| self.unsupported(&format!("`{op}`"), right))?;
        if operator.is_comparison()
            && matches!(left, ast::Expr::BinaryOp { op, .. } if read_operator(op).is_some_and(Operator::is_comparison))
        {
            let message = "comparisons cannot be chained";
            return Err(self.syntax(message, self.places.of(left.span())).hint("write `a < b AND b < c`, or parentheses"));
        }
        Ok(Expr::Binary { operator, left: self.boxed(left)?, right: self.boxed(right)? })
    }

    fn predicate(&self, tree: &ast::Expr) -> Read<Expr> {
        use ast::Expr as Sql;
        let is = |operand: &Sql, state, negated| Ok(Expr::Is { operand: self.boxed(operand)?, state, negated });
        match tree {
            Sql::IsNull(operand) => is(operand, State::Null, false),
            Sql::IsNotNull(operand) => is(operand, State::Null, true),
            Sql::IsTrue(operand) => is(operand, State::True, false),
            Sql::IsNotTrue(operand) => is(operand, State::True, true),
            Sql::IsFalse(operand) => is(operand, State::False, false),
            Sql::IsNotFalse(operand) => is(operand, State::False, true),
            Sql::InList { expr, list, negated } => Ok(Expr::In { operand: self.boxed(expr)?, list: self.all(list)?, negated: *negated }),
            Sql::Between { expr, negated, low, high } => {
                let [operand, low, high] = [expr, low, high].map(|part| self.boxed(part));
                Ok(Expr::Between { operand: operand?, low: low?, high: high?, negated: *negated })
            }
            Sql::Like { negated, any: false, expr, pattern, escape_char: None } => self.like(expr, pattern, *negated),
            Sql::CompoundIdentifier(_) => {
                let hint = "columns have no table here; a name with a dot in it goes into double quotes";
                Err(self.unsupported("a name with a dot", tree).hint(hint))
            }
            other => Err(self.unsupported(&format!("`{other}`"), other)),
        }
    }

    fn like(&self, operand: &ast::Expr, pattern: &ast::Expr, negated: bool) -> Read<Expr> {
        match pattern {
            ast::Expr::Value(ast::ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
                Ok(Expr::Like { operand: self.boxed(operand)?, pattern: text.clone(), negated })
            }
            other => {
                let error = self.syntax("the pattern of LIKE must be a literal", self.places.of(other.span()));
                Err(error.hint("starts_with, ends_with and contains take any expression"))
            }
        }
    }

    fn case(&self, operand: Option<&ast::Expr>, branches: &[ast::CaseWhen], otherwise: Option<&ast::Expr>) -> Read<Expr> {
        let branch = |when: &ast::CaseWhen| Ok(Branch { when: self.read(&when.condition)?, then: self.read(&when.result)? });
        Ok(Expr::Case {
            operand: operand.map(|operand| self.boxed(operand)).transpose()?,
            branches: branches.iter().map(branch).collect::<Read<_>>()?,
            otherwise: otherwise.map(|otherwise| self.boxed(otherwise)).transpose()?,
        })
    }

    fn cast(&self, operand: &ast::Expr, to: &ast::DataType) -> Read<Expr> {
        let (name, place) = match to {
            ast::DataType::Custom(name, modifiers) if modifiers.is_empty() => (type_name(name), self.places.of(name.span())),
            other => (other.to_string(), self.places.of(operand.span())),
        };
        let to = read_type(&name).ok_or_else(|| {
            let error = ExprError::new(ExprErrorKind::Type, format!("`{name}` is not a type that CAST knows"), place);
            error.hint(suggestion(&name, castable_names()))
        })?;
        Ok(Expr::Cast { operand: self.boxed(operand)?, to })
    }

    /// `CEIL` and `FLOOR`, to which SQL gives a syntax of their own.
    fn rounding(&self, function: Function, operand: &ast::Expr, field: &ast::CeilFloorKind, tree: &ast::Expr) -> Read<Expr> {
        match field {
            ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {
                Ok(Expr::Call { function, arguments: vec![self.read(operand)?] })
            }
            _ => Err(self.unsupported("a second argument", tree)),
        }
    }

    fn call(&self, call: &ast::Function, tree: &ast::Expr) -> Read<Expr> {
        let place = self.places.of(call.name.span());
        let function = self.function(&call.name.to_string(), place)?;
        let bare = call.filter.is_none() && call.over.is_none() && call.null_treatment.is_none() && call.within_group.is_empty();
        let arguments = match &call.args {
            ast::FunctionArguments::List(list) if bare && list.duplicate_treatment.is_none() && list.clauses.is_empty() => &list.args,
            _ => return Err(self.unsupported("this kind of call", tree)),
        };
        let arguments = arguments.iter().map(|argument| self.argument(argument, tree)).collect::<Read<Vec<_>>>()?;
        if !function.takes(arguments.len()) {
            let message = format!("`{function}` takes {}, not {}", function.arity(), arguments.len());
            return Err(ExprError::new(ExprErrorKind::Type, message, place));
        }
        Ok(Expr::Call { function, arguments })
    }

    fn function(&self, name: &str, place: Option<Place>) -> Read<Function> {
        Function::parse(name).ok_or_else(|| {
            let error = ExprError::new(ExprErrorKind::UnknownFunction, format!("there is no function `{name}`"), place);
            error.hint(suggestion(name, Function::all().map(Function::name)))
        })
    }

    fn argument(&self, argument: &ast::FunctionArg, tree: &ast::Expr) -> Read<Expr> {
        match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => self.read(expr),
            other => Err(self.unsupported(&format!("`{other}` as an argument"), tree)),
        }
    }
}

fn type_name(name: &ast::ObjectName) -> String {
    name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".")
}

fn read_operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::Lt => Operator::Less,
        BinaryOperator::LtEq => Operator::LessOrEqual,
        BinaryOperator::Gt => Operator::Greater,
        BinaryOperator::GtEq => Operator::GreaterOrEqual,
        BinaryOperator::Plus => Operator::Add,
        BinaryOperator::Minus => Operator::Subtract,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Remainder,
        BinaryOperator::StringConcat => Operator::Concat,
        _ => return None,
    })
}

/// A type as the manifest writes it, or as SQL does.
fn read_type(name: &str) -> Option<DataType> {
    let timestamp = |zone: Option<&str>| DataType::Timestamp { unit: TimeUnit::Us, zone: zone.map(str::to_string) };
    Some(match name {
        "boolean" => DataType::Bool,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "int" | "integer" => DataType::Int32,
        "bigint" => DataType::Int64,
        "real" => DataType::Float32,
        "double" | "doubleprecision" => DataType::Float64,
        "varchar" | "text" => DataType::String,
        "timestamp" => timestamp(None),
        "timestamptz" => timestamp(Some("UTC")),
        other => return DataType::parse(other),
    })
}

fn castable_names() -> impl Iterator<Item = &'static str> + Clone {
    let lists = ["list", "vector"];
    let sql = ["boolean", "smallint", "integer", "bigint", "real", "double", "varchar", "text"];
    type_names().filter(move |name| !lists.iter().any(|list| name.starts_with(list))).chain(sql)
}

/// The parser puts places into its messages: "… at Line: 1, Column: 5".
fn split_location(message: &str) -> (&str, Option<Location>) {
    let read = |at: usize| {
        let (line, column) = message[at..].strip_prefix(" at Line: ")?.split_once(", Column: ")?;
        Some(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? })
    };
    match message.rfind(" at Line: ") {
        Some(at) => (&message[..at], read(at)),
        None => (message, None),
    }
}
