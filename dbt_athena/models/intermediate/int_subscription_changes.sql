{{ config(materialized='view') }}

{# What each billing event makes a subscription's monthly recurring revenue from then on. #}
with changes as (
    select
        'started' as change,
        1 as change_order,
        tenant,
        subscription_id,
        currency,
        plan,
        mrr_cents,
        started_at as stated_at,
        event_time,
        event_source,
        event_id,
        landed_at
    from {{ ref('stg_billing__subscription_started_v1') }}
    union all
    select
        'changed',
        2,
        tenant,
        subscription_id,
        currency,
        plan,
        mrr_cents,
        changed_at,
        event_time,
        event_source,
        event_id,
        landed_at
    from {{ ref('stg_billing__subscription_changed_v1') }}
    union all
    select
        'cancelled',
        3,
        tenant,
        subscription_id,
        currency,
        plan,
        0,
        cancelled_at,
        event_time,
        event_source,
        event_id,
        landed_at
    from {{ ref('stg_billing__subscription_cancelled_v1') }}
)

select
    change,
    change_order,
    tenant,
    subscription_id,
    currency,
    plan,
    cast(mrr_cents as bigint) as mrr_cents,
    case
        when stated_at >= timestamp '{{ var("earliest_event") }} 00:00:00' then stated_at
        else event_time
    end as effective_at,
    event_source,
    event_id,
    landed_at
from changes
where subscription_id is not null and mrr_cents is not null
