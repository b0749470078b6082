//! The kinds of mistake that only show when declarations are seen together, and what each means.
//!
//! Invariant: every code that this layer emits is listed in [`CODES`], with a page for `daeda check --explain`.

pub const UNKNOWN_NAME: &str = "daeda::catalog::unknown-name";
pub const DUPLICATE_NAME: &str = "daeda::catalog::duplicate-name";
pub const UNKNOWN_COLUMN: &str = "daeda::catalog::unknown-column";
pub const EXPRESSION: &str = "daeda::catalog::expression";
pub const WRONG_TYPE: &str = "daeda::catalog::wrong-type";
pub const BAD_OPTION: &str = "daeda::catalog::bad-option";
pub const INCOMPLETE: &str = "daeda::catalog::incomplete";
pub const NO_TIME: &str = "daeda::catalog::no-time";
pub const KEYS: &str = "daeda::catalog::keys";
pub const FUNCTION: &str = "daeda::catalog::function";
pub const LAYOUT: &str = "daeda::catalog::layout";
pub const ENGINE: &str = "daeda::catalog::engine";
pub const BAD_DATE: &str = "daeda::catalog::bad-date";
pub const SELECTION: &str = "daeda::catalog::selection";
pub const CYCLE: &str = "daeda::catalog::cycle";
pub const PLACEHOLDER: &str = "daeda::catalog::placeholder";
pub const UNDECLARED_SOURCE: &str = "daeda::catalog::undeclared-source";
pub const NO_COLUMNS: &str = "daeda::catalog::no-columns";
pub const RETRY: &str = "daeda::catalog::retry";
pub const UNUSED: &str = "daeda::catalog::unused";
pub const LEAK: &str = "daeda::catalog::leak";

/// Every code with its explanation.
pub const CODES: &[(&str, &str)] = &[
    (
        UNKNOWN_NAME,
        "A name refers to something that no file of the workspace declares. Names are looked up by kind: a view in feature_views/, a service \
         in feature_services/, an aggregation, embedding or store in the aggregations file, partitions, entities, assets and jobs in \
         Daedalus.kdl, constants in runtime.kdl.",
    ),
    (
        DUPLICATE_NAME,
        "Two declarations have the same name and kind, in two files, or two steps bring a column of the same name to one row. What refers to \
         the name could mean either: rename one of them; the columns of a join are renamed by its prefix=\"…\".",
    ),
    (
        UNKNOWN_COLUMN,
        "A column is named that its view, or the row as built so far, does not have. Fields are declared in the view's `fields`; joined \
         columns carry their join's prefix; windows make `<aggregation>_<window>`; and a step sees only what steps before it brought: filters \
         of the spine see the spine's fields, `curate` and `columns` everything.",
    ),
    (
        EXPRESSION,
        "An expression cannot be understood: its syntax, a function, or the types of its operands. Expressions are SQL scalar expressions over \
         the columns in reach: comparisons, AND OR NOT, IN, BETWEEN, LIKE, CASE, CAST, arithmetic, and functions such as coalesce and \
         list_contains. Texts stand in single quotes.",
    ),
    (
        WRONG_TYPE,
        "A type does not fit where it is used: a filter that is not true or false, a key joined to a key of another type, an aggregate of a \
         type that it does not take, a default that its column cannot hold, a contract column of another type than what fills it.",
    ),
    (
        BAD_OPTION,
        "An option has no meaning where it stands, or contradicts another one. Nothing is silently ignored: an option without effect is a \
         setting that somebody believes in.",
    ),
    (
        INCOMPLETE,
        "A declaration lacks something that it cannot do without, given what else it says: an aggregation its view and its key, a command the \
         program that it runs, a rule the service that it works on.",
    ),
    (
        NO_TIME,
        "Windows and as-of joins compare times, and a spine is made of events in time; the view that is named has no timestamp, or no unit \
         for it. Its source says which column holds the time: `timestamp=\"event_timestamp\" unit=\"ms\"`, or without `unit` where the column \
         is a `timestamp<ms>`.",
    ),
    (
        KEYS,
        "The two sides of a join, or a row and a history, are not matched column by column. A join matches the keys of its view's entities, in \
         their order; `on=\"…\"` names as many columns of the left side. An aggregation is kept `by` its keys; `on` names as many columns of \
         the spine.",
    ),
    (
        FUNCTION,
        "An aggregation's function is written as it cannot be: an option that this function does not have, a column too many or too few, a \
         ratio of windows that its parts do not have, or a window ahead without an end.",
    ),
    (
        LAYOUT,
        "Where and how a view's files lie in time is said in a way that cannot be: a placeholder that does not exist, a pattern without any, \
         something about partitions of a source that has none, a format that its place cannot have.",
    ),
    (
        ENGINE,
        "An operator is to run on an engine that cannot do it. `compute engine=\"polars\"` in runtime.kdl asks Polars, the slow reference, for \
         all rolling aggregates; it has recipes for most functions, not for all. An operator can be left out in config/pipelines/.",
    ),
    (
        BAD_DATE,
        "A partition's start or end, or a view's `first`, is not the start of a period of the cadence it stands for, or the end comes before \
         the start. A day is \"2026-02-01\", an hour \"2026-02-01T13\", a week its Monday, a month \"2026-02\".",
    ),
    (
        SELECTION,
        "A selection cannot be understood. It is made of names of assets, group:g, kind:k and tag:t, with `+` before a name for all that it is \
         made from and after it for all that is made from it, joined by `and`, `or`, `not` and parentheses.",
    ),
    (
        CYCLE,
        "Ops need each other in a circle, or assets are made from each other (through `input`, or a view with source asset=…), so that none \
         could be built first. The message shows the circle as a path; taking one arrow out of it is enough.",
    ),
    (
        PLACEHOLDER,
        "A name in braces stands for nothing where it stands. In `run` there are {output}, {partition}, {day}, {hour}, {year}, {month} and \
         strftime such as {%Y%m%d} of the period's start, {input.NAME} for each input and each op in `needs`, {output-root}, \
         {enriched-output-root}, {asset} and {op}. In `output` there are the roots, {asset}, {op}, {partition} and the period's. Other braces \
         in `run` stand for themselves; `{{name}}` is the text `{name}`.",
    ),
    (
        UNDECLARED_SOURCE,
        "A command runs a program of the workspace that is none of its sources. What is not declared is not observed: when the program \
         changes, nothing is rebuilt.",
    ),
    (
        NO_COLUMNS,
        "A service without `columns` has no contract, and an asset without ops nothing to build. `columns { * }` takes everything that the \
         steps of a service bring.",
    ),
    (
        RETRY,
        "Retries and timeouts that contradict themselves: a first pause longer than the longest one, pauses between tries that are never made, \
         a try that may take no time. `exit-codes` belong to commands; what other rules fail \
         with says by itself whether it can pass.",
    ),
    (
        UNUSED,
        "Something is declared or listed that nothing needs: an aggregation, window, join, joined column or embedding that no column of a \
         contract, filter or expression takes; a view, store, entity, partitions or a constant that nothing refers to. What a service lists \
         and does not need is neither computed nor observed. The fields of a view describe its files, so one that is not used is fine.",
    ),
    (
        LEAK,
        "A training row may hold what was not known at its time, so that a model learns to look into the future and disappoints in production. \
         Three things are found. First, a column fed by a window with direction=\"forward\" that is not called a label: looking ahead is how \
         labels are made, so its name must have one of the words `label`, `target`, `outcome`, `reward`, `future`, `next` or `ahead` between \
         its underscores (`label_bought_7d`); filters in `curate` that look ahead are found too. Second, an as-of join with inclusive=#true \
         of the view that the rows come from: each row then finds itself. Third, a static join of a view that says when its rows could be \
         known (`available-at`): a static join does not ask.",
    ),
];
