//! Tables of texts: what they are in canonical form, which type they have, and where the wrong ones are wrong.

use super::*;
use crate::catalog::types::TimeUnit;
use proptest::prelude::*;

fn canonical(text: &str) -> String {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

#[test]
fn texts_that_say_the_same_have_one_form() {
    let cases = [
        ("event  =  'like'", "event = 'like'"),
        ("event='like'", "event = 'like'"),
        ("(event)= ('like')", "event = 'like'"),
        ("event in('view' ,'like')", "event IN ('view', 'like')"),
        ("a != 1 and not b is null", "a <> 1 AND NOT b IS NULL"),
        ("a == 1", "a = 1"),
        ("a is NOT null", "a IS NOT NULL"),
        ("(a or b) and c", "(a OR b) AND c"),
        ("(a and b) or c", "a AND b OR c"),
        ("a and (b and c)", "a AND (b AND c)"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("(a * b) + c", "a * b + c"),
        ("a * (b + c)", "a * (b + c)"),
        ("- 5 + +a", "-5 + a"),
        ("-(5)", "-(5)"),
        ("- -5", "-(-5)"),
        ("-a * b", "-a * b"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.50", "1.5"),
        ("1E3", "1000.0"),
        (".5", "0.5"),
        ("'it''s'", "'it''s'"),
        ("\"Select\" + \"two words\" + \"plain\"", "\"Select\" + \"two words\" + plain"),
        ("größe", "\"größe\""),
        ("x::bigint", "CAST(x AS int64)"),
        ("x::bigint < 3", "CAST(x AS int64) < 3"),
        ("x::timestamp < ms", "CAST(x AS timestamp<us>) < ms"),
        ("x::timestamp<ms> < y", "CAST(x AS timestamp<ms>) < y"),
        ("cast(x AS Timestamp<ms, Europe/Berlin>)", "CAST(x AS timestamp<ms, Europe/Berlin>)"),
        ("CAST(x as double precision)", "CAST(x AS float64)"),
        ("cast(x AS FLOAT32)", "CAST(x AS float32)"),
        ("a || 'b' || c", "a || 'b' || c"),
        ("CEILING(x) + ceil(y) + FLOOR(z)", "ceil(x) + ceil(y) + floor(z)"),
        ("a not between 1 and b + 2", "a NOT BETWEEN 1 AND b + 2"),
        ("a not like '%x_'", "a NOT LIKE '%x_'"),
        ("(a = b) = (c = d)", "(a = b) = (c = d)"),
        ("(a is null) is true", "(a IS NULL) IS TRUE"),
        ("a = (not b)", "a = (NOT b)"),
        ("case when a then 1 when b then 2 else 3 end + 1", "CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END + 1"),
        ("case a when 1 then 'x' end", "CASE a WHEN 1 THEN 'x' END"),
        ("date '2026-02-01'", "DATE '2026-02-01'"),
        ("timestamp '2026-02-01T02:00:00.500+02:00'", "TIMESTAMP '2026-02-01 00:00:00.500000Z'"),
        ("date", "date"),
        ("timestamp > 3 -- the event's", "timestamp > 3"),
        ("true and NULL", "TRUE AND NULL"),
    ];
    for (text, expected) in cases {
        assert_eq!(canonical(text), expected, "{text}");
        assert_eq!(canonical(expected), expected, "{text}");
    }
}

#[test]
fn it_is_stored_as_its_text() {
    let expr = parse("rating<=2").unwrap();
    assert_eq!(serde_json::to_string(&expr).unwrap(), "\"rating <= 2\"");
    assert_eq!(serde_json::from_str::<Expr>("\"rating <= 2\"").unwrap(), expr);
    assert!(serde_json::from_str::<Expr>("\"rating <=\"").is_err());
}

#[test]
fn it_knows_its_columns() {
    let expr = parse("CASE WHEN a > b THEN coalesce(c, 'a') ELSE d END IN (\"e f\", a)").unwrap();
    assert_eq!(expr.columns().into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "e f"]);
}

/// A text, what is wrong, and the piece of the text that is pointed at.
fn assert_wrong(text: &str, kind: ExprErrorKind, piece: &str, said: &str) {
    let error = parse(text).and_then(|expr| infer(&expr)).expect_err(text);
    assert_eq!(error.kind, kind, "{text}: {error}");
    assert!(error.to_string().contains(said), "{text}: {error}");
    let (offset, len) = error.at.unwrap_or_else(|| panic!("{text}: {error} is nowhere"));
    assert_eq!(&text[offset..offset + len], piece, "{text}: {error}");
}

const COLUMNS: [(&str, &str); 13] = [
    ("i", "int64"),
    ("small", "int16"),
    ("u", "uint64"),
    ("f", "float64"),
    ("h", "float16"),
    ("s", "string"),
    ("b", "bool"),
    ("d", "date"),
    ("t", "timestamp<ms>"),
    ("z", "timestamp<us, UTC>"),
    ("l", "list<int64>"),
    ("v", "vector<float16, 4>"),
    ("event", "string"),
];

fn infer(expr: &Expr) -> Result<DataType, ExprError> {
    let known = COLUMNS.map(|(name, _)| name.to_string());
    let types = |name: &str| COLUMNS.iter().find(|column| column.0 == name).and_then(|column| DataType::parse(column.1));
    expr.infer(&types, &known)
}

#[test]
fn what_cannot_be_read_is_pointed_at() {
    use ExprErrorKind::Syntax;
    assert_wrong("", Syntax, "", "missing");
    assert_wrong("  ", Syntax, "  ", "missing");
    assert_wrong("i +", Syntax, "", "the text ends");
    assert_wrong("i = 1 i", Syntax, "i", "`i` is not expected after");
    assert_wrong("i = 1; s", Syntax, ";", "not expected after");
    assert_wrong("s = 'open", Syntax, "'", "nterminated");
    assert_wrong("i in ()", Syntax, ")", "expected");
    assert_wrong("i = 99999999999999999999", Syntax, "99999999999999999999", "too large");
    assert_wrong("d = DATE '2026-13-01'", Syntax, "'2026-13-01'", "the form is DATE '2026-02-01'");
    assert_wrong("1 < i < 3", Syntax, "1 < i", "AND");
    assert_wrong("feed.event = 'x'", Syntax, "feed.event", "no table");
    assert_wrong("s LIKE event", Syntax, "event", "literal");
    assert_wrong("s LIKE 'a' ESCAPE '!'", Syntax, "s LIKE 'a'", "not supported");
    assert_wrong("i IN (SELECT 1)", Syntax, "i IN (SELECT 1", "not supported");
    assert_wrong("s = 'ä' AND\n  i ~ 3", Syntax, "3", "`~` is not supported");
    assert_wrong("count(*)", ExprErrorKind::UnknownFunction, "count", "no function `count`");
    assert_wrong("sum(i) OVER ()", ExprErrorKind::UnknownFunction, "sum", "no function");
    assert_wrong("lenght(s)", ExprErrorKind::UnknownFunction, "lenght", "did you mean `length`?");
    assert_wrong("abs(DISTINCT i)", Syntax, "abs(DISTINCT i", "not supported");
    assert_wrong("abs(i, f)", ExprErrorKind::Type, "abs", "takes 1 argument, not 2");
    assert_wrong("concat()", ExprErrorKind::Type, "concat", "at least 1 argument, not 0");
    assert_wrong("i::bigint2", ExprErrorKind::Type, "bigint2", "did you mean `bigint`?");
    assert_wrong("TRY_CAST(i AS bigint)", Syntax, "i", "not supported");
    assert_wrong("CAST(i AS varchar(3))", ExprErrorKind::Type, "i", "not a type");
    assert_wrong("CAST(l AS list<int64>)", Syntax, "<", "expected");
}

#[test]
fn what_has_no_type_is_pointed_at() {
    use ExprErrorKind::{Type, UnknownColumn};
    assert_wrong("evnt = 'like'", UnknownColumn, "evnt", "did you mean `event`?");
    assert_wrong("s = 'ä' OR\n  \tevnt = 1", UnknownColumn, "evnt", "did you mean `event`?");
    assert_wrong("event = \"like\"", UnknownColumn, "\"like\"", "single quotes: 'like'");
    assert_wrong("i = '5'", Type, "i = '5'", "write 5 without quotes");
    assert_wrong("f IN (1, '5')", Type, "'5'", "do not compare");
    assert_wrong("event AND b", Type, "event", "a condition is expected here");
    assert_wrong("CASE WHEN i THEN 1 END", Type, "i", "compare it");
    assert_wrong("s + 1", Type, "s", "`+` takes numbers");
    assert_wrong("-t", Type, "t", "its epoch in ms");
    assert_wrong("t < i", Type, "t < i", "reads an epoch");
    assert_wrong("z < TIMESTAMP '2026-02-01'", Type, "z < TIMESTAMP '2026-02-01'", "`Z`");
    assert_wrong("b = 1", Type, "b = 1", "write `b`");
    assert_wrong("l = l", Type, "l = l", "do not compare");
    assert_wrong("length(l)", Type, "l", "len(l)");
    assert_wrong("len(s)", Type, "s", "takes lists");
    assert_wrong("list_contains(l, 'x')", Type, "'x'", "elements of int64");
    assert_wrong("coalesce(i, s)", Type, "s", "the values before it are int64");
    assert_wrong("CAST(d AS float64)", Type, "d", "cannot be cast to float64");
    assert_wrong("NULL", Type, "NULL", "always null");
    assert_wrong("nullif(NULL, 1) + NULL", Type, "NULL, 1) + NULL", "always null");
}

#[test]
fn types_follow_from_the_columns() {
    let cases = [
        ("i", "int64"),
        ("small", "int16"),
        ("small + small", "int64"),
        ("small / small", "float64"),
        ("i % 2", "int64"),
        ("h * 2", "float64"),
        ("-small", "int64"),
        ("i = f", "bool"),
        ("u < i", "bool"),
        ("t < TIMESTAMP '2026-02-01'", "bool"),
        ("z < TIMESTAMP '2026-02-01Z'", "bool"),
        ("d = DATE '2026-02-01'", "bool"),
        ("i IN (1, 2.5, NULL)", "bool"),
        ("NULL = NULL", "bool"),
        ("NULL AND b", "bool"),
        ("v IS NOT NULL", "bool"),
        ("coalesce(small, small)", "int16"),
        ("coalesce(small, 0)", "int64"),
        ("coalesce(h, 0)", "float64"),
        ("coalesce(t, TIMESTAMP '2026-02-01')", "timestamp<us>"),
        ("coalesce(NULL, l)", "list<int64>"),
        ("CASE s WHEN 'a' THEN 1 WHEN NULL THEN 2.5 END", "float64"),
        ("nullif(small, 3)", "int16"),
        ("greatest(small, u)", "int64"),
        ("round(f)", "float64"),
        ("floor(i)", "int64"),
        ("power(i, 2)", "float64"),
        ("s || 'x'", "string"),
        ("concat(NULL)", "string"),
        ("length(s)", "int64"),
        ("len(v)", "int64"),
        ("list_contains(l, 2.5)", "bool"),
        ("CAST(t AS bigint)", "int64"),
        ("CAST(i AS timestamp<ms, UTC>)", "timestamp<ms, UTC>"),
        ("CAST(NULL AS date)", "date"),
        ("CAST(i AS varchar)", "string"),
        ("(i - t::bigint) / 86400000.0", "float64"),
    ];
    for (text, expected) in cases {
        let found = infer(&parse(text).unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found.to_string(), expected, "{text}");
    }
}

#[test]
fn no_length_and_no_depth_overflows() {
    let deep = format!("{}i{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = vec!["i"; 100_000].join(" + ");
    let chain = vec!["i = 1"; 240].join(" OR ");
    let minuses = "- ".repeat(1_000) + "i";
    let casts = "i".to_string() + &"::bigint".repeat(490);
    for text in [deep, long, chain, minuses, casts] {
        assert!(parse(&text).is_err_and(|error| error.message.contains("too deep")), "{}…", &text[..20]);
    }
    let sum = vec!["i"; 140].join(" + ");
    assert!(parse(&format!("i ~ ({sum})")).is_err_and(|error| error.message.contains("not supported")));
    let longest = parse(&vec!["i = 1"; 149].join(" OR ")).unwrap();
    assert_eq!(infer(&longest), Ok(DataType::Bool));
    assert_eq!(parse(&longest.to_string()), Ok(longest));
    for (open, close) in [("(", ")"), ("abs(", ")"), ("CASE WHEN b THEN ", " END"), ("- ", ""), ("(1 + ", ")")] {
        let text = format!("{}i{}", open.repeat(70), close.repeat(70));
        let expr = parse(&text).unwrap();
        assert_eq!(infer(&expr), Ok(DataType::Int64));
        assert_eq!(parse(&expr.to_string()), Ok(expr));
    }
    let predicates = parse(&("i".to_string() + &" IS NULL".repeat(60))).unwrap();
    assert_eq!(parse(&predicates.to_string()), Ok(predicates));
    let items: Vec<String> = (0..50_000).map(|i| i.to_string()).collect();
    assert!(parse(&format!("i IN ({})", items.join(", "))).is_ok());
}

/// All keywords of SQL can be names of columns, quoted where they must be.
#[test]
fn every_keyword_can_name_a_column() {
    let mut misread = Vec::new();
    for keyword in sqlparser::keywords::ALL_KEYWORDS {
        let name = || Box::new(Expr::column(keyword.to_lowercase()));
        let list = vec![*name(), *name()];
        let branches = vec![Branch { when: *name(), then: *name() }];
        let exprs = [
            *name(),
            Expr::Binary { operator: Operator::Less, left: name(), right: name() },
            Expr::Is { operand: name(), state: State::Null, negated: false },
            Expr::In { operand: name(), list: list.clone(), negated: true },
            Expr::Between { operand: name(), low: name(), high: name(), negated: false },
            Expr::Like { operand: name(), pattern: "a".into(), negated: false },
            Expr::Case { operand: Some(name()), branches, otherwise: Some(name()) },
            Expr::Cast { operand: name(), to: DataType::Int64 },
            Expr::Call { function: Function::Concat, arguments: list },
            Expr::Not(name()),
            Expr::Negate(name()),
        ];
        if exprs.iter().any(|expr| parse(&expr.to_string()).as_ref() != Ok(expr)) {
            misread.push(keyword.to_lowercase());
        }
    }
    assert!(misread.is_empty(), "{misread:?}");
}

fn scalars() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Scalar::Float),
        ".{0,6}".prop_map(Scalar::String),
        (-700_000..700_000).prop_map(Scalar::Date),
        (-60_000_000_000_000_000_i64..200_000_000_000_000_000, any::<bool>())
            .prop_map(|(micros, zoned)| Scalar::Timestamp { micros, zoned }),
    ]
}

fn operators() -> impl Strategy<Value = Operator> {
    use Operator::*;
    let all = [Or, And, Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, Add, Subtract, Multiply, Divide, Remainder, Concat];
    proptest::sample::select(all.to_vec())
}

fn data_types() -> impl Strategy<Value = DataType> {
    let zoned = DataType::Timestamp { unit: TimeUnit::Ns, zone: Some("Europe/Berlin".into()) };
    let all = [DataType::Int8, DataType::Float16, DataType::String, DataType::Timestamp { unit: TimeUnit::S, zone: None }, zoned];
    proptest::sample::select(all.to_vec())
}

fn calls(arguments: Vec<Expr>) -> Expr {
    let function = Function::all().filter(|function| function.takes(arguments.len())).nth(arguments.len()).unwrap_or(Function::Concat);
    Expr::Call { function, arguments }
}

/// Trees that read well; most of them have no type.
fn trees() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![scalars().prop_map(Expr::literal), "[a-cA-C_]{1,2}|case|ä b|\"".prop_map(Expr::column)];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let states = proptest::sample::select(vec![State::Null, State::True, State::False]);
        let branch = (inner.clone(), inner.clone()).prop_map(|(when, then)| Branch { when, then });
        prop_oneof![
            (operators(), boxed.clone(), boxed.clone()).prop_map(|(operator, left, right)| Expr::Binary { operator, left, right }),
            boxed.clone().prop_map(Expr::Not),
            boxed.clone().prop_map(Expr::Negate),
            (boxed.clone(), states, any::<bool>()).prop_map(|(operand, state, negated)| Expr::Is { operand, state, negated }),
            (boxed.clone(), prop::collection::vec(inner.clone(), 1..4), any::<bool>()).prop_map(|(operand, list, negated)| Expr::In {
                operand,
                list,
                negated
            }),
            (boxed.clone(), boxed.clone(), boxed.clone(), any::<bool>()).prop_map(|(operand, low, high, negated)| Expr::Between {
                operand,
                low,
                high,
                negated
            }),
            (boxed.clone(), ".{0,4}", any::<bool>()).prop_map(|(operand, pattern, negated)| Expr::Like { operand, pattern, negated }),
            (prop::option::of(boxed.clone()), prop::collection::vec(branch, 1..3), prop::option::of(boxed.clone()))
                .prop_map(|(operand, branches, otherwise)| Expr::Case { operand, branches, otherwise }),
            (boxed, data_types()).prop_map(|(operand, to)| Expr::Cast { operand, to }),
            prop::collection::vec(inner, 1..4).prop_map(calls),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_displayed_reads_back(expr in trees()) {
        let text = expr.to_string();
        prop_assert_eq!(parse(&text), Ok(expr), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "[ a-e0-9'\"()<>=+:,.%*ä\n-]{0,40}|(CASE |WHEN |a |THEN |END |IN |\\(|\\)|NOT |BETWEEN |AND |CAST\\(|AS |1 |'x' ){0,12}") {
        if let Err(error) = parse(&text).and_then(|expr| infer(&expr)) && let Some((offset, len)) = error.at {
            prop_assert!(text.get(offset..offset + len).is_some(), "{error}");
        }
    }
}
