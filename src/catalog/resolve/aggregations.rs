//! Aggregations, embedding stores and embeddings.

use super::Resolver;
use super::expressions::Columns;
use super::names::Kind;
use crate::catalog::aggregate::{Options, Signature};
use crate::catalog::code;
use crate::catalog::declaration::*;
use crate::catalog::model::*;
use crate::catalog::quantity::Window;
use crate::catalog::types::DataType;
use crate::source::{Diagnostic, Span, counted, suggestion};
use std::sync::Arc;

impl<'a> Resolver<'a> {
    pub fn stores(&mut self) {
        for declared in &self.declared.aggregations.stores {
            if let Some(store) = self.store(declared) {
                self.catalog.stores.insert(store.name.clone(), Arc::new(store));
            }
        }
        for declared in &self.declared.aggregations.embeddings {
            if let Some(store) = self.find_store(&declared.store) {
                let (input, pool) = match &declared.kind {
                    EmbeddingKind::Lookup { column } => (column.clone(), None),
                    EmbeddingKind::Pool { pool, over } => (over.clone(), Some(pool.value)),
                };
                let embedding = Embedding { name: declared.name.value.clone(), span: declared.name.span, store, input, pool };
                self.catalog.embeddings.insert(embedding.name.clone(), Arc::new(embedding));
            }
        }
    }

    pub fn find_store(&mut self, name: &Name) -> Option<Arc<Store>> {
        self.look_up(Kind::Store, name, |catalog| catalog.stores.get(&name.value).cloned())
    }

    fn store(&mut self, declared: &StoreDecl) -> Option<Store> {
        let view = self.find_view(&declared.view)?;
        if view.format != Format::Lance {
            let message = format!("an embedding store reads Lance, and view `{}` is Parquet", view.name);
            let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, declared.view.span);
            self.report(diagnostic.also(view.span, "declared here").hint("name a view whose source says format=\"lance\""));
            return None;
        }
        let key = self.store_column(&declared.key, &view, "an integer", DataType::is_integer)?;
        let vector = self.store_column(&declared.vector, &view, "a vector", |t| matches!(t, DataType::Vector(..)))?;
        Some(Store { name: declared.name.value.clone(), key: key.name, vector: vector.name, data_type: vector.data_type, view })
    }

    fn store_column(&mut self, name: &Name, view: &View, what: &str, fits: impl Fn(&DataType) -> bool) -> Option<Field> {
        let Some(field) = view.field(name) else {
            self.unknown_column(name, &format!("view `{}`", view.name), &self.view_columns(view));
            return None;
        };
        if !fits(&field.data_type) {
            let message = format!("`{name}` must be {what}, and it is {}", field.data_type);
            let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, name.span).also(field.span, "declared here");
            self.report(diagnostic.hint(format!("name a column that is {what}")));
            return None;
        }
        Some(field.clone())
    }

    pub fn aggregations(&mut self) {
        let (ratios, measures): (Vec<_>, Vec<_>) =
            self.declared.aggregations.aggregations.iter().partition(|a| matches!(a.function.value, FunctionDecl::Ratio { .. }));
        for declared in measures {
            if let Some(measure) = self.measure(declared) {
                self.keep_aggregation(declared, AggregationKind::Of(Box::new(measure)));
            }
        }
        for declared in ratios {
            if let Some(kind) = self.ratio(declared) {
                self.keep_aggregation(declared, kind);
            }
        }
    }

    fn keep_aggregation(&mut self, declared: &AggregationDecl, kind: AggregationKind) {
        let name = declared.name.value.clone();
        let aggregation = Aggregation { name: name.clone(), span: declared.name.span, windows: declared.windows.clone(), kind };
        self.catalog.aggregations.insert(name, Arc::new(aggregation));
    }

    fn ratio(&mut self, declared: &AggregationDecl) -> Option<AggregationKind> {
        let FunctionDecl::Ratio { numerator, denominator } = &declared.function.value else { return None };
        for part in [numerator, denominator] {
            let aggregation = self.look_up(Kind::Aggregation, part, |catalog| catalog.aggregations.get(&part.value).cloned())?;
            self.ratio_part(part, &aggregation, declared)?;
        }
        Some(AggregationKind::Ratio { numerator: numerator.value.clone(), denominator: denominator.value.clone() })
    }

    /// A part must have the ratio's windows and be a number.
    fn ratio_part(&mut self, part: &Name, aggregation: &Aggregation, ratio: &AggregationDecl) -> Option<()> {
        let missing = ratio.windows.iter().find(|w| !aggregation.windows.iter().any(|p| p.value == w.value));
        if let Some(window) = missing {
            let message = format!("`{part}` has no window \"{window}\", so the ratio has no such column");
            let diagnostic = Diagnostic::error(code::FUNCTION, message, window.span);
            self.report(
                diagnostic.also(aggregation.span, "its windows are declared here").hint(format!("add \"{window}\" to its windows")),
            );
            return None;
        }
        let is_number = matches!(&aggregation.kind, AggregationKind::Of(m) if m.output.is_number());
        if !is_number {
            let message = format!("a ratio is of two numbers, and `{part}` is none");
            let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, part.span).also(aggregation.span, "declared here");
            self.report(diagnostic.hint("name aggregations such as a count or a sum"));
        }
        is_number.then_some(())
    }

    fn measure(&mut self, declared: &AggregationDecl) -> Option<Measure> {
        let Some(view_name) = &declared.view else {
            let message = format!("aggregation `{}` does not say which view's events it sees", declared.name);
            self.report(Diagnostic::error(code::INCOMPLETE, message, declared.name.span).hint("add view=\"…\""));
            return None;
        };
        let view = self.find_view(view_name)?;
        self.has_timestamp(&view, view_name.span)?;
        self.windows_end(declared)?;
        let mut columns = self.view_columns(&view);
        let joins: Vec<Join> = declared.joins.iter().filter_map(|j| self.join(j, &mut columns, true)).collect();
        // What a broken join would have brought is unknown, so nothing after it can be judged.
        (joins.len() == declared.joins.len()).then_some(())?;
        let filters: Option<Vec<Filter>> = declared.filters.iter().map(|f| self.filter(f, &columns)).collect();
        let require_embedding = self.coverage(&declared.require_embedding, &columns);
        let by = self.group_keys(declared, &columns)?;
        let (signature, column, options) = self.function(declared, &columns)?;
        let input = column.as_ref().and_then(|c| columns.get(c));
        let output = self.output(signature, input, &options, declared, &columns)?;
        Some(Measure {
            on: if declared.on.is_empty() { by.clone() } else { declared.on.iter().map(|o| o.value.clone()).collect() },
            by,
            joins,
            filters: filters?,
            require_embedding: require_embedding?,
            function: signature.name().into(),
            column,
            options,
            offset: declared.offset.as_ref().map(|o| o.value).unwrap_or_default(),
            forward: declared.forward.is_some(),
            output,
            zero_when_empty: signature.zero_when_empty(),
            version: signature.version(),
            view,
        })
    }

    fn has_timestamp(&mut self, view: &View, span: Span) -> Option<()> {
        if view.timestamp.is_none() {
            let message = format!("windows need time, and view `{}` has no timestamp", view.name);
            let hint = "add timestamp=\"column\" to the view's source";
            self.report(Diagnostic::error(code::NO_TIME, message, span).also(view.span, "the view").hint(hint));
        }
        view.timestamp.as_ref().map(|_| ())
    }

    /// A partition is due once its windows have passed, so those that look ahead have an end.
    fn windows_end(&mut self, declared: &AggregationDecl) -> Option<()> {
        let endless = declared.windows.iter().find(|w| w.value == Window::Lifetime);
        let (Some(window), Some(forward)) = (endless, declared.forward) else { return Some(()) };
        let message = format!("`{}` looks ahead without an end, so its partitions would never be due", declared.name);
        let diagnostic = Diagnostic::error(code::FUNCTION, message, window.span).also(forward, "it looks ahead");
        self.report(diagnostic.hint("say how far it looks, such as windows \"7d\", or remove direction=\"forward\""));
        None
    }

    pub fn filter(&mut self, text: &Name, columns: &Columns) -> Option<Filter> {
        self.condition(text, columns).map(|expr| Filter { name: text.value.clone(), expr })
    }

    /// `require-embedding`: the row's column is the one named like the store's key.
    pub fn coverage(&mut self, names: &[Name], columns: &Columns) -> Option<Vec<Coverage>> {
        let mut out = Vec::new();
        for name in names {
            let store = self.find_store(name)?;
            if columns.get(&store.key).is_none() {
                let message = format!("rows are matched to store `{name}` by `{}`, which they do not have", store.key);
                if columns.excuses(&store.key) {
                    return None;
                }
                let hint = "require an embedding only of rows that carry the store's key";
                let origin = store.view.field(&store.key).map(|field| field.span);
                let diagnostic = Diagnostic::error(code::UNKNOWN_COLUMN, message, name.span);
                let diagnostic = origin.into_iter().fold(diagnostic, |d, span| d.also(span, "the store's key"));
                self.report(diagnostic.hint(hint));
                return None;
            }
            out.push(Coverage { column: store.key.clone(), store });
        }
        Some(out)
    }

    fn group_keys(&mut self, declared: &AggregationDecl, columns: &Columns) -> Option<Vec<String>> {
        if declared.by.is_empty() {
            let message = format!("aggregation `{}` does not say which key it is by", declared.name);
            self.report(Diagnostic::error(code::INCOMPLETE, message, declared.name.span).hint("add by=\"user_id\""));
            return None;
        }
        for key in &declared.by {
            match columns.get(key) {
                Some(t) if t.is_float() || matches!(t, DataType::List(_) | DataType::Vector(..) | DataType::Binary) => {
                    let message = format!("`{key}` is {t}, which is no key");
                    let hint = "keys are integers, strings, dates or bools";
                    let mut diagnostic = Diagnostic::error(code::WRONG_TYPE, message, key.span);
                    if let Some(origin) = columns.origin(key) {
                        diagnostic = diagnostic.also(origin, "declared here");
                    }
                    self.report(diagnostic.hint(hint));
                    return None;
                }
                Some(_) => {}
                None => {
                    self.unknown_column(key, "the aggregation's view", columns);
                    return None;
                }
            }
        }
        if !declared.on.is_empty() && declared.on.len() != declared.by.len() {
            let message = format!("`on` names {}, and `by` {}", counted(declared.on.len(), "column"), counted(declared.by.len(), "key"));
            let diagnostic = Diagnostic::error(code::KEYS, message, declared.on[0].span).also(declared.by[0].span, "the keys");
            self.report(diagnostic.hint("name one column of the spine for each key, in the same order"));
            return None;
        }
        Some(declared.by.iter().map(|k| k.value.clone()).collect())
    }

    fn function(&mut self, declared: &AggregationDecl, columns: &Columns) -> Option<(&'a dyn Signature, Option<String>, Options)> {
        let FunctionDecl::Of { function, column, k, distinct, flatten, max } = &declared.function.value else { return None };
        let span = declared.function.span;
        let signature = self.signature(function, span)?;
        if signature.takes_column() != column.is_some() {
            let message = if column.is_some() { format!("`{function}` takes no column") } else { format!("`{function}` needs a column") };
            let hint = if column.is_some() { "write it bare" } else { "name one, such as: mean \"aes_score\"" };
            self.report(Diagnostic::error(code::FUNCTION, message, span).hint(hint));
            return None;
        }
        if let Some(column) = column.as_ref().filter(|c| columns.get(c).is_none()) {
            self.unknown_column(column, "the aggregation's view", columns);
            return None;
        }
        let [given_k, given_max] = [k, max].map(|amount| amount.as_ref().map(|amount| amount.span));
        let k = k.as_ref().map(|k| self.constant(k).ok_or(()));
        let max = max.as_ref().map(|m| self.constant(m).ok_or(()));
        let options =
            Options { k: k.transpose().ok()?, distinct: distinct.is_some(), flatten: flatten.is_some(), max: max.transpose().ok()? };
        let places = [("k", given_k), ("distinct", *distinct), ("flatten", *flatten), ("max", given_max)];
        let place = |name: &str| places.iter().find(|(option, _)| *option == name).and_then(|(_, place)| *place).unwrap_or(span);
        self.options_fit(signature, &options, &place)?;
        Some((signature, column.as_ref().map(|c| c.value.clone()), options))
    }

    fn signature(&mut self, function: &str, span: Span) -> Option<&'a dyn Signature> {
        let known = self.vocabulary.aggregates;
        let found = known.iter().copied().find(|s| s.name() == function);
        if found.is_none() {
            let message = format!("there is no aggregate `{function}`");
            let hint = suggestion(function, known.iter().map(|s| s.name()));
            self.report(Diagnostic::error(code::UNKNOWN_NAME, message, span).hint(hint));
        }
        found
    }

    fn options_fit(&mut self, signature: &dyn Signature, options: &Options, place: &dyn Fn(&str) -> Span) -> Option<()> {
        let name = written(signature);
        if let Some(wrong) = options.given().into_iter().find(|o| !signature.options().contains(o)) {
            let message = format!("`{name}` has no option `{wrong}`");
            let known = signature.options().join(", ");
            let hint =
                if known.is_empty() { format!("remove `{wrong}=`; `{name}` has no options") } else { format!("its options: {known}") };
            self.report(Diagnostic::error(code::FUNCTION, message, place(wrong)).hint(hint));
            return None;
        }
        if options.k == Some(0) || options.max == Some(0) {
            let message = format!("`{name}` cannot keep 0 values");
            let wrong = if options.k == Some(0) { "k" } else { "max" };
            self.report(Diagnostic::error(code::FUNCTION, message, place(wrong)).hint("keep at least 1"));
            return None;
        }
        Some(())
    }

    fn output(
        &mut self,
        signature: &dyn Signature,
        input: Option<&DataType>,
        options: &Options,
        declared: &AggregationDecl,
        columns: &Columns,
    ) -> Option<DataType> {
        let why = match signature.output(input, options) {
            Ok(output) => return Some(output),
            Err(why) => why,
        };
        let FunctionDecl::Of { column, .. } = &declared.function.value else { return None };
        let message = format!("`{}` {why}", written(signature));
        let mut diagnostic = Diagnostic::error(code::WRONG_TYPE, message, column.as_ref().map_or(declared.function.span, |c| c.span));
        if let (Some(column), Some(input)) = (column, input) {
            diagnostic = diagnostic.label(format!("this is {input}"));
            diagnostic = columns.origin(column).into_iter().fold(diagnostic, |d, span| d.also(span, "declared here"));
        }
        let hint = "name a column that it takes; `count-distinct`, `first`, `last` and `distinct` take texts as well as numbers";
        self.report(diagnostic.hint(hint));
        None
    }
}

/// How the manifest writes a function.
fn written(signature: &dyn Signature) -> String {
    signature.name().trim_end_matches("_k").replace('_', "-")
}
