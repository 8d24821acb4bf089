# A Hive table over Parquet files, as awswrangler describes one to Glue (minilab.lake.glue).
resource "aws_glue_catalog_table" "this" {
  database_name = var.database_name
  name          = var.name
  description   = var.table.comment
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    classification  = "parquet"
    compressionType = "zstd"
    typeOfData      = "file"
  }

  storage_descriptor {
    location          = "s3://${var.bucket}/${var.table.prefix}"
    input_format      = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format     = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    compressed        = true
    number_of_buckets = -1

    parameters = {
      CrawlerSchemaDeserializerVersion = "1.0"
      classification                   = "parquet"
      compressionType                  = "zstd"
      typeOfData                       = "file"
    }

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters            = { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = var.table.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }

  dynamic "partition_keys" {
    for_each = var.table.partition_keys

    content {
      name    = partition_keys.value.name
      type    = partition_keys.value.type
      comment = partition_keys.value.comment
    }
  }
}
