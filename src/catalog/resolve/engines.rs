//! On which engines operators run: what `config/pipelines/` says, and whether these engines can do it.

use super::Resolver;
use super::names::Kind as Names;
use crate::catalog::code;
use crate::catalog::compile::compile;
use crate::catalog::dag::{Engine, Kind, Operator};
use crate::catalog::declaration::{ComputeEngine, PipelineDecl};
use crate::source::{Diagnostic, Span, Spanned, suggestion};
use std::collections::BTreeMap;

impl Resolver<'_> {
    pub fn engines(&mut self) {
        // What was left out because of a mistake elsewhere cannot be told from what never was.
        let is_whole = self.declared.partial.is_empty() && !self.found.iter().any(Diagnostic::is_error);
        for pipeline in &self.declared.pipelines {
            self.pipeline(pipeline, is_whole);
        }
        for (service, aggregate, operator) in self.without_recipe() {
            let message =
                format!("`{}` has no recipe for the engine `polars`, on which `{operator}` of `{service}` is to run", aggregate.value);
            let remedy = format!("rolling_aggregate \"{operator}\" engine=\"arrow\"");
            let hint = format!("say {remedy} in `pipeline \"{service}\"` of config/pipelines/{service}.kdl, or compute engine=\"native\"");
            self.report(Diagnostic::error(code::ENGINE, message, aggregate.span).hint(hint));
        }
    }

    fn pipeline(&mut self, declared: &PipelineDecl, is_whole: bool) {
        let name = &declared.service;
        let Some(service) = self.look_up(Names::Service, name, |catalog| catalog.services.get(&name.value).cloned()) else { return };
        let operators = compile(&self.catalog, &service).operators;
        let rolling: Vec<&str> = operators.iter().filter(|o| o.does.engines().len() > 1).map(|o| o.id.as_str()).collect();
        for said in &declared.engines {
            if !rolling.contains(&said.operator.value.as_str()) {
                if !is_whole {
                    continue;
                }
                let message = no_choice(&said.operator.value, &service.name, &operators);
                let hint = suggestion(&said.operator, rolling.iter().copied());
                let exists = operators.iter().any(|operator| operator.id == said.operator.value);
                let code = if exists { code::ENGINE } else { code::UNKNOWN_NAME };
                self.report(Diagnostic::error(code, message, said.operator.span).hint(hint));
                continue;
            }
            let engines = self.catalog.engines.entry(service.name.clone()).or_default();
            if engines.insert(said.operator.value.clone(), said.engine.value).is_some() {
                let message = format!("the engine of `{}` is said twice", said.operator);
                let diagnostic = Diagnostic::error(code::DUPLICATE_NAME, message, said.operator.span);
                self.report(diagnostic.hint("remove one of them"));
            }
        }
    }

    /// Aggregates that are to run on Polars and cannot, each with the place that says so, its service and its operator.
    fn without_recipe(&self) -> Vec<(String, Spanned<String>, String)> {
        let mut found = BTreeMap::new();
        let on_polars = self.catalog.runtime.engine == ComputeEngine::Polars;
        let services = self.catalog.services.values();
        for service in services.filter(|service| on_polars || self.catalog.engines.contains_key(&service.name)) {
            for operator in compile(&self.catalog, service).operators {
                let Kind::RollingAggregate(rolling) = &operator.does else { continue };
                if operator.engine == Engine::Polars && !self.vocabulary.on_polars.contains(&rolling.aggregate.as_str()) {
                    let span = self.said_engine(&service.name, &operator.id).unwrap_or(service.span);
                    let aggregate = Spanned::new(rolling.aggregate.clone(), span);
                    found.insert((service.name.clone(), operator.id.clone()), aggregate);
                }
            }
        }
        found.into_iter().map(|((service, operator), aggregate)| (service, aggregate, operator)).collect()
    }

    /// Where an operator's engine is said.
    fn said_engine(&self, service: &str, operator: &str) -> Option<Span> {
        let pipelines = self.declared.pipelines.iter().filter(|pipeline| pipeline.service.value == service);
        let own = pipelines.flat_map(|pipeline| &pipeline.engines).find(|said| said.operator.value == operator);
        own.map(|said| said.engine.span).or(self.declared.runtime.engine.as_ref().map(|engine| engine.span))
    }
}

fn no_choice(operator: &str, service: &str, operators: &[Operator]) -> String {
    match operators.iter().find(|o| o.id == operator) {
        Some(found) => format!("operator `{operator}` of `{service}` runs on {} alone", found.engine.name()),
        None => format!("service `{service}` has no operator `{operator}`"),
    }
}
