{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['stream', 'batch_id'],
) }}

{# staged_at only ever grows, even where two machines' clocks disagree: it is everyone's watermark. #}
{% set now = "timestamp '" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "'" %}

with landed as (
    select
        stream,
        dt,
        hour,
        batch_id,
        max(bus) as bus,
        count(*) as events,
        cast(min(landed_at) as timestamp(6)) as landed_at
    from {{ source('raw', 'events') }}
    {% if is_incremental() %}
    where {{ days_to_search(this) }}
    {% endif %}
    group by stream, dt, hour, batch_id
)

select
    landed.stream,
    landed.dt,
    landed.hour,
    landed.batch_id,
    landed.bus,
    landed.events,
    landed.landed_at,
    {% if is_incremental() %}
    cast(
        greatest(
            {{ now }},
            date_add('millisecond', 1, coalesce((select max(staged_at) from {{ this }}), {{ now }}))
        ) as timestamp(6)
    ) as staged_at
    {% else %}
    cast({{ now }} as timestamp(6)) as staged_at
    {% endif %}
from landed
{% if is_incremental() %}
left join {{ this }} as known
    on landed.stream = known.stream and landed.batch_id = known.batch_id
where known.batch_id is null
{% endif %}
