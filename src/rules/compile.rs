//! `compile`: publishes a service's operator DAG as JSON, for people and tools. Nothing downstream reads it.

use super::{Outline, Partition, RuleKind, Subject, Tell, spec_of, versions};
use crate::catalog::dag::{Dag, parameters};
use crate::digest::Digest;
use crate::engine::action::{Job, Place};
use crate::engine::check::modified;
use crate::engine::execute::Made;
use crate::engine::failure::Failure;
use crate::engine::observation::{Kind, Observation};
use crate::engine::record::OutputFile;
use serde_json::json;
use std::fs;

pub struct Compile;

impl RuleKind for Compile {
    fn name(&self) -> &'static str {
        "compile"
    }

    fn is_unpartitioned(&self) -> bool {
        true
    }

    fn fit(&self, _: &Subject) -> Result<(), String> {
        Ok(())
    }

    fn outline(&self, subject: &Subject) -> Result<Outline, String> {
        let mut definition = versions::rules(&subject.dag.operators);
        definition.extend(parameters(&subject.dag.operators).into_iter().map(|(n, v)| Observation::text(Kind::Parameter, n, v)));
        definition.push(Observation::text(Kind::Parameter, "service", &subject.dag.service));
        definition.push(Observation::text(Kind::Parameter, "version", subject.dag.version.to_string()));
        let order = subject.dag.operators.iter().map(|o| o.id.as_str()).collect::<Vec<_>>().join(", ");
        definition.push(Observation::text(Kind::Parameter, "operators", order));
        let spec = serde_json::to_value(subject.dag).map_err(|e| e.to_string())?;
        Ok(Outline { definition, requests: vec![], reads: vec![], inputs: vec![], spec })
    }

    fn place(&self, subject: &Subject, _: Option<Partition>) -> Place {
        Place { root: subject.site.output_root.clone(), directory: format!("_daeda/compile/{}", subject.asset.name) }
    }

    fn run(&self, job: &Job, _tell: Tell) -> Result<Made, Failure> {
        let dag: Dag = spec_of(&job.action)?;
        let text = serde_json::to_string_pretty(&dag).map_err(|e| Failure::permanent(e.to_string()))?;
        let path = job.staging.join("dag.json");
        fs::write(&path, &text).map_err(|e| Failure::io("cannot write dag.json", &e))?;
        let written = fs::metadata(&path).map_err(|e| Failure::io("cannot write dag.json", &e))?;
        let file =
            OutputFile { name: "dag.json".into(), size: written.len(), digest: Digest::of(text.as_bytes()), modified: modified(&written) };
        let mut made = Made { files: vec![file], ..Made::default() };
        made.metadata.insert("operators".into(), json!(dag.operators.len()));
        made.metadata.insert("dag".into(), job.action.common.spec.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SpecFields;
    use super::*;

    #[test]
    fn every_field_of_the_spec_is_hashed_or_exempt() {
        let dag = Dag { service: "ranking".into(), version: 1, operators: vec![] };
        let fields = SpecFields { hashed: &["service", "version", "operators"], exempt: &[] };
        fields.check(&serde_json::to_value(&dag).unwrap());
    }
}
