//! The kinds of mistake that a manifest can hold, and what each means.
//!
//! Invariant: every code that this layer emits is listed in [`CODES`], with a page for `daeda check --explain`.

pub(super) const SYNTAX: &str = "daeda::manifest::syntax";
pub(super) const UNKNOWN_NODE: &str = "daeda::manifest::unknown-node";
pub(super) const UNKNOWN_PROPERTY: &str = "daeda::manifest::unknown-property";
pub(super) const UNKNOWN_ANNOTATION: &str = "daeda::manifest::unknown-annotation";
pub(super) const WRONG_TYPE: &str = "daeda::manifest::wrong-type";
pub(super) const BAD_VALUE: &str = "daeda::manifest::bad-value";
pub(super) const MISSING: &str = "daeda::manifest::missing";
pub(super) const TOO_MANY: &str = "daeda::manifest::too-many";
pub(super) const REPEATED: &str = "daeda::manifest::repeated";
pub(super) const DUPLICATE_NAME: &str = "daeda::manifest::duplicate-name";
pub(super) const CONFLICT: &str = "daeda::manifest::conflict";
pub(super) const MISPLACED: &str = "daeda::manifest::misplaced";

/// Every code with its explanation.
pub const CODES: &[(&str, &str)] = &[
    (
        SYNTAX,
        "The file is not KDL version 2, so nothing in it was read. A node is a name, then values (`ttl \"90d\"`), then properties \
         (`key=\"user_id\"`), then perhaps nodes in braces. Texts stand in quotes, true and false are `#true` and `#false`, a raw text is \
         `#\"…\"#`, a comment starts with `//`, and a node ends with its line or a `;`.",
    ),
    (
        UNKNOWN_NODE,
        "A node stands where its name means nothing. Nothing is silently ignored: a misspelt node would otherwise be a setting that never \
         took effect. The hint names the nearest known node, or all of them. Some things are properties (`owner=\"recsys\"` of a feature \
         service) where a neighbour has a node; the hint says so.",
    ),
    (
        UNKNOWN_PROPERTY,
        "A node has a property that it does not know. The hint names the nearest known property, or says that the thing is a node of its own \
         that stands between the braces.",
    ),
    (
        UNKNOWN_ANNOTATION,
        "A value or a node carries a type annotation, `(name)` in front of it, that means nothing there. There are two: `(env)\"NAME\"` takes \
         a text from the environment, in `config`, `profile`, `run` and `env`; `(constant)\"name\"` takes a count from `runtime`, in `k=` and `max=`.",
    ),
    (
        WRONG_TYPE,
        "A value is of another kind than its place takes: a text where a number belongs (`cpus=\"16\"`), a number where a duration belongs \
         (`ttl 90` instead of `ttl \"90d\"`), a text instead of `#true`.",
    ),
    (
        BAD_VALUE,
        "A value is of the right kind but cannot be meant: a duration without one of the units `ms s m h d`, a size without `KiB MiB GiB`, a \
         column type that does not exist, a day that is in no calendar, a word that is none of the known ones, or a number out of range.",
    ),
    (
        MISSING,
        "A node lacks something that it cannot do without: its name, a property, or a node between its braces. The hint shows a complete one \
         to copy.",
    ),
    (
        TOO_MANY,
        "A node has more values than it takes. What follows the first is often meant as a property (`version=1`), or as a node of its own.",
    ),
    (
        REPEATED,
        "Something that may stand once stands twice: a property of one node, a single node such as `config` or `source`, or one window. KDL \
         itself would let the last one win, which hides mistakes.",
    ),
    (
        DUPLICATE_NAME,
        "Two definitions in one file have the same name, so what refers to it could mean either. Both places are shown; rename or remove one.",
    ),
    (
        CONFLICT,
        "Two things stand together that exclude each other: two functions in one aggregation, a path and an asset as one source, `lookup` \
         and `pool` in one embedding, a view on a ratio. Keep one of them.",
    ),
    (
        MISPLACED,
        "`daedalus version=1` must be the first node of `Daedalus.kdl`: it says which language the rest of the file is written in.",
    ),
];
