//! The language as a whole: the example workspace, a table of mistakes, and damaged texts.

mod broken;
mod example;
mod grammars;
mod mutation;

use crate::source::{Diagnostic, SourceId, Sources, Span};

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Daedalus,
    View,
    Service,
    Runtime,
    Aggregations,
    Pipeline,
}

impl File {
    fn check(self, sources: &Sources, id: SourceId) -> Vec<Diagnostic> {
        match self {
            File::Daedalus => super::daedalus(sources, id).1,
            File::View => super::feature_view(sources, id).1,
            File::Service => super::feature_service(sources, id).1,
            File::Runtime => super::runtime(sources, id).1,
            File::Aggregations => super::aggregations(sources, id).1,
            File::Pipeline => super::pipelines(sources, id).1,
        }
    }
}

/// The files of the example workspace.
const EXAMPLE: [(File, &str, &str); 10] = [
    (File::Daedalus, "Daedalus.kdl", include_str!("../../../Daedalus.kdl")),
    (File::Runtime, "config/training/runtime.kdl", include_str!("../../../config/training/runtime.kdl")),
    (File::Aggregations, "config/training/aggregations.kdl", include_str!("../../../config/training/aggregations.kdl")),
    (File::View, "feature_views/artwork_embeddings.kdl", include_str!("../../../feature_views/artwork_embeddings.kdl")),
    (File::View, "feature_views/artwork_properties.kdl", include_str!("../../../feature_views/artwork_properties.kdl")),
    (File::View, "feature_views/feed_events.kdl", include_str!("../../../feature_views/feed_events.kdl")),
    (File::View, "feature_views/user_attributes.kdl", include_str!("../../../feature_views/user_attributes.kdl")),
    (File::View, "feature_views/user_likes.kdl", include_str!("../../../feature_views/user_likes.kdl")),
    (File::Service, "feature_services/dssm_ranking.kdl", include_str!("../../../feature_services/dssm_ranking.kdl")),
    (File::Service, "feature_services/xgb_reranker.kdl", include_str!("../../../feature_services/xgb_reranker.kdl")),
];

fn one(text: &str) -> (Sources, SourceId) {
    let mut sources = Sources::default();
    let id = sources.add("test.kdl", text);
    (sources, id)
}

fn under(sources: &Sources, span: Span) -> &str {
    &sources.get(span.source).text[span.offset..span.offset + span.len]
}
