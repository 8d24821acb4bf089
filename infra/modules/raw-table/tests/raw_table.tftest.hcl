mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name          = "events"
  database_name = "minilab_raw"
  bucket        = "minilab-dev-lake-111111111111"
  table = {
    comment        = "Events."
    prefix         = "raw/events/"
    columns        = [{ name = "id", type = "string", comment = "Id" }, { name = "item", type = "int", comment = "Index" }]
    partition_keys = [{ name = "stream", type = "string", comment = "Stream" }]
  }
}

run "columns_in_their_order_below_the_prefix" {
  command = plan

  assert {
    condition     = [for column in one(aws_glue_catalog_table.this.storage_descriptor).columns : "${column.name} ${column.type}"] == ["id string", "item int"]
    error_message = "The columns are others, or in another order than in the files."
  }

  assert {
    condition     = [for key in aws_glue_catalog_table.this.partition_keys : key.name] == ["stream"]
    error_message = "It is partitioned by something else."
  }

  assert {
    condition     = one(aws_glue_catalog_table.this.storage_descriptor).location == "s3://minilab-dev-lake-111111111111/raw/events/"
    error_message = "It lies elsewhere."
  }
}

run "a_column_twice_is_refused" {
  command = plan

  variables {
    table = {
      comment        = "Events."
      prefix         = "raw/events/"
      columns        = [{ name = "id", type = "string", comment = "Id" }]
      partition_keys = [{ name = "id", type = "string", comment = "Id" }]
    }
  }

  expect_failures = [var.table]
}

run "a_prefix_without_a_slash_is_refused" {
  command = plan

  variables {
    table = { comment = "Events.", prefix = "raw/events", columns = [], partition_keys = [] }
  }

  expect_failures = [var.table]
}

run "a_name_of_another_form_is_refused" {
  command = plan

  variables {
    name = "Events"
  }

  expect_failures = [var.name]
}
