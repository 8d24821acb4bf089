{#
  Which landed batches a run of staging reads. `stg_landed_batches` is the list of batches that staging
  knows; what it does not know within the look-back is new.
#}

{# Partition predicate over raw.events for stg_landed_batches; everything on a first build. #}
{% macro days_to_search(known_batches) -%}
  {% set newest = column_of("select cast(max(dt) as varchar) from " ~ known_batches) %}
  {% if newest %}
    {{ return("dt >= '" ~ shift_day(newest[0], -var('staging_lookback_days')) ~ "'") }}
  {% endif %}
  {{ return('1 = 1') }}
{%- endmacro %}

{#
  The batches that stg_events has to read, as {'where': predicate over raw.events, 'dedup_from': day}.
  Batches are named by partition and by file, as long as the list is short enough for one statement.
#}
{% macro batches_to_stage(batches, staged) -%}
  {% if not execute %}{{ return({'where': '1 = 1', 'dedup_from': var('earliest_event')}) }}{% endif %}
  {% set sql %}
    select stream, dt, hour, batch_id
    from {{ batches }}
    where staged_at > coalesce((select max(staged_at) from {{ staged }}), timestamp '1970-01-01 00:00:00')
    order by stream, dt, hour, batch_id
  {% endset %}
  {% set partitions = {} %}
  {% set ids = [] %}
  {% set days = [] %}
  {% for row in run_query(sql).rows %}
    {% set key = "stream = " ~ text_literal(row[0]) ~ " and dt = " ~ text_literal(row[1]) %}
    {% do partitions.setdefault(key, []).append(row[2]) %}
    {% do ids.append(row[3]) %}
    {% do days.append(row[1]) %}
  {% endfor %}
  {% if not ids %}
    {{ return({'where': '1 = 0', 'dedup_from': as_of_day()}) }}
  {% endif %}
  {% set named = [] %}
  {% for key, hours in partitions.items() %}
    {% do named.append("(" ~ key ~ " and hour in (" ~ text_list(hours | unique | list) ~ "))") %}
  {% endfor %}
  {% set where = "(" ~ named | join(" or ") ~ ")" %}
  {% if ids | length <= 500 %}
    {% set where = where ~ " and batch_id in (" ~ text_list(ids) ~ ")" %}
  {% endif %}
  {{ return({'where': where, 'dedup_from': shift_day(days | min, -var('dedup_days'))}) }}
{%- endmacro %}

{# Whether a clock can be believed: `column` is neither absurdly old nor later than its landing. #}
{% macro believable(column) -%}
  ({{ column }} >= timestamp '{{ var("earliest_event") }} 00:00:00' and {{ column }} <= landed_at + interval '1' day)
{%- endmacro %}
