//! A compiled service written out: KDL, JSON, Graphviz or Mermaid.

use crate::catalog::dag::{Dag, Operator, flatten};
use serde_json::Value;

/// KDL that can be read again: one node per operator, with its engine and what it does.
pub fn kdl(dag: &Dag) -> String {
    let mut text = format!(
        "// {} operators; written by `daeda compile`\npipeline {} version={} {{\n",
        dag.operators.len(),
        quoted(&dag.service),
        dag.version
    );
    for operator in &dag.operators {
        text += &operator_kdl(operator);
    }
    text + "}\n"
}

fn operator_kdl(operator: &Operator) -> String {
    let stage = serde_json::to_value(operator.stage).unwrap_or_default();
    let head = format!(
        "    {} {} engine={}{} stage={}",
        operator.does.name(),
        quoted(&operator.id),
        quoted(operator.engine.name()),
        choice(operator),
        quoted(stage.as_str().unwrap_or_default())
    );
    let note = if is_overridden(operator) { format!("  // not the usual one, {}", operator.does.engine().name()) } else { String::new() };
    let mut lines: Vec<String> = Vec::new();
    if !operator.inputs.is_empty() {
        lines.push(format!("input {}", operator.inputs.iter().map(|i| quoted(i)).collect::<Vec<_>>().join(" ")));
    }
    let mut named = Vec::new();
    flatten("", &serde_json::to_value(&operator.does).unwrap_or(Value::Null), &mut named);
    let told = named.into_iter().filter(|(name, _)| name != ".operator");
    lines.extend(told.map(|(name, value)| format!("{} {}", quoted_name(name.trim_start_matches('.')), quoted(&value))));
    format!("{head} {{{note}\n{}    }}\n", lines.iter().map(|l| format!("        {l}\n")).collect::<String>())
}

/// The engines that an operator can run on, where `config/pipelines/` has a choice.
fn choice(operator: &Operator) -> String {
    let engines: Vec<&str> = operator.does.engines().iter().map(|engine| engine.name()).collect();
    if engines.len() > 1 { format!(" engines={}", quoted(&engines.join(" "))) } else { String::new() }
}

/// Whether the author has chosen another engine than the usual one.
fn is_overridden(operator: &Operator) -> bool {
    operator.engine != operator.does.engine()
}

/// The engine as pictures name it.
fn engine(operator: &Operator) -> String {
    let name = operator.engine.name();
    if is_overridden(operator) { format!("{name}, not {}", operator.does.engine().name()) } else { name.into() }
}

/// The DAG as JSON; operators that run on another engine than the usual one say which that is.
pub fn json(dag: &Dag) -> Value {
    let mut json = serde_json::to_value(dag).unwrap_or_default();
    for (number, operator) in dag.operators.iter().enumerate().filter(|(_, operator)| is_overridden(operator)) {
        json["operators"][number]["usual_engine"] = operator.does.engine().name().into();
    }
    json
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A KDL name stands bare where it can.
fn quoted_name(name: &str) -> String {
    let bare = name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c)) && name.chars().next().is_some_and(|c| c.is_alphabetic());
    if bare { name.into() } else { quoted(name) }
}

pub fn dot(dag: &Dag) -> String {
    let node = |o: &Operator| {
        let style = if is_overridden(o) { ", style=dashed" } else { "" };
        format!("  {} [label=\"{}\\n{}\"{style}];\n", quoted(&o.id), o.id, engine(o))
    };
    let edges = |o: &Operator| o.inputs.iter().map(|i| format!("  {} -> {};\n", quoted(i), quoted(&o.id))).collect::<String>();
    let body: String = dag.operators.iter().map(|o| node(o) + &edges(o)).collect();
    format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n{body}}}\n", quoted(&dag.service))
}

pub fn mermaid(dag: &Dag) -> String {
    let number = |id: &str| dag.operators.iter().position(|o| o.id == id).unwrap_or_default();
    let node = |o: &Operator| {
        let style = if is_overridden(o) { format!("  style n{} stroke-dasharray: 4\n", number(&o.id)) } else { String::new() };
        format!("  n{}[\"{}<br/>{}\"]\n{style}", number(&o.id), o.id, engine(o))
    };
    let edges = |o: &Operator| o.inputs.iter().map(|i| format!("  n{} --> n{}\n", number(i), number(&o.id))).collect::<String>();
    "flowchart LR\n".to_string() + &dag.operators.iter().map(|o| node(o) + &edges(o)).collect::<String>()
}
