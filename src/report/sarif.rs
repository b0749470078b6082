//! Diagnostics as SARIF 2.1.0, which code hosts and editors read.
//!
//! Knows nothing of what is wrong or why. Invariants: the document is valid by the standard's own schema; columns count characters from
//! 1; files are named from the repository's root.

use crate::source::{Diagnostic, Label, Severity, Sources, Span};
use serde_json::{Value, json};

/// The document. `pages` are all codes with what they mean, `prefix` is the workspace's directory in the repository.
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources, pages: &[(&str, &str)], prefix: &str) -> Value {
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, sources, pages, prefix)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "daeda",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": pages.iter().map(|(code, page)| rule(code, page)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str, page: &str) -> Value {
    let first = page.split_inclusive(". ").next().unwrap_or(page).trim_end();
    json!({
        "id": code,
        "name": code.rsplit("::").next().unwrap_or(code),
        "shortDescription": { "text": first },
        "fullDescription": { "text": page },
        "help": { "text": page },
    })
}

fn result(diagnostic: &Diagnostic, sources: &Sources, pages: &[(&str, &str)], prefix: &str) -> Value {
    let mut result = json!({ "ruleId": diagnostic.code });
    if let Some(index) = pages.iter().position(|(code, _)| *code == diagnostic.code) {
        result["ruleIndex"] = index.into();
    }
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let hint = diagnostic.hint.as_ref().map_or(String::new(), |hint| format!("\n\n{hint}"));
    result["level"] = level.into();
    result["message"] = json!({ "text": format!("{}{hint}", diagnostic.message) });
    result["locations"] = json!([{ "physicalLocation": physical(diagnostic.span(), sources, prefix) }]);
    let related: Vec<Value> = diagnostic.labels.iter().skip(1).map(|label| related(label, sources, prefix)).collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    result
}

fn related(label: &Label, sources: &Sources, prefix: &str) -> Value {
    json!({ "physicalLocation": physical(label.span, sources, prefix), "message": { "text": label.text } })
}

fn physical(span: Span, sources: &Sources, prefix: &str) -> Value {
    let (line, column) = sources.line_column(span);
    let (end_line, end_column) = sources.line_column(Span { offset: span.offset + span.len, len: 0, ..span });
    let uri = uri(&format!("{prefix}{}", sources.get(span.source).name));
    json!({
        "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" },
        "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
    })
}

/// A path as a reference: what has a meaning in one, or is no ASCII, is written as its bytes.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_its_rule_and_its_places() {
        let mut sources = Sources::default();
        let source = sources.add("feature_views/für x.kdl", "ü \"a\"\nb");
        let at = |offset, len| Span { source, offset, len };
        let found = [Diagnostic::warning("daeda::x", "message", at(4, 1)).also(at(7, 1), "there").hint("hint")];
        let document = sarif(&found, &sources, &[("daeda::w", "W."), ("daeda::x", "First. Second.")], "training/");
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][1]["shortDescription"]["text"], "First.");
        let result = &run["results"][0];
        assert_eq!(
            (&result["ruleIndex"], &result["level"], &result["message"]["text"]),
            (&json!(1), &json!("warning"), &json!("message\n\nhint"))
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "training/feature_views/f%C3%BCr%20x.kdl");
        assert_eq!(place["region"], json!({ "startLine": 1, "startColumn": 4, "endLine": 1, "endColumn": 5 }));
        assert_eq!(result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 2);
    }
}
