//! The kinds of mistake that only show when a workspace is seen as a whole: its settings, its files, what it publishes where.
//!
//! Invariant: every code that this layer emits is listed in [`CODES`], with a page for `daeda check --explain`.

pub(super) const UNSET_VARIABLE: &str = "daeda::workspace::unset-variable";
pub(super) const MISSING_FILE: &str = "daeda::workspace::missing-file";
pub(super) const NOT_TEXT: &str = "daeda::workspace::not-text";
pub(super) const UNREADABLE: &str = "daeda::workspace::unreadable-file";
pub(super) const PUBLISH: &str = "daeda::workspace::publish";
pub(super) const RULE: &str = "daeda::workspace::rule";
pub(super) const RESOURCES: &str = "daeda::workspace::resources";

/// Every code with its explanation.
pub const CODES: &[(&str, &str)] = &[
    (
        UNSET_VARIABLE,
        "A setting is taken from the environment, `(env)\"NAME\"`, and the environment of this command has no such variable. Export it, in CI \
         too, or write the value itself and let a profile or `DAEDA_OUTPUT_ROOT` (each setting has such a variable) override it.",
    ),
    (
        MISSING_FILE,
        "`config` or the chosen profile names a file or a directory that is not there. Paths are relative to the directory of Daedalus.kdl. \
         What nothing names may be absent: without `feature-views` the directory feature_views is read if it exists.",
    ),
    (
        NOT_TEXT,
        "A KDL file holds bytes that are no UTF-8, so nothing in it was read. The place is the first such byte. Files that an editor saved as \
         UTF-16 or in an older code page (Latin-1, Windows-1252) are saved anew as UTF-8: `iconv -f latin1 -t utf-8 old.kdl > new.kdl`.",
    ),
    (
        UNREADABLE,
        "Where a KDL file or a directory of them belongs lies something that cannot be read as one: a directory with a name that ends in .kdl, \
         a link that leads nowhere, a pipe, a file without the permission to read it, a file in place of a directory. Nothing is known of what \
         it should say, so names that are defined nowhere are not reported until it can be read.",
    ),
    (
        PUBLISH,
        "An op would publish where another one does, or over the data that a view reads. Publishing replaces a directory whole, so the two \
         would destroy each other's files, period by period. Each op needs a place of its own: `output \"{output-root}/{asset}/{op}/dt={day}\"` \
         gives one, and where an asset has partitions, the place needs a placeholder of the period.",
    ),
    (
        RULE,
        "A rule cannot work as its op stands: `enrich` needs a skeleton to work on (`needs=\"skeleton\"`) and a service that embeds something, \
         and rows of events need partitions to be built by.",
    ),
    (
        RESOURCES,
        "An op asks for more than the envelope of the whole build, `resources` in `config` as the chosen profile and this machine leave it. It \
         runs all the same: alone, with all that there is. So the number says something that is not so; lower it, or raise the envelope. An \
         envelope beyond the machine is cut without a word, because a manifest is shared by machines of several sizes.",
    ),
];
