//! Hands columns between Arrow and Polars through the Arrow C data interface.
//!
//! Numbers, booleans, dates and timestamps cross without a copy. Polars knows neither seconds nor (as it is built here) time zones
//! and fixed-size lists: such columns travel as milliseconds, as their plain epochs and as lists, and strings come back from it as
//! views. Invariant: [`array`] is told the Arrow type and gives exactly that, so what goes over and comes back is the same.

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, make_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use polars::prelude::{Column, CompatLevel, DataFrame, PlSmallStr, PolarsError, Series};
use polars_arrow::ffi as polars_ffi;
use std::fmt;
use std::sync::Arc;

/// Why a column could not cross.
#[derive(Debug)]
pub enum BridgeError {
    /// A type that no manifest can declare.
    Unsupported(DataType),
    Arrow(ArrowError),
    Polars(PolarsError),
    /// A column that the frame should have.
    Missing(String),
}

impl fmt::Display for BridgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(data_type) => write!(f, "columns of {data_type} are not supported; convert them before daeda reads them"),
            Self::Arrow(error) => error.fmt(f),
            Self::Polars(error) => error.fmt(f),
            Self::Missing(name) => write!(f, "there is no column `{name}` in the result"),
        }
    }
}

impl std::error::Error for BridgeError {}

impl From<ArrowError> for BridgeError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

impl From<PolarsError> for BridgeError {
    fn from(error: PolarsError) -> Self {
        Self::Polars(error)
    }
}

/// Columns as a Polars frame; a batch without columns keeps its number of rows.
pub fn frame(batch: &RecordBatch) -> Result<DataFrame, BridgeError> {
    let fields = batch.schema_ref().fields().iter().zip(batch.columns());
    let columns = fields.map(|(field, array)| series(field.name(), array).map(Column::from)).collect::<Result<_, _>>()?;
    Ok(DataFrame::new(batch.num_rows(), columns)?)
}

/// The columns of a frame that a schema names, in its order and of its types.
pub fn batch(frame: &DataFrame, schema: &SchemaRef) -> Result<RecordBatch, BridgeError> {
    let column = |field: &FieldRef| {
        let column = frame.column(field.name()).map_err(|_| BridgeError::Missing(field.name().clone()))?;
        array(column.as_materialized_series(), field.data_type())
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, BridgeError>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(frame.height()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// A column as a Polars series.
pub fn series(name: &str, array: &ArrayRef) -> Result<Series, BridgeError> {
    let carried = carried(array.data_type())?;
    let data = strict_cast(&relabelled(array, &zoneless(array.data_type()))?, &carried)?.to_data();
    let (array, schema) = to_ffi(&data)?;
    // SAFETY: both structs are the C data interface's own, and both were made by arrow just now; ownership moves with them.
    let array = unsafe {
        let array = std::mem::transmute::<FFI_ArrowArray, polars_ffi::ArrowArray>(array);
        let schema = std::mem::transmute::<FFI_ArrowSchema, polars_ffi::ArrowSchema>(schema);
        let field = polars_ffi::import_field_from_c(&schema)?;
        polars_ffi::import_array_from_c(array, field.dtype)?
    };
    Ok(Series::try_from((PlSmallStr::from_str(name), array))?)
}

/// A series as an Arrow array of the type asked for.
pub fn array(series: &Series, to: &DataType) -> Result<ArrayRef, BridgeError> {
    let chunk = series.rechunk().to_arrow(0, CompatLevel::newest());
    let field = polars_arrow::datatypes::Field::new("".into(), chunk.dtype().clone(), true);
    let (array, schema) = (polars_ffi::export_array_to_c(chunk), polars_ffi::export_field_to_c(&field));
    // SAFETY: as in `series`, the other way round.
    let data = unsafe {
        let schema = std::mem::transmute::<polars_ffi::ArrowSchema, FFI_ArrowSchema>(schema);
        from_ffi(std::mem::transmute::<polars_ffi::ArrowArray, FFI_ArrowArray>(array), &schema)?
    };
    relabelled(&strict_cast(&make_array(data), &zoneless(to))?, to)
}

fn strict_cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}

/// The type in which a column travels.
fn carried(data_type: &DataType) -> Result<DataType, BridgeError> {
    use DataType::*;
    Ok(match data_type {
        Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _) => Timestamp(TimeUnit::Millisecond, None),
        Timestamp(unit, _) => Timestamp(*unit, None),
        List(element) | FixedSizeList(element, _) => List(retyped(element, carried(element.data_type())?)),
        LargeList(element) => LargeList(retyped(element, carried(element.data_type())?)),
        simple if simple.is_integer() || simple.is_floating() => simple.clone(),
        Null | Boolean | Date32 | Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => data_type.clone(),
        other => return Err(BridgeError::Unsupported(other.clone())),
    })
}

/// The same type without time zones.
fn zoneless(data_type: &DataType) -> DataType {
    use DataType::*;
    match data_type {
        Timestamp(unit, Some(_)) => Timestamp(*unit, None),
        List(element) => List(retyped(element, zoneless(element.data_type()))),
        LargeList(element) => LargeList(retyped(element, zoneless(element.data_type()))),
        FixedSizeList(element, width) => FixedSizeList(retyped(element, zoneless(element.data_type())), *width),
        other => other.clone(),
    }
}

fn retyped(element: &FieldRef, data_type: DataType) -> FieldRef {
    Arc::new(Field::clone(element).with_data_type(data_type))
}

/// The same buffers under a type of the same layout: a cast would shift what is only to be called by another name.
fn relabelled(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, BridgeError> {
    if array.data_type() == to { Ok(array.clone()) } else { Ok(make_array(relabelled_data(array.to_data(), to)?)) }
}

fn relabelled_data(data: ArrayData, to: &DataType) -> Result<ArrayData, ArrowError> {
    let element = match to {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => Some(element.data_type()),
        _ => None,
    };
    let children = data.child_data().iter().cloned();
    let children = children.map(|child| relabelled_data(child, element.unwrap_or(to))).collect::<Result<_, ArrowError>>()?;
    data.into_builder().data_type(to.clone()).child_data(children).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::{Float16Type, Float64Type, Int64Type, Schema};
    use half::f16;
    use polars::prelude::NamedFrom;

    fn list_of(element: ArrayRef, offsets: Vec<i32>, nulls: Vec<bool>) -> ArrayRef {
        let field = Arc::new(Field::new("element", element.data_type().clone(), true));
        Arc::new(ListArray::new(field, OffsetBuffer::new(offsets.into()), element, Some(NullBuffer::from(nulls))))
    }

    fn vectors() -> FixedSizeListArray {
        let row = |first: f32| Some([first, 2.0].map(|x| Some(f16::from_f32(x))));
        FixedSizeListArray::from_iter_primitive::<Float16Type, _, _>(vec![row(0.1), None, row(f32::NAN), row(-1.0)], 2)
    }

    /// Four rows of every type that a manifest can declare, with nulls.
    fn columns() -> Vec<ArrayRef> {
        let strings = StringArray::from(vec![Some("a"), None, Some(""), Some("längerer Text, zu lang für eine Ansicht")]);
        let moments = TimestampMicrosecondArray::from(vec![Some(-1), None, Some(0), Some(1_769_904_000_000_000)]);
        vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
            Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(0), Some(i8::MAX)])),
            Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(0), Some(i16::MAX)])),
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(0), Some(i32::MAX)])),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(0), Some(i64::MAX)])),
            Arc::new(UInt8Array::from(vec![Some(0), None, Some(1), Some(u8::MAX)])),
            Arc::new(UInt16Array::from(vec![Some(0), None, Some(1), Some(u16::MAX)])),
            Arc::new(UInt32Array::from(vec![Some(0), None, Some(1), Some(u32::MAX)])),
            Arc::new(UInt64Array::from(vec![Some(0), None, Some(1), Some(u64::MAX)])),
            Arc::new(Float16Array::from(vec![Some(f16::from_f32(0.1)), None, Some(f16::INFINITY), Some(f16::MIN)])),
            Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::INFINITY), Some(-0.0)])),
            Arc::new(Float64Array::from(vec![Some(0.1), None, Some(f64::NEG_INFINITY), Some(-0.0)])),
            Arc::new(strings.clone()),
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\xff\x00"), None, Some(b""), Some(b"more than twelve bytes of it")])),
            Arc::new(Date32Array::from(vec![Some(-1), None, Some(0), Some(20_000)])),
            Arc::new(TimestampSecondArray::from(vec![Some(-1), None, Some(0), Some(1_769_904_000)])),
            Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(0), Some(1)]).with_timezone("Europe/Berlin")),
            Arc::new(moments.clone()),
            Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None, Some(0), Some(i64::MAX)]).with_timezone("UTC")),
            list_of(Arc::new(strings), vec![0, 1, 1, 3, 4], vec![true, false, true, true]),
            list_of(Arc::new(moments.with_timezone("+02:00")), vec![0, 2, 2, 2, 4], vec![true, true, false, true]),
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![]), None])),
            Arc::new(LargeListArray::from_iter_primitive::<Float64Type, _, _>(vec![None, Some(vec![Some(0.5)]), None, Some(vec![])])),
            Arc::new(vectors()),
        ]
    }

    fn whole() -> RecordBatch {
        let columns = columns();
        let field = |(i, array): (usize, &ArrayRef)| Field::new(format!("c{i}"), array.data_type().clone(), true);
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn every_slice_of_every_type_comes_back_as_it_went() {
        let whole = whole();
        for (offset, length) in [(0, 4), (1, 3), (1, 2), (3, 1), (0, 0), (4, 0)] {
            let slice = whole.slice(offset, length);
            let frame = frame(&slice).unwrap();
            assert_eq!(frame.shape(), (length, slice.num_columns()));
            let back = batch(&frame, slice.schema_ref()).unwrap();
            for (field, (sent, received)) in slice.schema().fields().iter().zip(slice.columns().iter().zip(back.columns())) {
                assert_eq!(format!("{sent:?}"), format!("{received:?}"), "{field}");
            }
        }
    }

    #[test]
    fn what_needs_no_change_is_not_copied() {
        let sent: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let received = array(&series("x", &sent).unwrap(), &DataType::Int64).unwrap();
        assert_eq!(sent.as_primitive::<Int64Type>().values().as_ptr(), received.as_primitive::<Int64Type>().values().as_ptr());
    }

    #[test]
    fn the_buffers_outlive_their_arrays() {
        let series = series("x", &(Arc::new(StringArray::from(vec!["a", "more than twelve bytes of it"])) as ArrayRef)).unwrap();
        assert_eq!(series.str().unwrap().get(1), Some("more than twelve bytes of it"));
        let array = array(&{ series }, &DataType::Utf8).unwrap();
        assert_eq!(array.as_string::<i32>().value(0), "a");
    }

    #[test]
    fn a_batch_without_columns_keeps_its_rows() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        assert_eq!(batch(&frame(&empty).unwrap(), empty.schema_ref()).unwrap().num_rows(), 3);
    }

    #[test]
    fn other_types_are_refused_by_name() {
        let decimals: ArrayRef = Arc::new(Decimal128Array::from(vec![1]));
        let error = series("x", &decimals).unwrap_err();
        assert!(error.to_string().contains("Decimal128"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let sent: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
        assert!(series("x", &sent).is_err());
        assert!(array(&Series::new("x".into(), [300_i64]), &DataType::Int8).is_err());
    }
}
