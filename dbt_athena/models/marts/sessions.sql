{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='session_key',
    delete_condition='src.events = 0',
    insert_condition='src.events > 0',
    partitioned_by=['month(started_at)'],
    meta={'merge_days': 'started_at'},
) }}

{#
  A session is what one client session id did without a longer silence than session_gap_minutes.

  An incremental run takes the new activity and the sessions that it falls into or adjoins (it may
  lengthen one or join two), and computes those again. Where a session got another beginning, its old
  row comes along with events = 0, which deletes it.
#}
{% set activity = ref('int_product_activity') %}
{% set gap = "interval '" ~ var('session_gap_minutes') ~ "' minute" %}

with
{% if is_incremental() %}
new_activity as (
    select *
    from {{ activity }}
    where session_id is not null and staged_at > {{ seen_through(this) }}
),

reopened as (
    select distinct
        sessions.session_key,
        sessions.tenant,
        sessions.user_id,
        sessions.client_session_id,
        sessions.started_at,
        sessions.ended_at
    from {{ this }} as sessions
    inner join new_activity
        on sessions.tenant = new_activity.tenant
        and sessions.user_id = new_activity.user_id
        and sessions.client_session_id = new_activity.session_id
        and new_activity.event_time >= sessions.started_at - {{ gap }}
        and new_activity.event_time <= sessions.ended_at + {{ gap }}
),

activity as (
    select * from new_activity
    union all
    select seen.*
    from {{ activity }} as seen
    inner join reopened
        on seen.tenant = reopened.tenant
        and seen.user_id = reopened.user_id
        and seen.session_id = reopened.client_session_id
        and seen.event_time between reopened.started_at and reopened.ended_at
    where seen.staged_at <= {{ seen_through(this) }}
      and {{ timestamp_on_days('seen.event_time', reopened_days(this, activity)) }}
),
{% else %}
activity as (
    select * from {{ activity }} where session_id is not null
),
{% endif %}

with_previous as (
    select
        *,
        lag(event_time) over (
            partition by tenant, user_id, session_id
            order by event_time, event_source, event_id
        ) as previous_time
    from activity
),

numbered as (
    select
        *,
        sum(case when previous_time is null or event_time > previous_time + {{ gap }} then 1 else 0 end)
            over (
                partition by tenant, user_id, session_id
                order by event_time, event_source, event_id
                rows between unbounded preceding and current row
            ) as session_number
    from with_previous
),

computed as (
    select
        tenant,
        user_id,
        session_id as client_session_id,
        min(event_time) as started_at,
        max(event_time) as ended_at,
        count(*) as events,
        count_if({{ is_event('event_type', 'page_viewed') }}) as page_views,
        count_if({{ is_event('event_type', 'search_performed') }}) as searches,
        count(distinct feature) as features_used
    from numbered
    group by tenant, user_id, session_id, session_number
),

keyed as (
    select
        to_hex(md5(to_utf8(
            tenant || '|' || user_id || '|' || client_session_id || '|' || cast(started_at as varchar)
        ))) as session_key,
        computed.*
    from computed
)

select
    session_key,
    tenant,
    user_id,
    client_session_id,
    cast(started_at as date) as session_date,
    started_at,
    ended_at,
    date_diff('second', started_at, ended_at) as duration_seconds,
    events,
    page_views,
    searches,
    features_used,
    events = 1 as is_bounce,
    {{ staged_through(activity) }} as staged_through
from keyed
{% if is_incremental() %}
union all
select
    session_key,
    tenant,
    user_id,
    client_session_id,
    cast(started_at as date),
    started_at,
    ended_at,
    0,
    0,
    0,
    0,
    0,
    false,
    {{ staged_through(activity) }}
from reopened
where session_key not in (select session_key from keyed)
{% endif %}
