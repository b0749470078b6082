//! Rows as plain values, and how they get into Parquet files and out again.

use arrow::array::*;
use arrow::datatypes::*;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
}

/// Columns by name.
pub type Row = BTreeMap<String, Value>;

/// The types of columns that tests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Int32,
    Float,
    Text,
    Ints,
    Floats,
    Texts,
    Time(Unit),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    S,
    Ms,
    Us,
    Ns,
}

impl Unit {
    pub fn name(self) -> &'static str {
        ["s", "ms", "us", "ns"][self as usize]
    }

    pub fn nanos(self) -> i128 {
        [1_000_000_000, 1_000_000, 1_000, 1][self as usize]
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    pub fn int(&self) -> Option<i64> {
        if let Value::Int(int) = self { Some(*int) } else { None }
    }

    /// A number of either type.
    pub fn float(&self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub fn list(&self) -> Option<&[Value]> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// One value, NaN being one with itself.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (a, b) => a == b,
        }
    }

    /// One value but for the rounding of floats.
    pub fn close(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Float(a), Value::Float(b)) => self.same(other) || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0),
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.close(b)),
            (a, b) => a == b,
        }
    }
}

impl Kind {
    /// As the manifest writes it.
    pub fn text(self) -> String {
        match self {
            Kind::Bool => "bool".into(),
            Kind::Int => "int64".into(),
            Kind::Int32 => "int32".into(),
            Kind::Float => "float64".into(),
            Kind::Text => "string".into(),
            Kind::Ints => "list<int64>".into(),
            Kind::Floats => "list<float64>".into(),
            Kind::Texts => "list<string>".into(),
            Kind::Time(unit) => format!("timestamp<{}>", unit.name()),
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Kind::Int | Kind::Int32 | Kind::Float)
    }

    pub fn list_of(self) -> Option<Kind> {
        match self {
            Kind::Int => Some(Kind::Ints),
            Kind::Float => Some(Kind::Floats),
            Kind::Text => Some(Kind::Texts),
            _ => None,
        }
    }
}

fn list<B: ArrayBuilder>(values: &[&Value], builder: B, mut append: impl FnMut(&mut B, &Value)) -> ArrayRef {
    let mut lists = ListBuilder::new(builder);
    for value in values {
        value.list().unwrap_or_default().iter().for_each(|item| append(lists.values(), item));
        lists.append(!value.is_null());
    }
    Arc::new(lists.finish())
}

/// A column of an Arrow type that the kind stands for.
pub fn array(kind: Kind, values: &[&Value]) -> ArrayRef {
    let ints = || values.iter().map(|v| v.int());
    match kind {
        Kind::Bool => Arc::new(values.iter().map(|v| if let Value::Bool(b) = v { Some(*b) } else { None }).collect::<BooleanArray>()),
        Kind::Int => Arc::new(ints().collect::<Int64Array>()),
        Kind::Int32 => Arc::new(ints().map(|int| int.map(|int| int as i32)).collect::<Int32Array>()),
        Kind::Float => Arc::new(values.iter().map(|v| v.float()).collect::<Float64Array>()),
        Kind::Text => Arc::new(values.iter().map(|v| v.text()).collect::<StringArray>()),
        Kind::Ints => list(values, Int64Builder::new(), |b, v| b.append_option(v.int())),
        Kind::Floats => list(values, Float64Builder::new(), |b, v| b.append_option(v.float())),
        Kind::Texts => list(values, StringBuilder::new(), |b, v| b.append_option(v.text())),
        Kind::Time(Unit::S) => Arc::new(ints().collect::<TimestampSecondArray>()),
        Kind::Time(Unit::Ms) => Arc::new(ints().collect::<TimestampMillisecondArray>()),
        Kind::Time(Unit::Us) => Arc::new(ints().collect::<TimestampMicrosecondArray>()),
        Kind::Time(Unit::Ns) => Arc::new(ints().collect::<TimestampNanosecondArray>()),
    }
}

/// Writes rows: columns by their names in the file, in the order given.
pub fn write(path: &Path, columns: &[(String, String, Kind)], rows: &[Row]) {
    let arrays = columns.iter().map(|(stored, name, kind)| {
        let values: Vec<&Value> = rows.iter().map(|row| &row[name]).collect();
        (stored.as_str(), array(*kind, &values), true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
    // Few rows to a row group, so that some groups lie beyond what is needed.
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).into()),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::List((0..items.len()).map(|item| value(&items, item)).collect())
        }
        DataType::Timestamp(TimeUnit::Second, _) => Value::Int(array.as_primitive::<TimestampSecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Value::Int(array.as_primitive::<TimestampMillisecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Value::Int(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Value::Int(array.as_primitive::<TimestampNanosecondType>().value(row)),
        other => panic!("no test writes {other}"),
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub names: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

/// Reads the Parquet files of a directory, by name.
pub fn read(directory: &Path) -> Table {
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut table = Table::default();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
        table.names = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let row = |row| batch.columns().iter().map(|column| value(column, row)).collect();
            table.rows.extend((0..batch.num_rows()).map(row));
        }
    }
    table
}
