{#
  Overrides dbt-athena's `iceberg_merge`: a model may name, under `meta.merge_days`, the timestamp
  column that its table is partitioned by. The merge then touches only the days that are in the batch,
  said as literals, so that Athena opens no other partition.

  dbt-athena has `incremental_predicates` for this, but takes them while dbt parses, before there is a
  batch to look at.
#}
{% macro iceberg_merge(
    on_schema_change,
    tmp_relation,
    target_relation,
    unique_key,
    incremental_predicates,
    existing_relation,
    delete_condition,
    update_condition,
    insert_condition,
    force_batch,
    statement_name="main"
  ) %}
  {% set column = (config.get('meta') or {}).get('merge_days') %}
  {% if column %}
    {% set days = column_of("select distinct cast(cast(" ~ column ~ " as date) as varchar) from " ~ tmp_relation) %}
    {% set incremental_predicates = (incremental_predicates or []) + [timestamp_on_days('target.' ~ column, days)] %}
  {% endif %}
  {{ return(dbt.iceberg_merge(
      on_schema_change=on_schema_change,
      tmp_relation=tmp_relation,
      target_relation=target_relation,
      unique_key=unique_key,
      incremental_predicates=incremental_predicates,
      existing_relation=existing_relation,
      delete_condition=delete_condition,
      update_condition=update_condition,
      insert_condition=insert_condition,
      force_batch=force_batch,
      statement_name=statement_name
  )) }}
{% endmacro %}
