//! Events in memory and in Parquet files as one DataFusion table.

use super::catalog::DataFile;
use super::columns::schema;
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use std::sync::Arc;

/// Under this name the data directory is known to DataFusion.
pub(crate) const STORE_URL: &str = "lake://data/";

/// The part of the store that one query reads.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) hot: Vec<RecordBatch>,
    pub(crate) files: Vec<Arc<DataFile>>,
    /// Read each file as a stream of its own and promise that it is sorted, for merging.
    pub(crate) merge: bool,
}

/// Newest first: how rows are sorted in each file.
fn file_order() -> Result<Vec<LexOrdering>> {
    let options = SortOptions { descending: true, nulls_first: true };
    let schema = schema();
    let by = |name| -> Result<_> { Ok(PhysicalSortExpr::new(col(name, &schema)?, options)) };
    Ok(LexOrdering::new([by("timestamp")?, by("id")?]).into_iter().collect())
}

impl Events {
    async fn scan_files(&self, state: &dyn Session, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.files.iter().map(|file| PartitionedFile::new(&*file.meta.name, file.meta.bytes));
        let groups =
            if self.merge { self.files.len() } else { state.config().target_partitions().min(self.files.len()) };
        let mut file_groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); groups.max(1)];
        for (at, file) in files.enumerate() {
            if let Some(group) = file_groups.get_mut(at % groups.max(1)) {
                group.push(file);
            }
        }
        let options = state.table_options().parquet.clone();
        let source = ParquetSource::new(schema()).with_table_parquet_options(options.clone());
        let mut scan = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE_URL)?, Arc::new(source))
            .with_file_groups(file_groups.into_iter().map(FileGroup::new).collect())
            .with_projection_indices(projection.cloned())?;
        if self.merge {
            scan = scan.with_output_ordering(file_order()?);
        }
        ParquetFormat::new().with_options(options).create_physical_plan(state, scan.build()).await
    }
}

#[async_trait]
impl TableProvider for Events {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The physical optimizer brings filters into the Parquet reader.
        Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !self.hot.is_empty() {
            let partitions = std::slice::from_ref(&self.hot);
            inputs.push(MemorySourceConfig::try_new_exec(partitions, schema(), projection.cloned())?);
        }
        if !self.files.is_empty() {
            inputs.push(self.scan_files(state, projection).await?);
        }
        if inputs.is_empty() {
            let schema = match projection {
                Some(projection) => Arc::new(schema().project(projection)?),
                None => schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        UnionExec::try_new(inputs)
    }
}
