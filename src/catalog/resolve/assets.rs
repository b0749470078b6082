//! Assets: their partitions, service and op graph.

use super::Resolver;
use crate::catalog::declaration::*;
use crate::catalog::model::*;
use crate::source::{Diagnostic, suggestion};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Resolver<'_> {
    pub fn assets(&mut self) {
        for declared in &self.declared.manifest.assets {
            if let Some(asset) = self.asset(declared) {
                self.catalog.assets.insert(asset.name.clone(), Arc::new(asset));
            }
        }
    }

    fn asset(&mut self, declared: &AssetDecl) -> Option<Asset> {
        let partitions = match &declared.partitions {
            None => None,
            Some(name) => {
                let known: Vec<String> = self.declared.manifest.partitions.iter().map(|p| p.name.value.clone()).collect();
                let partitions = self.catalog.partitions.clone();
                Some(self.look_up("partitions", name, &partitions, &known)?.name)
            }
        };
        let service = match &declared.service {
            None => None,
            Some(name) => {
                let known: Vec<String> = self.declared.services.iter().map(|s| s.name.value.clone()).collect();
                let services = self.catalog.services.clone();
                Some(self.look_up("feature service", name, &services, &known)?)
            }
        };
        if declared.ops.is_empty() {
            let message = format!("asset `{}` has no ops, so there is nothing to build", declared.name);
            let hint = "add op \"compile\" rule=\"compile\" and op \"skeleton\" rule=\"skeleton\" needs=\"compile\"";
            self.report(Diagnostic::error("daeda::catalog::no-columns", message, declared.name.span).hint(hint));
            return None;
        }
        let ops: Option<Vec<Op>> = declared.ops.iter().map(|op| self.op(op, declared, service.as_ref())).collect();
        let ops = self.ordered(ops?, declared)?;
        self.asset_options(declared);
        let checks = self.checks(declared, service.as_ref());
        Some(Asset {
            name: declared.name.value.clone(),
            span: declared.name.span,
            description: declared.description.clone(),
            group: declared.group.as_ref().map(|g| g.value.clone()),
            owner: declared.owner.clone(),
            tags: declared.tags.iter().map(|t| t.value.clone()).collect(),
            partitions,
            service,
            settle: declared.settle.as_ref().map(|s| s.value),
            ops,
            checks,
        })
    }

    fn asset_options(&mut self, declared: &AssetDecl) {
        if let Some(settle) = declared.settle.as_ref().filter(|_| declared.partitions.is_none()) {
            let message = format!("asset `{}` has no partitions, so nothing of it ever settles", declared.name);
            let hint = "remove `settle`, or give the asset partitions";
            self.report(Diagnostic::error("daeda::catalog::bad-option", message, settle.span).hint(hint));
        }
    }

    fn op(&mut self, declared: &OpDecl, asset: &AssetDecl, service: Option<&Arc<Service>>) -> Option<Op> {
        self.op_rule(declared, asset, service)?;
        let command = match declared.rule.value.as_str() {
            "command" => Some(self.command(declared, asset)?),
            _ => None,
        };
        let siblings: Vec<String> = asset.ops.iter().map(|o| o.name.value.clone()).collect();
        for need in &declared.needs {
            if !siblings.contains(&need.value) {
                let message = format!("asset `{}` has no op `{need}`", asset.name);
                let hint = suggestion(need, siblings.iter().map(String::as_str));
                self.report(Diagnostic::error("daeda::catalog::unknown-name", message, need.span).hint(hint));
                return None;
            }
        }
        let retry = declared.retry.as_ref().map(retry).unwrap_or_default();
        Some(Op {
            name: declared.name.value.clone(),
            span: declared.name.span,
            rule: declared.rule.value.clone(),
            needs: declared.needs.iter().map(|n| n.value.clone()).collect(),
            retry,
            timeout: declared.timeout.as_ref().map(|t| t.value),
            cpus: declared.resources.cpus.as_ref().map(|c| c.value),
            memory: declared.resources.memory.as_ref().map(|m| m.value),
            output: declared.output.as_ref().map(|o| o.value.clone()),
            command,
        })
    }

    fn op_rule(&mut self, declared: &OpDecl, asset: &AssetDecl, service: Option<&Arc<Service>>) -> Option<()> {
        if !self.vocabulary.rules.contains(&declared.rule.value.as_str()) {
            let message = format!("there is no rule kind `{}`", declared.rule);
            let hint = suggestion(&declared.rule, self.vocabulary.rules.iter().copied());
            self.report(Diagnostic::error("daeda::catalog::unknown-name", message, declared.rule.span).hint(hint));
            return None;
        }
        if declared.rule.value == "command" {
            return Some(());
        }
        if let Some(command) = &declared.command {
            let message = format!("`run`, `input`, `source` and `env` belong to a command, and this is a {}", declared.rule);
            let diagnostic = Diagnostic::error("daeda::catalog::bad-option", message, command.span);
            self.report(diagnostic.hint("remove them, or say rule=\"command\""));
            return None;
        }
        if service.is_none() {
            let message = format!("rule `{}` works on a feature service, and asset `{}` names none", declared.rule, asset.name);
            let hint = "add service \"…\" to the asset";
            self.report(Diagnostic::error("daeda::catalog::bad-option", message, declared.rule.span).hint(hint));
            return None;
        }
        Some(())
    }

    /// Ops after what they need. A circle is shown as a path.
    fn ordered(&mut self, ops: Vec<Op>, asset: &AssetDecl) -> Option<Vec<Op>> {
        let mut out: Vec<Op> = Vec::new();
        let mut left = ops;
        while !left.is_empty() {
            let done: BTreeSet<&str> = out.iter().map(|o| o.name.as_str()).collect();
            let Some(next) = left.iter().position(|o| o.needs.iter().all(|n| done.contains(n.as_str()))) else {
                self.cycle(&left, asset);
                return None;
            };
            out.push(left.remove(next));
        }
        Some(out)
    }

    fn cycle(&mut self, left: &[Op], asset: &AssetDecl) {
        let mut path = vec![left[0].name.clone()];
        while let Some(op) = left.iter().find(|o| Some(&o.name) == path.last()) {
            let Some(need) = op.needs.iter().find(|n| left.iter().any(|o| o.name == **n)) else { break };
            let closed = path.contains(need);
            path.push(need.clone());
            if closed {
                break;
            }
        }
        let start = path.iter().position(|n| Some(n) == path.last()).unwrap_or(0);
        let message = format!("ops of asset `{}` need each other: {}", asset.name, path[start..].join(" → "));
        let span = left.iter().find(|o| o.name == path[start]).map_or(asset.name.span, |o| o.span);
        self.report(Diagnostic::error("daeda::catalog::cycle", message, span).hint("remove one of these `needs`"));
    }
}

fn retry(declared: &RetryDecl) -> Retry {
    Retry {
        times: declared.times.value,
        delay: declared.delay.unwrap_or_default(),
        backoff: declared.backoff,
        max_delay: declared.max_delay,
        jitter: declared.jitter,
        exit_codes: declared.exit_codes.clone(),
    }
}
