//! Diagnostics as commands of a GitHub workflow, which shows them beside the lines that they are about.
//!
//! Knows nothing of what is wrong or why. Invariants: one line a diagnostic, whatever its text; files are named from the repository's root.

use crate::source::{Diagnostic, Severity, Sources, Span};

/// One command for each diagnostic. `prefix` is the workspace's directory in the repository.
pub fn annotations(diagnostics: &[Diagnostic], sources: &Sources, prefix: &str) -> String {
    diagnostics.iter().map(|diagnostic| annotation(diagnostic, sources, prefix)).collect()
}

fn annotation(diagnostic: &Diagnostic, sources: &Sources, prefix: &str) -> String {
    let span = diagnostic.span();
    let (line, column) = sources.line_column(span);
    let (end_line, end_column) = sources.line_column(Span { offset: span.offset + span.len, len: 0, ..span });
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let file = property(&format!("{prefix}{}", sources.get(span.source).name));
    // Of several lines only the lines are shown, and a column of another line would be taken for one of the first.
    let columns = if end_line == line { format!("col={column},endColumn={}", end_column.max(column)) } else { format!("col={column}") };
    let title = property(diagnostic.code);
    format!(
        "::{level} file={file},line={line},endLine={end_line},{columns},title={title}::{}\n",
        data(&message(diagnostic, sources, prefix))
    )
}

/// The message, the places that it speaks of, and the way out.
fn message(diagnostic: &Diagnostic, sources: &Sources, prefix: &str) -> String {
    let mut message = diagnostic.message.clone();
    for label in &diagnostic.labels[1..] {
        let (line, column) = sources.line_column(label.span);
        message += &format!("\n{prefix}{}:{line}:{column}: {}", sources.get(label.span.source).name, label.text);
    }
    if let Some(hint) = &diagnostic.hint {
        message += &format!("\nhelp: {hint}");
    }
    message
}

/// Text behind the two colons.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_with_its_place() {
        let mut sources = Sources::default();
        let source = sources.add("a,b.kdl", "x\nttl \"9\"\n");
        let at = |offset, len| Span { source, offset, len };
        let found = [Diagnostic::error("daeda::a::b", "100% wrong", at(7, 1)).also(at(0, 1), "there").hint("two\nlines")];
        let expected = "::error file=w/a%2Cb.kdl,line=2,endLine=2,col=6,endColumn=7,title=daeda%3A%3Aa%3A%3Ab::100%25 wrong%0Aw/a,b.kdl:1:1: there%0Ahelp: two%0Alines\n";
        assert_eq!(annotations(&found, &sources, "w/"), expected);
        let long = [Diagnostic::warning("daeda::a::b", "m", at(0, 8))];
        assert!(annotations(&long, &sources, "").starts_with("::warning file=a%2Cb.kdl,line=1,endLine=2,col=1,title="));
    }
}
