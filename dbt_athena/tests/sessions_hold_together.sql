{# Sessions of one client session never overlap, nor come closer than the gap that parts them. #}
with ordered as (
    select
        session_key,
        started_at,
        ended_at,
        duration_seconds,
        lag(ended_at) over (
            partition by tenant, user_id, client_session_id
            order by started_at
        ) as previous_ended_at
    from {{ ref('sessions') }}
)

select
    session_key,
    case
        when ended_at < started_at then 'ends before it starts'
        when previous_ended_at >= started_at then 'overlaps the one before'
        else 'is too close to the one before'
    end as broken
from ordered
where ended_at < started_at
   or started_at <= previous_ended_at + interval '{{ var("session_gap_minutes") }}' minute
