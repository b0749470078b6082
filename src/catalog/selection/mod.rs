//! Selections: which assets an expression such as `group:training and not tag:slow` or `+ranker` names.
//!
//! | written | means |
//! |---|---|
//! | `name` | that asset; `feature_view/<name>` is a view |
//! | `group:g` `kind:k` `tag:t` | all assets of a group, of a kind (parquet, lance, or a rule kind), with a tag |
//! | `+x` | x and everything that it is made from |
//! | `x+` | x and everything that is made from it |
//! | `not x`, `x and y`, `x or y`, `(…)` | `not` binds closest, `or` least |
//!
//! Knows nothing of partitions or of the command line. Invariant: a mistake carries the place in the text where it is.

mod graph;
mod parse;

pub use graph::AssetGraph;
pub use parse::parse;

use crate::source::suggestion;
use std::collections::BTreeSet;

/// A mistake in a selection: what, where (offset and length in bytes), and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionError {
    pub message: String,
    pub at: (usize, usize),
    pub hint: String,
}

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub at: (usize, usize),
}

/// What a word is looked up among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Name,
    Group,
    Kind,
    Tag,
}

impl By {
    /// The prefixes that the syntax has; a bare word is a name.
    pub const PREFIXES: [(&str, Self); 3] = [("group", Self::Group), ("kind", Self::Kind), ("tag", Self::Tag)];

    fn noun(self) -> &'static str {
        match self {
            Self::Name => "asset",
            Self::Group => "group",
            Self::Kind => "kind of asset",
            Self::Tag => "tag",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    Word(By, Word),
    /// With everything that it is made from.
    Upstreams(Box<Selection>),
    /// With everything that is made from it.
    Downstreams(Box<Selection>),
    Not(Box<Selection>),
    And(Box<Selection>, Box<Selection>),
    Or(Box<Selection>, Box<Selection>),
}

type Names = BTreeSet<String>;

impl Selection {
    /// The assets that are selected, views included.
    pub fn of(&self, graph: &AssetGraph) -> Result<Names, SelectionError> {
        Ok(match self {
            Self::Word(by, word) => look_up(*by, word, graph)?,
            Self::Upstreams(inner) => graph.with_upstreams(inner.of(graph)?),
            Self::Downstreams(inner) => graph.with_downstreams(inner.of(graph)?),
            Self::Not(inner) => {
                let out = inner.of(graph)?;
                graph.names().filter(|name| !out.contains(*name)).map(str::to_string).collect()
            }
            Self::And(a, b) => a.of(graph)?.intersection(&b.of(graph)?).cloned().collect(),
            Self::Or(a, b) => a.of(graph)?.union(&b.of(graph)?).cloned().collect(),
        })
    }

    /// The words of a selection, each with what it is looked up among.
    pub fn words(&self) -> Vec<(By, &Word)> {
        match self {
            Self::Word(by, word) => vec![(*by, word)],
            Self::Upstreams(inner) | Self::Downstreams(inner) | Self::Not(inner) => inner.words(),
            Self::And(a, b) | Self::Or(a, b) => [a.words(), b.words()].concat(),
        }
    }
}

fn look_up(by: By, word: &Word, graph: &AssetGraph) -> Result<Names, SelectionError> {
    let found = graph.matching(by, &word.text);
    if found.is_empty() {
        let known = graph.known(by);
        let hint = suggestion(&word.text, known.iter().map(String::as_str));
        let message = format!("there is no {} `{}`", by.noun(), word.text);
        return Err(SelectionError { message, at: word.at, hint });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::graph::AssetNode;
    use super::*;

    /// feed → ranker → report, feed → counter; and a store that the ranker reads.
    fn graph() -> AssetGraph {
        let node = |group: &str, kinds: &[&str], tags: &[&str], upstreams: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect();
            AssetNode { group: Some(group.into()), kinds: texts(kinds), tags: texts(tags), upstreams: texts(upstreams) }
        };
        let mut graph = AssetGraph::default();
        graph.add("feature_view/feed", node("feature_views", &["parquet"], &[], &[]));
        graph.add("feature_view/vectors", node("feature_views", &["lance"], &[], &[]));
        graph.add("ranker", node("training", &["parquet", "skeleton"], &["slow"], &["feature_view/feed", "feature_view/vectors"]));
        graph.add("counter", node("training", &["parquet", "skeleton"], &[], &["feature_view/feed"]));
        graph.add("report", node("reports", &["command"], &["slow"], &["ranker"]));
        graph
    }

    fn selected(text: &str) -> Vec<String> {
        parse(text).and_then(|s| s.of(&graph())).unwrap_or_else(|e| panic!("{text}: {e:?}")).into_iter().collect()
    }

    #[test]
    fn words_select_by_name_group_kind_and_tag() {
        assert_eq!(selected("ranker"), ["ranker"]);
        assert_eq!(selected("group:training"), ["counter", "ranker"]);
        assert_eq!(selected("kind:lance"), ["feature_view/vectors"]);
        assert_eq!(selected("tag:slow"), ["ranker", "report"]);
    }

    #[test]
    fn a_plus_takes_what_lies_up_or_down() {
        assert_eq!(selected("+ranker"), ["feature_view/feed", "feature_view/vectors", "ranker"]);
        assert_eq!(selected("ranker+"), ["ranker", "report"]);
        assert_eq!(selected("feature_view/feed+"), ["counter", "feature_view/feed", "ranker", "report"]);
        assert_eq!(selected("+ranker+"), ["feature_view/feed", "feature_view/vectors", "ranker", "report"]);
        assert_eq!(selected("+(counter or report) and kind:lance"), ["feature_view/vectors"]);
    }

    #[test]
    fn not_binds_closest_and_or_least() {
        assert_eq!(selected("counter or ranker and tag:slow"), ["counter", "ranker"]);
        assert_eq!(selected("(counter or ranker) and tag:slow"), ["ranker"]);
        assert_eq!(selected("group:training and not tag:slow"), ["counter"]);
        assert_eq!(selected("not (tag:slow or group:feature_views)"), ["counter"]);
        assert_eq!(selected("not not counter"), ["counter"]);
    }

    #[test]
    fn a_stranger_is_pointed_at_with_a_suggestion() {
        let error = parse("group:training and rankr").unwrap().of(&graph()).unwrap_err();
        assert_eq!((error.at, error.hint.as_str()), ((19, 5), "did you mean `ranker`?"));
        let error = parse("tag:slw").unwrap().of(&graph()).unwrap_err();
        assert_eq!((error.at, error.message.as_str()), ((4, 3), "there is no tag `slw`"));
    }
}
