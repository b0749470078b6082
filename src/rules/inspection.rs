//! `check --data`: what views declare, compared with what the footers of their files say.
//!
//! Reads listings, footers of Parquet files and schemas of Lance datasets; no data page. Invariants: one diagnostic for each cause of a
//! view, with the number of files it was seen in and the first of them; what an asset of the workspace publishes is not looked at, since
//! its own contract says what it is.

use super::Site;
use super::source::{PeriodFiles, SourceSpec};
use crate::catalog::calendar::Period;
use crate::catalog::declaration::{Declarations, FieldDecl, Format, Gaps, Late, PlaceDecl, ViewDecl};
use crate::catalog::model::{Catalog, Field, TimeColumn, View};
use crate::catalog::types::DataType;
use crate::features::arrow_type::{arrow_type, declared_type};
use crate::source::{Diagnostic, Span, counted, suggestion};
use crate::table::lance::Dataset;
use crate::table::listing::parquet_files;
use crate::table::parquet::{ColumnShape, same_values, shape};
use arrow::datatypes::DataType as Arrow;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

const MISSING_SOURCE: &str = "daeda::data::missing-source";
const MISSING_PARTITION: &str = "daeda::data::missing-partition";
const MISSING_COLUMN: &str = "daeda::data::missing-column";
const WRONG_TYPE: &str = "daeda::data::wrong-type";
const NULLS: &str = "daeda::data::nulls";
const OUTSIDE: &str = "daeda::data::outside-partition";
const UNREADABLE: &str = "daeda::data::unreadable";

/// Codes of the diagnostics made here, each with the page that `check --explain` prints.
pub const CODES: &[(&str, &str)] = &[
    (
        MISSING_SOURCE,
        "Nothing lies where a view says that its data lies: no file or directory of that path, or no Parquet file in it. Paths are relative \
         to the directory of Daedalus.kdl. Names that begin with `_` or `.` are no data. Said by `check --data`.",
    ),
    (
        MISSING_PARTITION,
        "Between the first period of a source and the latest one that is there, periods are absent. Windows that reach over them see nothing \
         there. Bring them, or say what an absent period means: `gaps=\"empty\"` that nothing happened, `gaps=\"block\"` that what needs it \
         waits; `first=\"…\"` where the source begins later. Said by `check --data`.",
    ),
    (
        MISSING_COLUMN,
        "A view declares a field that files of it do not have. The name in the files may be another: `rename \"id\" to=\"artwork_id\"`. A build \
         that reads the field fails. Said by `check --data`, from the footers of the files.",
    ),
    (
        WRONG_TYPE,
        "A view declares a field with another type than files of it have. Encodings of one type are alike to daeda (dictionaries, large \
         texts), types are not: an int32 is no int64. Declare the type of the files. Said by `check --data`, from the footers of the files.",
    ),
    (
        NULLS,
        "Files hold nulls in a column that a view does not call nullable. In the column of times that ends a build, since every event needs \
         one; elsewhere it means that the declaration is wrong. Said by `check --data`, from the statistics in the footers of the files.",
    ),
    (
        OUTSIDE,
        "A file holds rows whose time lies outside the period of its partition. A build that reads it fails, because a window that does not \
         reach that partition would miss them. Often the `unit` is wrong, or a time zone. Late rows can be allowed or dropped: \
         `late=\"allow\" lateness=\"2d\"`, `late=\"drop\"`. Said by `check --data`, from the statistics in the footers of the files.",
    ),
    (
        UNREADABLE,
        "A file or a directory of a source cannot be read: a damaged footer, permissions, a directory that lies otherwise than `partition` \
         says, a version or tag that a Lance dataset does not have. Said by `check --data`.",
    ),
];

/// What the data of a catalog's views is otherwise than declared.
pub fn inspect(catalog: &Catalog, site: &Site, declared: &Declarations, now: i64) -> Vec<Diagnostic> {
    let views: Vec<(&View, &ViewDecl)> =
        declared.views.iter().filter_map(|declared| Some((&**catalog.views.get(&declared.name.value)?, declared))).collect();
    let found = views.par_iter().filter_map(|(view, declared)| {
        let PlaceDecl::Path(place) = &declared.source.place else { return None };
        let inspection = Inspection { view, declared, spec: SourceSpec::of(view, catalog, site), place: place.span, now };
        Some(inspection.found())
    });
    found.flatten().collect()
}

struct Inspection<'a> {
    view: &'a View,
    declared: &'a ViewDecl,
    spec: SourceSpec,
    /// Of the path in the view.
    place: Span,
    now: i64,
}

/// A file, its period and its columns.
struct Looked {
    name: String,
    period: Option<Period>,
    columns: Vec<ColumnShape>,
}

impl Inspection<'_> {
    fn found(&self) -> Vec<Diagnostic> {
        if !self.spec.path.exists() {
            return vec![self.missing_source(format!("nothing lies at `{}`", self.spec.shown))];
        }
        match self.view.format {
            Format::Lance => self.dataset(),
            Format::Parquet => self.files(),
        }
    }

    fn missing_source(&self, message: String) -> Diagnostic {
        let hint = "bring the data, or correct the path; it is relative to the directory of Daedalus.kdl";
        Diagnostic::warning(MISSING_SOURCE, message, self.place).label(format!("the source of view `{}`", self.view.name)).hint(hint)
    }

    /// Says paths as the manifest does, so that the text is the same wherever the workspace lies.
    fn unreadable(&self, why: &impl std::fmt::Display) -> Diagnostic {
        let why = why.to_string().replace(&*self.spec.path.to_string_lossy(), &self.spec.shown);
        let hint = "mend or remove what cannot be read, or correct the source; `daeda check --explain unreadable` says more";
        Diagnostic::error(UNREADABLE, why, self.place).hint(hint)
    }

    fn dataset(&self) -> Vec<Diagnostic> {
        let dataset = match Dataset::open(&self.spec.path, &self.spec.lance_pin()) {
            Ok(dataset) => dataset,
            Err(error) => return vec![self.unreadable(&error)],
        };
        let shape = |field: &std::sync::Arc<arrow::datatypes::Field>| ColumnShape {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nulls: None,
            range: None,
        };
        let columns = dataset.schema().fields().iter().map(shape).collect();
        self.fields(&[Looked { name: self.spec.shown.clone(), period: None, columns }])
    }

    fn files(&self) -> Vec<Diagnostic> {
        let periods = match self.spec.periods((None, self.now), &parquet_files) {
            Ok(periods) => periods,
            Err(error) => return vec![self.unreadable(&format!("`{}`: {error}", self.spec.shown))],
        };
        let files: Vec<(Option<Period>, PathBuf)> =
            periods.iter().flat_map(|p| p.files.iter().flatten().map(|file| (p.period, file.clone()))).collect();
        if files.is_empty() {
            return vec![self.missing_source(format!("there is no Parquet file at `{}`", self.spec.shown))];
        }
        let look = |(period, path): &(Option<Period>, PathBuf)| {
            let name = format!("{}/{}", self.spec.shown, self.spec.file_name(path));
            shape(path).map(|columns| Looked { name, period: *period, columns }).map_err(|error| self.unreadable(&error))
        };
        let (looked, mut found): (Vec<_>, Vec<_>) = files.par_iter().map(look).partition_map(|looked| match looked {
            Ok(looked) => rayon::iter::Either::Left(looked),
            Err(diagnostic) => rayon::iter::Either::Right(diagnostic),
        });
        // One that cannot be read is enough to know, with how many others there are.
        let others = found.len().saturating_sub(1);
        found.truncate(1);
        found
            .iter_mut()
            .filter(|_| others > 0)
            .for_each(|first| first.message += &format!("; so it is with {}", counted(others, "other file")));
        found.extend(self.gaps(&periods));
        found.extend(self.fields(&looked));
        found.extend(self.times(&looked));
        found
    }

    /// Periods that are absent before the latest one that is there.
    fn gaps(&self, periods: &[PeriodFiles]) -> Option<Diagnostic> {
        let latest = periods.iter().rposition(PeriodFiles::is_there)?;
        let absent: Vec<bool> = periods[..latest].iter().map(|p| !p.is_there() && p.waits.is_none()).collect();
        let number = absent.iter().filter(|absent| **absent).count();
        if number == 0 || self.view.gaps == Gaps::Empty {
            return None;
        }
        let key = |at: usize| periods[at].key.clone().unwrap_or_default();
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for at in (0..latest).filter(|at| absent[*at]) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == at => *last = at,
                _ => ranges.push((at, at)),
            }
        }
        const MOST: usize = 5;
        let more = ranges.len().saturating_sub(MOST);
        let mut shown: Vec<String> = ranges
            .into_iter()
            .take(MOST)
            .map(|(first, last)| if first == last { key(first) } else { format!("{}..{}", key(first), key(last)) })
            .collect();
        shown.extend((more > 0).then(|| format!("{more} more")));
        let message = format!("{} of `{}` {}: {}", counted(number, "period"), self.spec.shown, absent_word(number), shown.join(", "));
        let at = self.declared.source.first.as_ref().map_or(self.place, |first| first.span);
        let hint = "bring them, or say what an absent period means: gaps=\"empty\" (nothing happened) or gaps=\"block\" (wait for it)";
        Some(Diagnostic::warning(MISSING_PARTITION, message, at).hint(hint))
    }

    /// Declared fields against the columns of each file.
    fn fields(&self, looked: &[Looked]) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (field, declared) in self.view.fields.iter().zip(&self.declared.fields) {
            let columns = || looked.iter().map(|file| (file, file.columns.iter().find(|column| column.name == field.physical)));
            let absent: Vec<&Looked> = columns().filter(|(_, column)| column.is_none()).map(|(file, _)| file).collect();
            if let Some(first) = absent.first() {
                found.push(self.missing_column(field, declared, first, absent.len()));
                continue;
            }
            let mut other: BTreeMap<String, (usize, &Looked, &Arrow)> = BTreeMap::new();
            for (file, column) in columns().filter_map(|(file, column)| Some((file, column?))).filter(|(_, c)| !fits(&c.data_type, field)) {
                other.entry(column.data_type.to_string()).or_insert((0, file, &column.data_type)).0 += 1;
            }
            found.extend(other.into_values().map(|(number, first, data_type)| wrong_type(declared, data_type, first, number)));
            let nulls = columns().filter(|(_, column)| column.and_then(|c| c.nulls).is_some_and(|nulls| nulls > 0));
            let nulls: Vec<&Looked> = nulls.map(|(file, _)| file).collect();
            if let Some(first) = nulls.first().filter(|_| !field.nullable) {
                found.push(self.nulls(field, declared, first, nulls.len()));
            }
        }
        found
    }

    fn missing_column(&self, field: &Field, declared: &FieldDecl, file: &Looked, number: usize) -> Diagnostic {
        let message = format!("{} no column `{}`, such as {}", have(number), field.physical, file.name);
        let near = suggestion(&field.physical, file.columns.iter().map(|column| column.name.as_str()));
        let hint = format!("{near}; where its name there is another: rename \"…\" to=\"{}\"", field.name);
        let renamed = self.declared.renames.iter().find(|rename| rename.to.value == field.name);
        let at = renamed.map_or(declared.name.span, |rename| rename.from.span);
        Diagnostic::error(MISSING_COLUMN, message, at).hint(hint)
    }

    fn nulls(&self, field: &Field, declared: &FieldDecl, file: &Looked, number: usize) -> Diagnostic {
        let message = format!("{} nulls in `{}`, such as {}", have(number), field.physical, file.name);
        let time = [&self.view.timestamp, &self.view.available_at].into_iter().flatten().find(|time| time.name == field.name);
        match time {
            Some(_) => {
                let hint = "every event needs its time; leave rows without one out of the files";
                Diagnostic::error(NULLS, message, declared.name.span).hint(hint)
            }
            None => {
                let hint = format!("say so: {} \"{}\" nullable=#true", field.name, field.data_type);
                Diagnostic::warning(NULLS, message, declared.name.span).hint(hint)
            }
        }
    }

    /// Times against the periods of the partitions that they lie in.
    fn times(&self, looked: &[Looked]) -> Option<Diagnostic> {
        let (time, declared) = (self.view.timestamp.as_ref()?, self.declared.source.timestamp.as_ref()?);
        if self.view.late == Late::Drop {
            return None;
        }
        let field = self.view.field(&time.name)?;
        let outside = looked.iter().filter_map(|file| {
            let column = file.columns.iter().find(|column| column.name == field.physical && fits(&column.data_type, field))?;
            let (range, admitted) = (column.range?, self.spec.admits(file.period?));
            (!covers(admitted, time, range)).then_some((file, range))
        });
        let outside: Vec<(&Looked, (i64, i64))> = outside.collect();
        let (file, (least, greatest)) = outside.first()?;
        let times = format!("from {} to {}", said(*least, time), said(*greatest, time));
        let message = format!("{} rows outside their partition's period, such as {} with times {times}", have(outside.len()), file.name);
        let hint = "write them into the partition of their time, correct `unit`, or say late=\"drop\", or late=\"allow\" lateness=\"2d\"";
        Some(Diagnostic::error(OUTSIDE, message, declared.span).hint(hint))
    }
}

fn absent_word(number: usize) -> &'static str {
    if number == 1 { "is absent" } else { "are absent" }
}

fn have(files: usize) -> String {
    if files == 1 { "1 file has".into() } else { format!("{files} files have") }
}

/// Whether a column can be read as its field: of vectors any floats are turned into those that are declared.
fn fits(found: &Arrow, field: &Field) -> bool {
    let wanted = arrow_type(&field.data_type);
    let floats = |element: &Arrow| matches!(element, Arrow::Float16 | Arrow::Float32 | Arrow::Float64);
    match (found, &field.data_type) {
        (Arrow::FixedSizeList(element, width), DataType::Vector(_, wanted)) if floats(element.data_type()) => *width as u32 == *wanted,
        _ => same_values(found, &wanted),
    }
}

fn wrong_type(declared: &FieldDecl, found: &Arrow, file: &Looked, number: usize) -> Diagnostic {
    let (shown, hint) = match declared_type(found) {
        Some(found) => (found.to_string(), format!("declare what the files hold: {} \"{found}\"", declared.name)),
        None => (found.to_string(), "no field has this type; write the files with another, or leave the field out".to_string()),
    };
    let message = format!("{} `{}` as {shown}, such as {}", have(number), declared.name, file.name);
    Diagnostic::error(WRONG_TYPE, message, declared.data_type.span).label(format!("{shown} in the files")).hint(hint)
}

/// Whether a range of times lies within a period.
fn covers(period: Period, time: &TimeColumn, (least, greatest): (i64, i64)) -> bool {
    let in_millis = |stored: i64| i128::from(stored) * 1_000;
    let bound = |millis: i64| i128::from(millis) * i128::from(time.unit.per_second());
    in_millis(least) >= bound(period.start) && in_millis(greatest) < bound(period.end)
}

/// An instant as people read it; as the number that is stored, where that is in no calendar.
fn said(stored: i64, time: &TimeColumn) -> String {
    let millis = i128::from(stored) * 1_000 / i128::from(time.unit.per_second());
    let instant = i64::try_from(millis).ok().and_then(chrono::DateTime::from_timestamp_millis);
    let sensible = instant.filter(|_| (-62_135_596_800_000..253_402_300_800_000).contains(&millis));
    sensible.map_or(stored.to_string(), |instant| instant.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
