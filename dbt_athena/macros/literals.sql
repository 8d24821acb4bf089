{#
  Values looked up before a model runs, written into it as literals. Athena chooses partitions and
  files while it plans, and it can do so by literals alone.
#}

{% macro text_literal(value) -%}
  '{{ value | string | replace("'", "''") }}'
{%- endmacro %}

{% macro text_list(values) -%}
  {%- for value in values %}{{ text_literal(value) }}{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}

{# The day that "now" means, as YYYY-MM-DD. #}
{% macro as_of_day() -%}
  {{ return(var('as_of') or run_started_at.strftime('%Y-%m-%d')) }}
{%- endmacro %}

{# `day` (YYYY-MM-DD) moved by `days`, as YYYY-MM-DD. #}
{% macro shift_day(day, days) -%}
  {% set moved = modules.datetime.datetime.strptime(day | string, '%Y-%m-%d') + modules.datetime.timedelta(days=days) %}
  {{ return(moved.strftime('%Y-%m-%d')) }}
{%- endmacro %}

{# Days (YYYY-MM-DD, in any order) as inclusive ranges: [first, last], … #}
{% macro day_ranges(days) -%}
  {% set ranges = [] %}
  {% for day in days | unique | sort %}
    {% if ranges and shift_day(ranges[-1][1], 1) == day %}
      {% do ranges.append([ranges.pop()[0], day]) %}
    {% else %}
      {% do ranges.append([day, day]) %}
    {% endif %}
  {% endfor %}
  {{ return(ranges) }}
{%- endmacro %}

{# True where the timestamp `column` is on one of `days`. #}
{% macro timestamp_on_days(column, days) -%}
  {%- set ranges = day_ranges(days) -%}
  {%- if not ranges -%}
    1 = 0
  {%- else -%}
    (
    {%- for first, last in ranges -%}
      {{ column }} >= timestamp '{{ first }} 00:00:00' and {{ column }} < timestamp '{{ shift_day(last, 1) }} 00:00:00'
      {%- if not loop.last %} or {% endif -%}
    {%- endfor -%}
    )
  {%- endif -%}
{%- endmacro %}

{# The first column of a query's rows, as a list of strings; [] while dbt only parses. #}
{% macro column_of(sql) -%}
  {% if not execute %}{{ return([]) }}{% endif %}
  {% set values = [] %}
  {% for row in run_query(sql).rows %}
    {% if row[0] is not none %}{% do values.append(row[0] | string) %}{% endif %}
  {% endfor %}
  {{ return(values) }}
{%- endmacro %}

{# True where the date `column` is one of `days`. #}
{% macro date_on_days(column, days) -%}
  {%- set ranges = day_ranges(days) -%}
  {%- if not ranges -%}
    1 = 0
  {%- else -%}
    (
    {%- for first, last in ranges -%}
      {{ column }} between date '{{ first }}' and date '{{ last }}'
      {%- if not loop.last %} or {% endif -%}
    {%- endfor -%}
    )
  {%- endif -%}
{%- endmacro %}

{# `days` and all days from `before` to `after` days around each. #}
{% macro days_around(days, before, after) -%}
  {% set around = {} %}
  {% for day in days %}
    {% for offset in range(before, after + 1) %}
      {% do around.update({shift_day(day, offset): true}) %}
    {% endfor %}
  {% endfor %}
  {{ return(around.keys() | list) }}
{%- endmacro %}

{# The first days of the weeks (from Monday) or months that `days` are in. #}
{% macro period_starts(days, period) -%}
  {% set starts = {} %}
  {% for day in days %}
    {% set date = modules.datetime.datetime.strptime(day, '%Y-%m-%d') %}
    {% set back = date.weekday() if period == 'week' else date.day - 1 %}
    {% do starts.update({shift_day(day, -back): true}) %}
  {% endfor %}
  {{ return(starts.keys() | sort | list) }}
{%- endmacro %}
