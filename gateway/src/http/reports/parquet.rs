//! A table as a Parquet file: one row group, snappy, every column optional.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::table::{Column, Table};

pub(super) fn file(table: &Table) -> Result<Vec<u8>> {
    let fields = table.0.iter().map(|(name, column)| field(name, column)).collect::<Result<_>>()?;
    let schema = Type::group_type_builder("report").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, column) in &table.0 {
        match column {
            Column::Texts(values) => {
                let values = values.iter().map(|text| text.as_deref().map(ByteArray::from));
                write::<ByteArrayType>(&mut group, values)?;
            }
            Column::Integers(values) => write::<Int64Type>(&mut group, values.iter().copied())?,
            Column::Instants(values) => {
                let micros = values.iter().map(|at| at.map(jiff::Timestamp::as_microsecond));
                write::<Int64Type>(&mut group, micros)?;
            }
            Column::Reals(values) => write::<DoubleType>(&mut group, values.iter().copied())?,
            Column::Flags(values) => write::<BoolType>(&mut group, values.iter().copied().map(Some))?,
        }
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

fn field(name: &str, column: &Column) -> Result<TypePtr> {
    let (physical, logical) = match column {
        Column::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Column::Integers(_) => (Physical::INT64, None),
        Column::Instants(_) => {
            let unit = LogicalType::timestamp(true, TimeUnit::MICROS);
            (Physical::INT64, Some(unit))
        }
        Column::Reals(_) => (Physical::DOUBLE, None),
        Column::Flags(_) => (Physical::BOOLEAN, None),
    };
    let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    field.with_logical_type(logical).build().map(Arc::new)
}

/// Writes the next column: the values that are there, and which those are.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let (mut there, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<T>().write_batch(&there, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = super::file(&super::super::table::tests::table()).unwrap();
        let reader = SerializedFileReader::new(axum::body::Bytes::from(bytes)).unwrap();
        let rows: Vec<String> =
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(rows.len(), 2);
        for part in ["Baku", "count: -7", "1970-01-01 00:00:00", "rate: null", "suppressed: false"] {
            assert!(rows[0].contains(part), "{}", rows[0]);
        }
        for part in ["region: null", "count: null", "at: null", "rate: 0.5", "suppressed: true"] {
            assert!(rows[1].contains(part), "{}", rows[1]);
        }
    }
}
