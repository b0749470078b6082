//! Views: their fields, times, layout and keys.

use super::Resolver;
use super::expressions::{Columns, place};
use super::names::Kind;
use crate::catalog::calendar::{Cadence, Partitions};
use crate::catalog::code;
use crate::catalog::declaration::*;
use crate::catalog::model::*;
use crate::catalog::pattern::pattern_cadence;
use crate::catalog::types::{DataType, TimeUnit};
use crate::source::{Diagnostic, Spanned, did_you_mean, suggestion};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Resolver<'_> {
    pub fn views(&mut self) {
        let mut earlier = BTreeMap::new();
        for declared in &self.declared.views {
            if !self.first_of("view", &declared.name, &mut earlier) {
                continue;
            }
            if let Some(view) = self.view(declared) {
                self.catalog.views.insert(view.name.clone(), Arc::new(view));
            }
        }
    }

    pub fn find_view(&mut self, name: &Name) -> Option<Arc<View>> {
        self.look_up(Kind::View, name, |catalog| catalog.views.get(&name.value).cloned())
    }

    fn view(&mut self, declared: &ViewDecl) -> Option<View> {
        let source = &declared.source;
        let fields = self.fields(declared);
        let behind = self.asset_behind(source)?;
        let layout = match &behind {
            None => self.layout(source)?,
            Some(partitions) => partitions.as_ref().map(Layout::of_asset),
        };
        let timestamp = self.time_column(source.timestamp.as_ref(), source.unit.as_ref(), &fields)?;
        let available_at = self.time_column(source.available_at.as_ref(), source.unit.as_ref(), &fields)?;
        self.known_field(source.created.as_ref(), &fields)?;
        let first = match (&source.first, &layout) {
            (Some(first), Some(layout)) => {
                let earliest = behind.as_ref().and_then(|b| b.as_ref()).map(|partitions| partitions.start);
                Some(self.instant(&layout.cadence, first)?.max(earliest.unwrap_or(i64::MIN)))
            }
            (Some(first), None) => return self.meaningless(first, "`first` says when partitions begin, and this source has none"),
            (None, _) => behind.flatten().map(|partitions| partitions.start),
        };
        self.view_options(declared, &layout, &timestamp)?;
        let entities = self.entities(declared)?;
        let keys = self.view_keys(declared, &fields)?;
        Some(View {
            name: declared.name.value.clone(),
            span: declared.name.span,
            description: declared.description.clone(),
            owner: declared.owner.clone(),
            tags: declared.tags.iter().map(|t| t.value.clone()).collect(),
            entities,
            keys,
            place: match &source.place {
                PlaceDecl::Path(path) => Place::Path(path.value.clone()),
                PlaceDecl::Asset(asset) => Place::Asset(asset.value.clone()),
            },
            format: source.format.value,
            layout,
            timestamp,
            first,
            created: source.created.as_ref().map(|c| c.value.clone()),
            available_at,
            gaps: source.gaps.value,
            late: source.late.value,
            lateness: source.lateness.as_ref().map(|l| l.value),
            ready: source.ready.as_ref().map(|r| r.value.clone()),
            quiet: source.quiet.as_ref().map(|q| q.value),
            pin: match (&source.tag, &source.version) {
                (Some(tag), _) => Pin::Tag(tag.value.clone()),
                (None, Some(version)) => Pin::Version(version.value),
                (None, None) => Pin::Latest,
            },
            ttl: declared.ttl.as_ref().map(|t| t.value),
            fields,
        })
    }

    fn fields(&mut self, declared: &ViewDecl) -> Vec<Field> {
        let mut renamed: Vec<&Name> = Vec::new();
        for rename in &declared.renames {
            if let Some(first) = renamed.iter().find(|first| first.value == rename.to.value) {
                let message = format!("two columns cannot both be called `{}`", rename.to);
                let diagnostic = Diagnostic::error(code::DUPLICATE_NAME, message, rename.to.span).label("again");
                self.report(diagnostic.also(first.span, "first here").hint("rename one of them otherwise"));
            }
            renamed.push(&rename.to);
            if !declared.fields.iter().any(|f| f.name.value == rename.to.value) {
                let known = self.declared_columns(declared);
                self.unknown_column(&rename.to, &format!("view `{}`", declared.name), &known);
            }
        }
        let physical = |name: &str| {
            let rename = declared.renames.iter().find(|r| r.to.value == name);
            rename.map_or(name.to_string(), |r| r.from.value.clone())
        };
        let field = |f: &FieldDecl| Field {
            name: f.name.value.clone(),
            physical: physical(&f.name),
            data_type: f.data_type.value.clone(),
            nullable: f.nullable,
            span: f.name.span,
        };
        declared.fields.iter().map(field).collect()
    }

    fn declared_columns(&self, declared: &ViewDecl) -> Columns {
        let mut columns = Columns::starting(self.is_partial(declared.name.span));
        declared.fields.iter().for_each(|f| columns.add(f.name.value.clone(), f.data_type.value.clone(), f.name.span));
        columns
    }

    /// `None` where the pattern is broken, `Some(None)` where there is none.
    fn layout(&mut self, source: &SourceDecl) -> Option<Option<Layout>> {
        let Some(pattern) = &source.partition else { return Some(None) };
        match pattern_cadence(pattern) {
            Ok(Some(every)) => Some(Some(Layout { pattern: pattern.value.clone(), cadence: Cadence::utc(every) })),
            Ok(None) => self.meaningless(pattern, "a partition pattern needs a placeholder, such as \"dt={day}\""),
            Err(placeholder) => {
                let message = format!("`{{{placeholder}}}` is not a placeholder");
                let at = pattern.find(&format!("{{{placeholder}}}")).map(|at| (at, placeholder.len() + 2));
                let near = did_you_mean(&placeholder, ["day", "hour", "year", "month"]).map(|near| format!("did you mean {{{near}}}? "));
                let hint = "use {day}, {hour}, {year}, {month} or strftime such as {%Y}/{%m}/{%d}";
                let diagnostic = Diagnostic::error(code::LAYOUT, message, place(pattern, at));
                self.report(diagnostic.hint(near.unwrap_or_default() + hint));
                None
            }
        }
    }

    /// The partitions of the asset that a source reads; `None` where that is broken, `Some(None)` where it reads files of its own.
    fn asset_behind(&mut self, source: &SourceDecl) -> Option<Option<Option<Partitions>>> {
        let PlaceDecl::Asset(name) = &source.place else { return Some(None) };
        let assets = &self.declared.manifest.assets;
        if !self.is_known(Kind::Asset, name) {
            return None;
        }
        let asset = &assets[self.names.position(Kind::Asset, name)?];
        if source.format.value == Format::Lance {
            let diagnostic = Diagnostic::error(code::LAYOUT, "an asset is read as Parquet", source.format.span);
            return self.reported(diagnostic.hint("remove `format`; for a Lance dataset name its path instead of the asset"));
        }
        if let Some(pattern) = &source.partition {
            let diagnostic = Diagnostic::error(code::LAYOUT, "an asset's partitions lie where it publishes them", pattern.span);
            return self.reported(diagnostic.hint("remove `partition`"));
        }
        // Partitions that are broken have been reported where they stand.
        match &asset.partitions {
            None => Some(Some(None)),
            Some(partitions) => self.catalog.partitions.get(&partitions.value).cloned().map(|found| Some(Some(found))),
        }
    }

    fn reported<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.report(diagnostic);
        None
    }

    fn meaningless<T>(&mut self, at: &Name, why: &str) -> Option<T> {
        let diagnostic = Diagnostic::error(code::LAYOUT, why.to_string(), at.span);
        self.report(diagnostic.hint("remove it, or add a `partition=\"dt={day}\"` to the source"));
        None
    }

    fn known_field(&mut self, name: Option<&Name>, fields: &[Field]) -> Option<()> {
        let Some(name) = name else { return Some(()) };
        if fields.iter().any(|f| f.name == name.value) {
            return Some(());
        }
        let mut known = Columns::starting(self.is_partial(name.span));
        fields.iter().for_each(|f| known.add(f.name.clone(), f.data_type.clone(), f.span));
        self.unknown_column(name, "the view", &known);
        None
    }

    /// A column of instants: 64-bit epochs need a unit, timestamps bring theirs.
    fn time_column(&mut self, name: Option<&Name>, unit: Option<&Spanned<TimeUnit>>, fields: &[Field]) -> Option<Option<TimeColumn>> {
        let Some(name) = name else { return Some(None) };
        self.known_field(Some(name), fields)?;
        let data_type = &fields.iter().find(|f| f.name == name.value)?.data_type;
        let unit = match (data_type, unit) {
            (DataType::Int64, Some(unit)) => unit.value,
            (DataType::Timestamp { unit, .. }, _) => *unit,
            (DataType::Int64, None) => {
                let message = format!("`{name}` is an int64, so its unit must be said");
                let diagnostic = Diagnostic::error(code::NO_TIME, message, name.span);
                self.report(diagnostic.hint("add unit=\"ms\" (or \"s\", \"us\", \"ns\") to the source"));
                return None;
            }
            (other, _) => {
                let message = format!("`{name}` is {other}, which cannot order events");
                let field = fields.iter().find(|f| f.name == name.value);
                let diagnostic = Diagnostic::error(code::WRONG_TYPE, message, name.span);
                let diagnostic = field.into_iter().fold(diagnostic, |d, field| d.also(field.span, "declared here"));
                self.report(diagnostic.hint("a timestamp column is int64 with a unit, or timestamp<ms>"));
                return None;
            }
        };
        Some(Some(TimeColumn { name: name.value.clone(), unit }))
    }

    fn view_options(&mut self, declared: &ViewDecl, layout: &Option<Layout>, timestamp: &Option<TimeColumn>) -> Option<()> {
        let source = &declared.source;
        if source.format.value == Format::Lance {
            let misplaced = [&source.partition, &source.first, &source.ready].into_iter().flatten().next();
            if let Some(name) = misplaced {
                let message = "a Lance dataset is one directory: it has no partitions";
                let diagnostic = Diagnostic::error(code::LAYOUT, message, name.span).also(source.format.span, "the format");
                return self.reported(diagnostic.hint("remove it"));
            }
        }
        if layout.is_some() && timestamp.is_none() {
            let message = format!("view `{}` is partitioned but has no timestamp", declared.name);
            let hint = "add timestamp=\"column\" to the source: rows are checked against their partition's period";
            let partition = source.partition.as_ref().map_or(source.span, |pattern| pattern.span);
            self.report(Diagnostic::error(code::NO_TIME, message, partition).also(declared.name.span, "the view").hint(hint));
            return None;
        }
        self.pins(source)?;
        self.times(declared, timestamp)?;
        self.completeness(source, layout)?;
        self.late_rows(source)
    }

    /// Only a Lance dataset has versions.
    fn pins(&mut self, source: &SourceDecl) -> Option<()> {
        let tag = source.tag.as_ref().map(|tag| ("tag", tag.span));
        let pin = tag.or(source.version.as_ref().map(|version| ("version", version.span)));
        let Some((name, span)) = pin.filter(|_| source.format.value == Format::Parquet) else { return Some(()) };
        let diagnostic = Diagnostic::error(code::LAYOUT, format!("`{name}` pins a Lance dataset, and this source is Parquet"), span);
        self.reported(diagnostic.hint(format!("remove `{name}`, or say format=\"lance\"")))
    }

    /// What is said of time is said of a column of time.
    fn times(&mut self, declared: &ViewDecl, timestamp: &Option<TimeColumn>) -> Option<()> {
        let source = &declared.source;
        match (timestamp, &source.unit) {
            (None, Some(unit)) if source.available_at.is_none() => {
                let diagnostic = Diagnostic::error(code::NO_TIME, "there is no timestamp for this to be the unit of", unit.span);
                self.reported(diagnostic.hint("add timestamp=\"column\" to the source, or remove `unit`"))
            }
            (Some(time), Some(unit)) if time.unit != unit.value => {
                let message = format!("`{}` has a unit of its own, and that is {}", time.name, time.unit.name());
                let declared_here = declared.fields.iter().find(|field| field.name.value == time.name);
                let diagnostic = Diagnostic::error(code::BAD_OPTION, message, unit.span);
                let diagnostic = declared_here.into_iter().fold(diagnostic, |d, field| d.also(field.data_type.span, "said here"));
                self.reported(diagnostic.hint("remove `unit`: it is for timestamps that are integers"))
            }
            (None, _) => match &declared.ttl {
                Some(ttl) => {
                    let diagnostic = Diagnostic::error(code::NO_TIME, "rows without a timestamp have no age", ttl.span);
                    self.reported(diagnostic.hint("add timestamp=\"column\" to the source, or remove `ttl`"))
                }
                None => Some(()),
            },
            _ => Some(()),
        }
    }

    /// When periods are complete can only be said of a source that has periods.
    fn completeness(&mut self, source: &SourceDecl, layout: &Option<Layout>) -> Option<()> {
        if layout.is_none() {
            let spans = [
                ("ready", source.ready.as_ref().map(|r| r.span)),
                ("quiet", source.quiet.as_ref().map(|q| q.span)),
                ("gaps", (source.gaps.value != Gaps::default()).then_some(source.gaps.span)),
                ("late", (source.late.value != Late::default()).then_some(source.late.span)),
            ];
            if let Some((name, Some(span))) = spans.into_iter().find(|(_, span)| span.is_some()) {
                let at = Spanned::new(name.to_string(), span);
                return self.meaningless(&at, &format!("`{name}` is about a source's partitions, and this source has none"));
            }
        }
        let marker = source.ready.as_ref().filter(|r| r.is_empty() || r.contains('/') || r.ends_with(".parquet"));
        if let Some(marker) = marker {
            let message = format!("`{marker}` cannot be the marker of a complete period");
            let hint = "name a file of the period's directory that is no data, such as ready=\"_SUCCESS\"";
            self.report(Diagnostic::error(code::LAYOUT, message, marker.span).hint(hint));
            return None;
        }
        Some(())
    }

    /// `late="allow"` and `lateness` need each other.
    fn late_rows(&mut self, source: &SourceDecl) -> Option<()> {
        let (message, hint, span) = match (source.late.value, &source.lateness) {
            (Late::Allow, Some(lateness)) if lateness.millis > 0 => return Some(()),
            (Late::Allow, Some(lateness)) => {
                ("a lateness of nothing allows nothing", "say how late rows may be, such as lateness=\"2d\"", lateness.span)
            }
            (Late::Allow, None) => {
                ("`late=\"allow\"` does not say how late", "add how late rows may be, such as lateness=\"2d\"", source.late.span)
            }
            (_, Some(lateness)) => ("`lateness` has no meaning without late=\"allow\"", "add late=\"allow\", or remove it", lateness.span),
            (_, None) => return Some(()),
        };
        self.report(Diagnostic::error(code::LAYOUT, message.to_string(), span).hint(hint));
        None
    }

    /// The keys of the view's entities, each of which is one of its fields.
    fn view_keys(&mut self, declared: &ViewDecl, fields: &[Field]) -> Option<Vec<String>> {
        let mut keys = Vec::new();
        let mut known = Columns::starting(self.is_partial(declared.name.span));
        fields.iter().for_each(|f| known.add(f.name.clone(), f.data_type.clone(), f.span));
        let mut sound = true;
        for entity in &declared.entities {
            let Some(key) = self.entity_key(entity) else { continue };
            if known.get(&key).is_none() && !known.excuses(&key) {
                sound = false;
                let message = format!("view `{}` has no field `{key}`, the key of entity `{entity}`", declared.name);
                let near = suggestion(&key, fields.iter().map(|f| f.name.as_str()));
                let hint = format!("add it to `fields`, or rename a column of the files to it: rename \"…\" to=\"{key}\"; {near}");
                let key = key.clone();
                let said = self.names.position(Kind::Entity, entity).map(|at| self.declared.manifest.entities[at].key.span);
                let diagnostic = Diagnostic::error(code::UNKNOWN_COLUMN, message, entity.span);
                let diagnostic = said.into_iter().fold(diagnostic, |d, span| d.also(span, format!("its key is `{key}`")));
                self.report(diagnostic.hint(hint));
            }
            keys.push(key);
        }
        keys.retain(|key| known.get(key).is_some());
        sound.then_some(keys)
    }

    fn entities(&mut self, declared: &ViewDecl) -> Option<Vec<String>> {
        let mut sound = true;
        for name in &declared.entities {
            sound &= self.is_known(Kind::Entity, name);
        }
        sound.then(|| declared.entities.iter().map(|e| e.value.clone()).collect())
    }

    pub fn entity_key(&self, entity: &str) -> Option<String> {
        let position = self.names.position(Kind::Entity, entity)?;
        self.declared.manifest.entities.get(position).map(|e| e.key.value.clone())
    }
}
