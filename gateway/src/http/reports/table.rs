//! A report as columns of one kind each, for programs that read tables.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use crate::http::problem::Problem;

/// A column. `None`: nothing is told.
#[derive(Debug)]
pub(super) enum Column {
    Texts(Vec<Option<String>>),
    Integers(Vec<Option<i64>>),
    Instants(Vec<Option<Timestamp>>),
    Reals(Vec<Option<f64>>),
    Flags(Vec<bool>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Texts(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Instants(values) => values.len(),
            Self::Reals(values) => values.len(),
            Self::Flags(values) => values.len(),
        }
    }

    /// A value as CSV has it; nothing for `None`.
    fn text(&self, row: usize) -> String {
        fn told<T: ToString>(values: &[Option<T>], row: usize) -> String {
            values.get(row).and_then(Option::as_ref).map(T::to_string).unwrap_or_default()
        }
        match self {
            Self::Texts(values) => told(values, row),
            Self::Integers(values) => told(values, row),
            Self::Instants(values) => told(values, row),
            Self::Reals(values) => told(values, row),
            Self::Flags(values) => values.get(row).map(bool::to_string).unwrap_or_default(),
        }
    }
}

/// Columns of the same length, by their names.
#[derive(Debug, Default)]
pub(super) struct Table(pub(super) Vec<(&'static str, Column)>);

impl Table {
    pub(super) fn add(&mut self, name: &'static str, column: Column) {
        self.0.push((name, column));
    }

    /// As `text/csv` (RFC 4180), with a line of names first.
    pub(super) fn csv(&self) -> Result<Response, Problem> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.0.iter().map(|(_, column)| column.len()).max().unwrap_or(0);
        let names = writer.write_record(self.0.iter().map(|(name, _)| name));
        let written = (0..rows).try_fold(names.map_err(failed)?, |(), row| {
            writer.write_record(self.0.iter().map(|(_, column)| column.text(row))).map_err(failed)
        });
        written?;
        let bytes = writer.into_inner().map_err(failed)?;
        Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")], bytes).into_response())
    }

    /// As a Parquet file.
    #[cfg(feature = "parquet")]
    pub(super) fn parquet(&self) -> Result<Response, Problem> {
        let bytes = super::parquet::file(self).map_err(failed)?;
        Ok(([(header::CONTENT_TYPE, "application/vnd.apache.parquet")], bytes).into_response())
    }

    /// This gateway was built without it.
    #[cfg(not(feature = "parquet"))]
    #[expect(clippy::unused_self, reason = "as where it was built with it")]
    pub(super) fn parquet(&self) -> Result<Response, Problem> {
        Err(Problem::unusable("format", "this gateway was built without the feature `parquet`; ask for csv"))
    }
}

fn failed(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a report could not be written");
    Problem::internal()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn table() -> Table {
        let mut table = Table::default();
        table.add("region", Column::Texts(vec![Some("Baku, \"old\"".to_owned()), None]));
        table.add("count", Column::Integers(vec![Some(-7), None]));
        table.add("at", Column::Instants(vec![Some(Timestamp::UNIX_EPOCH), None]));
        table.add("rate", Column::Reals(vec![None, Some(0.5)]));
        table.add("suppressed", Column::Flags(vec![false, true]));
        table
    }

    #[tokio::test]
    async fn a_table_is_written_as_csv() {
        let response = table().csv().unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        let expected = "region,count,at,rate,suppressed\n\"Baku, \"\"old\"\"\",-7,1970-01-01T00:00:00Z,,false\n,,,0.5,true\n";
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}
