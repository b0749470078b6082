//! Cases of the corpus: how they are written, and the workspace that each of them makes. `tests/corpus/README.md` tells the form.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One broken workspace, and what is to be said of it.
pub struct Case {
    /// `syntax.txt: a text that is not closed`.
    pub name: String,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Codes in the order in which they are said, without `daeda::`.
    pub expected: Vec<String>,
    /// What each of them points at.
    pub marks: Vec<Place>,
    /// What second labels point at.
    pub seconds: Vec<Place>,
    /// Parquet files, each with its columns.
    pub tables: Vec<(String, Vec<String>)>,
    /// The view whose data is looked at.
    pub data: Option<String>,
    /// What lies where a file belongs: `directory`, `link` (one that leads nowhere), `pipe`.
    pub odd: BTreeMap<String, String>,
    pub profile: Option<String>,
    pub drawn: String,
}

/// A file and a range of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub range: Range<usize>,
}

/// A file of cases.
pub struct Topic {
    pub path: PathBuf,
    pub cases: Vec<Case>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The sound workspace that cases change.
pub fn base() -> BTreeMap<String, Vec<u8>> {
    fn collect(root: &Path, directory: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, into);
            } else {
                into.insert(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"), fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(&root().join("base"), &root().join("base"), &mut files);
    files
}

pub fn topics() -> Vec<Topic> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let base = base();
    let topic = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_str().unwrap().to_string();
        let blocks = text.split("\n== ").skip(1).map(|block| Case::read(&file, block, &base));
        Topic { cases: blocks.collect(), path }
    };
    paths.into_iter().map(topic).collect()
}

/// The text of a topic with what is drawn now in place of what was drawn before.
pub fn blessed(text: &str, drawn: &[String]) -> String {
    let mut blocks = text.split("\n== ");
    let head = blocks.next().unwrap_or_default().to_string();
    let mut out = head;
    for (block, drawn) in blocks.zip(drawn) {
        let written = block.split("\ndrawn\n").next().unwrap_or_default().trim_end();
        let shown: String = drawn.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect();
        out += &format!("\n== {written}\ndrawn\n{shown}");
    }
    out
}

impl Case {
    fn read(file: &str, block: &str, base: &BTreeMap<String, Vec<u8>>) -> Self {
        let (written, drawn) = block.split_once("\ndrawn\n").unwrap_or((block, ""));
        let mut lines = written.lines().peekable();
        let name = format!("{file}: {}", lines.next().unwrap_or_default());
        let dedent = |line: &str| line.strip_prefix("    ").unwrap_or(line).to_string() + "\n";
        let drawn: String = drawn.trim_end().lines().map(dedent).collect();
        let mut case = Self {
            name,
            files: base.clone(),
            expected: Vec::new(),
            marks: Vec::new(),
            seconds: Vec::new(),
            tables: Vec::new(),
            data: None,
            odd: BTreeMap::new(),
            profile: None,
            drawn,
        };
        let mut marked: BTreeMap<String, String> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        let mut crlf = Vec::new();
        while let Some(line) = lines.next() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut body = |sign: char| {
                let mut body = Vec::new();
                while let Some(line) = lines.next_if(|line| line.starts_with(sign)) {
                    body.push(line[1..].strip_prefix(' ').unwrap_or(&line[1..]).to_string());
                }
                body
            };
            match word {
                "in" => {
                    let mut text = marked.remove(rest).unwrap_or_else(|| text_of(&case.files, rest));
                    loop {
                        let (old, new) = (body('-'), body('+'));
                        if old.is_empty() && new.is_empty() {
                            break;
                        }
                        text = edited(&case.name, &text, &old, &new);
                    }
                    marked.insert(rest.into(), text);
                    if !order.contains(&rest.to_string()) {
                        order.push(rest.into());
                    }
                }
                "remove" => drop(case.files.remove(rest)),
                "crlf" => crlf.push(rest.to_string()),
                "expect" => case.expected.push(rest.into()),
                "parquet" => case.tables.push((rest.into(), body('+'))),
                "data" => case.data = Some(rest.into()),
                "directory" | "link" | "pipe" => drop(case.odd.insert(rest.into(), word.into())),
                "profile" => case.profile = Some(rest.into()),
                "" => {}
                word if word.starts_with("//") => {}
                other => panic!("{}: `{other}` is no directive", case.name),
            }
        }
        for file in order {
            let mut text = marked.remove(&file).unwrap();
            if crlf.contains(&file) {
                text = text.replace('\n', "\r\n");
            }
            let (bytes, marks, seconds) = unmarked(&text);
            let place = |range| Place { file: file.clone(), range };
            case.marks.extend(marks.into_iter().map(place));
            case.seconds.extend(seconds.into_iter().map(place));
            case.files.insert(file.clone(), bytes);
        }
        case
    }
}

fn text_of(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    files.get(name).map_or(String::new(), |bytes| String::from_utf8(bytes.clone()).unwrap())
}

/// Lines that stand in a text (whatever their indent) replaced by others, indented as the first of them. Where they do not follow each other
/// the first is taken out by itself. Without old lines the new ones are the whole file.
fn edited(case: &str, text: &str, old: &[String], new: &[String]) -> String {
    if old.is_empty() {
        return new.iter().map(|line| format!("{line}\n")).collect();
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_here = |at: &usize| old.iter().enumerate().all(|(i, old)| lines.get(at + i).is_some_and(|line| line.trim() == old.trim()));
    let Some(at) = (0..lines.len()).find(is_here) else {
        assert!(old.len() > 1, "{case}: {old:?} does not stand there");
        let without = if old[0].is_empty() { text.to_string() } else { edited(case, text, &old[..1], &["⟨gone⟩".into()]) };
        let without: String = without.lines().filter(|line| line.trim() != "⟨gone⟩").map(|line| format!("{line}\n")).collect();
        return edited(case, &without, &old[1..], new);
    };
    let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
    let replaced = new.iter().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    let before = lines[..at].iter().map(|line| line.to_string());
    let after = lines[at + old.len()..].iter().map(|line| line.to_string());
    before.chain(replaced).chain(after).map(|line| line + "\n").collect()
}

/// A text without its marks: its bytes, what `«…»` and what `‹…›` enclose. `⟨U+202E⟩` is that character, `⟨FF⟩` that byte, and `⟨end⟩`
/// takes away all that follows it.
fn unmarked(text: &str) -> (Vec<u8>, Vec<Range<usize>>, Vec<Range<usize>>) {
    let text = text.split("⟨end⟩").next().unwrap_or_default();
    let (mut bytes, mut open) = (Vec::new(), Vec::new());
    let (mut marks, mut seconds) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '«' | '‹' => open.push((bytes.len(), marks.len(), c)),
            '»' | '›' => {
                let (start, position, opened) = open.pop().expect("a mark is closed that was not opened");
                match opened {
                    '«' => marks.insert(position, start..bytes.len()),
                    _ => seconds.push(start..bytes.len()),
                }
            }
            '⟨' => {
                let name = rest[length..].split('⟩').next().unwrap();
                length += name.len() + '⟩'.len_utf8();
                match name.strip_prefix("U+") {
                    Some(code) => {
                        let c = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
                        bytes.extend(c.to_string().bytes());
                    }
                    None => bytes.push(u8::from_str_radix(name, 16).unwrap()),
                }
            }
            _ => bytes.extend(&rest.as_bytes()[..length]),
        }
        rest = &rest[length..];
    }
    assert!(open.is_empty(), "a mark is not closed");
    (bytes, marks, seconds)
}
