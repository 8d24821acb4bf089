{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['landed_date', 'stream'],
) }}

{#
  What arrived on each day, and what became of it. The newest quality_days are computed again, since a
  failed event can be replayed days later.
#}
{% set first_day = first_quality_day(this) if is_incremental() else '' %}
{% set since = "timestamp '" ~ first_day ~ " 00:00:00'" %}

with landed as (
    select
        cast(dt as date) as landed_date,
        stream,
        cast(sum(events) as bigint) as landed
    from {{ ref('stg_landed_batches') }}
    {% if first_day %}
    where dt >= '{{ first_day }}'
    {% endif %}
    group by 1, 2
),

staged as (
    select
        landed_date,
        stream,
        count(*) as staged,
        count_if(
            event_time_from = 'producer'
            and landed_at > event_time + interval '{{ var("late_after_minutes") }}' minute
        ) as late
    from {{ ref('stg_events') }}
    {% if first_day %}
    where landed_at >= {{ since }}
    {% endif %}
    group by landed_date, stream
),

failures as (
    select
        cast(failed.dt as date) as landed_date,
        failed.stream,
        failed.stage,
        failed.reason,
        count(distinct failed.failed_id) as failed,
        count(distinct case when accepted.event_id is not null then failed.failed_id end) as recovered
    from {{ source('raw', 'failed_events') }} as failed
    left join {{ ref('stg_events') }} as accepted
        on failed.id = accepted.event_id
        and failed.source = accepted.event_source
        and {{ same_tenant('failed', 'accepted') }}
        and accepted.landed_at > failed.landed_at
        {# What was accepted is the tenant's other event of that source and id. #}
        and failed.reason <> 'conflict'
        {% if first_day %}
        and accepted.landed_at >= {{ since }}
        {% endif %}
    {% if first_day %}
    where failed.dt >= '{{ first_day }}'
    {% endif %}
    group by 1, 2, 3, 4
),

by_reason as (
    select
        landed_date,
        stream,
        json_format(cast(map_agg(reason, failed) as json)) as failed_by_reason
    from (
        select landed_date, stream, reason, cast(sum(failed) as bigint) as failed
        from failures
        group by landed_date, stream, reason
    ) as of_reason
    group by landed_date, stream
),

by_stage as (
    select
        landed_date,
        stream,
        json_format(cast(map_agg(stage, failed) as json)) as failed_by_stage
    from (
        select landed_date, stream, stage, cast(sum(failed) as bigint) as failed
        from failures
        group by landed_date, stream, stage
    ) as of_stage
    group by landed_date, stream
),

failed as (
    select
        landed_date,
        stream,
        cast(sum(failed) as bigint) as failed,
        cast(sum(recovered) as bigint) as recovered_by_replay
    from failures
    group by landed_date, stream
),

keys as (
    select landed_date, stream from landed
    union
    select landed_date, stream from failed
),

quality as (
    select
        keys.landed_date,
        keys.stream,
        coalesce(landed.landed, 0) as landed,
        coalesce(staged.staged, 0) as staged,
        coalesce(landed.landed, 0) - coalesce(staged.staged, 0) as duplicates_removed,
        coalesce(staged.late, 0) as late,
        cast(staged.late as double) / staged.staged as late_share,
        coalesce(failed.failed, 0) as failed,
        cast(coalesce(failed.failed, 0) as double)
            / nullif(coalesce(landed.landed, 0) + coalesce(failed.failed, 0), 0) as failed_share,
        coalesce(by_reason.failed_by_reason, '{}') as failed_by_reason,
        coalesce(failed.recovered_by_replay, 0) as recovered_by_replay,
        coalesce(by_stage.failed_by_stage, '{}') as failed_by_stage
    from keys
    left join landed on keys.landed_date = landed.landed_date and keys.stream = landed.stream
    left join staged on keys.landed_date = staged.landed_date and keys.stream = staged.stream
    left join failed on keys.landed_date = failed.landed_date and keys.stream = failed.stream
    left join by_reason on keys.landed_date = by_reason.landed_date and keys.stream = by_reason.stream
    left join by_stage on keys.landed_date = by_stage.landed_date and keys.stream = by_stage.stream
)

{{ only_changed('quality') }}
