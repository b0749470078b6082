//! The documents tell the truth: every ```kdl block in them is read by the decoder that would read it in a workspace, and every relative
//! link leads somewhere.
//!
//! A block may be a part of a file: `daedalus version=1` is put in where it is left out, and a block that opens with a node which stands
//! at the top of no file only has to be KDL.

use daeda::manifest;
use daeda::source::{Diagnostic, SourceId, Sources};
use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a document.
struct Block {
    /// `README.md:12`, the line of the fence.
    place: String,
    text: String,
}

/// What stands at the top of `Daedalus.kdl`.
const DAEDALUS: [&str; 8] = ["daedalus", "config", "profile", "entity", "partitions", "asset", "job", "schedule"];

/// Reads one kind of file and says what is wrong with it.
type Decoder = fn(&Sources, SourceId) -> Vec<Diagnostic>;

/// The decoder of the file at whose top a node stands.
fn decoder(top: &str) -> Option<Decoder> {
    match top {
        top if DAEDALUS.contains(&top) => Some(|s, id| manifest::daedalus(s, id).1),
        "feature-view" => Some(|s, id| manifest::feature_view(s, id).1),
        "feature-service" => Some(|s, id| manifest::feature_service(s, id).1),
        "runtime" => Some(|s, id| manifest::runtime(s, id).1),
        "pipeline" => Some(|s, id| manifest::pipelines(s, id).1),
        "aggregation" | "embedding-store" | "embedding" => Some(|s, id| manifest::aggregations(s, id).1),
        _ => None,
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The repository's documents, and the design pages where they lie beside it.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let beside = root().join("../shared");
    let folders = [root().to_path_buf(), root().join("docs"), beside.clone()];
    for folder in folders.iter().filter(|folder| **folder != beside || folder.join("manifest.md").exists()) {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        found.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    found.sort();
    found
}

fn name(document: &Path) -> String {
    document.file_name().unwrap().to_string_lossy().into_owned()
}

/// The blocks of a language.
fn blocks(document: &Path, language: &str) -> Vec<Block> {
    let text = fs::read_to_string(document).unwrap();
    let mut found: Vec<Block> = Vec::new();
    let mut open = None;
    for (index, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(opened), None) if opened == language => {
                open = Some(Block { place: format!("{}:{}", name(document), index + 1), text: String::new() })
            }
            (Some(_), None) => open = Some(Block { place: String::new(), text: String::new() }),
            (Some(_), Some(_)) => found.extend(open.take().filter(|block| !block.place.is_empty())),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a fence is not closed", name(document));
    found
}

/// Every ```kdl block with its place.
pub fn kdl_blocks() -> Vec<(String, String)> {
    documents().iter().flat_map(|document| blocks(document, "kdl")).map(|block| (block.place, block.text)).collect()
}

/// What is wrong with a block.
fn mistakes(block: &Block) -> Vec<String> {
    let document = match kdl::KdlDocument::parse_v2(&block.text) {
        Ok(document) => document,
        Err(error) => return vec![format!("{}: {error}", block.place)],
    };
    let top = document.nodes().first().map_or("", |node| node.name().value());
    let Some(decode) = decoder(top) else { return Vec::new() };
    let mut sources = Sources::default();
    let id = sources.add(block.place.as_str(), whole(&block.text, top));
    let say = |d: Diagnostic| format!("{}: line {} of the block: {}", block.place, sources.line_column(d.span()).0, d.message);
    decode(&sources, id).into_iter().map(say).collect()
}

/// The block as a whole file. What is put in stands on the first line, so that lines keep their numbers.
fn whole(text: &str, top: &str) -> String {
    if DAEDALUS[1..].contains(&top) { format!("daedalus version=1; {text}") } else { text.to_string() }
}

#[test]
fn every_kdl_block_is_what_the_language_says() {
    let found: Vec<Block> = documents().iter().flat_map(|document| blocks(document, "kdl")).collect();
    assert!(found.len() > 3, "only {} blocks were found", found.len());
    let mistakes: Vec<String> = found.iter().flat_map(mistakes).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn a_mistake_in_a_block_is_found() {
    let block = |text: &str| Block { place: "here:1".into(), text: text.into() };
    assert!(mistakes(&block("entity \"user\" key=\"user_id\"\n")).is_empty());
    assert!(mistakes(&block("join \"anything\" { column \"goes\" }\n")).is_empty());
    assert_eq!(mistakes(&block("\nentity \"user\" kee=\"user_id\"\n")).len(), 1);
    assert_eq!(mistakes(&block("entity \"user\n")).len(), 1);
}

#[test]
fn every_relative_link_leads_somewhere() {
    let own = documents().into_iter().filter(|document| document.starts_with(root()) && !document.starts_with(root().join("../shared")));
    let mut broken = Vec::new();
    for document in own {
        let text = fs::read_to_string(&document).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let relative = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        let folder = document.parent().unwrap();
        broken.extend(relative.filter(|t| !folder.join(t).exists()).map(|t| format!("{}: {t}", name(&document))));
    }
    assert!(broken.is_empty(), "these links lead nowhere: {}", broken.join(", "));
}
