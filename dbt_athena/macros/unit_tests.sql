{#
  Overrides dbt's macro of the same name. A unit test makes a temporary table, and Athena's are ordinary
  ones: one that an interrupted run left behind would fail the same test from then on. Here it goes first.
#}
{% macro get_create_table_as_sql(temporary, relation, sql) -%}
  {% if temporary %}
    {% set left_behind = load_cached_relation(relation) %}
    {% if left_behind is not none %}{% do drop_relation(left_behind) %}{% endif %}
  {% endif %}
  {{ return(dbt.get_create_table_as_sql(temporary, relation, sql)) }}
{%- endmacro %}
