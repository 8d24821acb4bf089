{#
  What an incremental mart has to compute again. int_product_activity says by `staged_at` when a row
  came; a mart remembers in `staged_through` what it has seen. However late an event is, the days that
  it touches are computed again, and no others.
#}

{# Days (YYYY-MM-DD) that have activity which `mart` has not seen. #}
{% macro touched_days(activity, mart) -%}
  {{ return(column_of(
    "select distinct cast(cast(event_time as date) as varchar) from " ~ activity
    ~ " where staged_at > " ~ seen_through(mart)
  )) }}
{%- endmacro %}

{# SQL for the newest staging time that `mart` has seen. #}
{% macro seen_through(mart) -%}
  coalesce((select max(staged_through) from {{ mart }}), timestamp '1970-01-01 00:00:00')
{%- endmacro %}

{# SQL for the newest staging time there is in `activity`. #}
{% macro staged_through(activity) -%}
  (select cast(max(staged_at) as timestamp(6)) from {{ activity }})
{%- endmacro %}

{# The days of the sessions in `sessions` that activity it has not seen falls into or adjoins. #}
{% macro reopened_days(sessions, activity) -%}
  {% set gap = "interval '" ~ var('session_gap_minutes') ~ "' minute" %}
  {{ return(column_of(
    "select distinct cast(days.day as varchar)"
    ~ " from " ~ sessions ~ " as sessions"
    ~ " inner join " ~ activity ~ " as activity"
    ~ "   on sessions.tenant = activity.tenant"
    ~ "   and sessions.user_id = activity.user_id"
    ~ "   and sessions.client_session_id = activity.session_id"
    ~ "   and activity.event_time >= sessions.started_at - " ~ gap
    ~ "   and activity.event_time <= sessions.ended_at + " ~ gap
    ~ " cross join unnest(sequence(cast(sessions.started_at as date), cast(sessions.ended_at as date), interval '1' day)) as days (day)"
    ~ " where activity.staged_at > " ~ seen_through(sessions)
  )) }}
{%- endmacro %}

{# First days (Monday) of the sign-up weeks of the users whose activity `mart` has not seen. #}
{% macro touched_cohorts(activity, mart) -%}
  {{ return(column_of(
    "select distinct cast(date_trunc('week', signups.event_date) as varchar)"
    ~ " from " ~ activity ~ " as signups"
    ~ " inner join (select distinct tenant, user_id from " ~ activity
    ~ "   where staged_at > " ~ seen_through(mart) ~ ") as users"
    ~ "   on signups.tenant = users.tenant and signups.user_id = users.user_id"
    ~ " where " ~ is_event('signups.event_type', 'user_signed_up')
  )) }}
{%- endmacro %}

{# True where `column` is the product event `name`, of any major. #}
{% macro is_event(column, name) -%}
  starts_with({{ column }}, 'product.{{ name }}.v')
{%- endmacro %}

{# The first landing day (YYYY-MM-DD) that event_quality computes again; '' where it has none yet. #}
{% macro first_quality_day(mart) -%}
  {% set newest = column_of("select cast(max(landed_date) as varchar) from " ~ mart) %}
  {{ return(shift_day(newest[0], -var('quality_days')) if newest else '') }}
{%- endmacro %}

{#
  Rows of the CTE `computed` that are new or differ from what the model holds, by its unique key. For
  marts so small that they are computed whole: a run that changes nothing writes nothing.
#}
{% macro only_changed(computed) -%}
  {%- if not is_incremental() -%}
    select * from {{ computed }}
  {%- else -%}
    {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | join(', ') -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key -%}
    select {{ computed }}.*
    from {{ computed }}
    inner join (
        select {{ columns }} from {{ computed }}
        except
        select {{ columns }} from {{ this }}
    ) as changed
    on {% for key in keys %}{{ computed }}.{{ key }} = changed.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
  {%- endif -%}
{%- endmacro %}
