{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['event_source', 'event_id'],
    incremental_predicates=[same_tenant('target', 'src')],
    update_condition='src.landed_at < target.landed_at',
    partitioned_by=['stream', 'day(event_time)'],
    meta={'merge_days': 'event_time'},
    on_schema_change='append_new_columns',
) }}

{#
  One row per event, which is identified by tenant, source and id (docs/decisions/0009). Reads the raw
  partitions of the batches that are new, keeps the first landed copy of each event, leaves out what was
  staged before, and merges into the days that the batch has.

  The tenant is no unique_key, since dbt-athena merges by `=` and it may be null.
#}
{% set batches = ref('stg_landed_batches') %}
{% set new = batches_to_stage(batches, this) if is_incremental() else none %}

with landed as (
    select
        id as event_id,
        source as event_source,
        type as event_type,
        stream,
        tenant,
        cast("time" as timestamp(6)) as producer_time,
        subject,
        datacontenttype,
        dataschema,
        extensions,
        data,
        data_base64,
        bus,
        shard,
        "position" as bus_position,
        item,
        cast(published_at as timestamp(6)) as published_at,
        cast(landed_at as timestamp(6)) as landed_at,
        cast(dt as date) as landed_date,
        batch_id
    from {{ source('raw', 'events') }}
    {% if is_incremental() %}
    where {{ new.where }}
    {% endif %}
),

copies as (
    select
        *,
        row_number() over (
            partition by tenant, event_source, event_id
            order by landed_at, batch_id, shard, bus_position, item
        ) as copy
    from landed
),

first_copies as (
    select * from copies where copy = 1
),

new_events as (
    select first_copies.*
    from first_copies
    {% if is_incremental() %}
    left join {{ this }} as staged
        on first_copies.event_source = staged.event_source
        and first_copies.event_id = staged.event_id
        and {{ same_tenant('first_copies', 'staged') }}
        and staged.landed_at >= timestamp '{{ new.dedup_from }} 00:00:00'
    where staged.event_id is null
    {% endif %}
)

select
    event_id,
    event_source,
    event_type,
    stream,
    tenant,
    case
        when {{ believable('producer_time') }} then producer_time
        when {{ believable('published_at') }} then published_at
        else landed_at
    end as event_time,
    case
        when {{ believable('producer_time') }} then 'producer'
        when {{ believable('published_at') }} then 'bus'
        else 'landing'
    end as event_time_from,
    producer_time,
    subject,
    datacontenttype,
    dataschema,
    extensions,
    data,
    data_base64,
    bus,
    shard,
    bus_position,
    item,
    published_at,
    landed_at,
    landed_date,
    batch_id,
    (select cast(max(staged_at) as timestamp(6)) from {{ batches }}) as staged_at
from new_events
