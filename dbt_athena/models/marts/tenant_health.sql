{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='tenant',
) }}

{#
  A score from 0 to 100 for every tenant as it stands on the day as_of, with the parts it is made of.
  Only the last 28 days of activity are read; only tenants that changed are written.
#}
{% set today = as_of_day() %}
{% set recent = days_around([today], -27, 0) %}

with daily as (
    select * from {{ ref('daily_active_users') }} where activity_date <= date '{{ today }}'
),

activity as (
    select
        tenant,
        max(case when daily_active_users > 0 then activity_date end) as last_active_date,
        count_if(daily_active_users > 0 and activity_date > date '{{ today }}' - interval '28' day) as active_days,
        sum(case when activity_date > date '{{ today }}' - interval '14' day then events else 0 end) as events_14d,
        sum(
            case
                when activity_date > date '{{ today }}' - interval '28' day
                    and activity_date <= date '{{ today }}' - interval '14' day then events
                else 0
            end
        ) as events_14d_before
    from daily
    group by tenant
),

breadth as (
    select
        tenant,
        count(distinct feature) as features_used,
        count(distinct user_id) as active_users
    from {{ ref('int_product_activity') }}
    where {{ timestamp_on_days('event_time', recent) }}
    group by tenant
),

payments as (
    select tenant, count(*) as failed_payments
    from {{ ref('stg_billing__payment_failed_v1') }}
    where {{ timestamp_on_days('event_time', recent) }}
    group by tenant
),

revenue as (
    select
        tenant,
        sum(case when month = date_trunc('month', date '{{ today }}') then closing_cents else 0 end) as mrr_cents,
        max(closing_cents) > 0 as has_paid
    from {{ ref('mrr_movements') }}
    group by tenant
),

tenants as (
    select tenant from activity
    union
    select tenant from revenue
),

joined as (
    select
        tenants.tenant,
        activity.last_active_date,
        coalesce(activity.active_days, 0) as active_days,
        coalesce(breadth.active_users, 0) as active_users,
        coalesce(breadth.features_used, 0) as features_used,
        coalesce(activity.events_14d, 0) as events_14d,
        coalesce(activity.events_14d_before, 0) as events_14d_before,
        coalesce(payments.failed_payments, 0) as failed_payments,
        coalesce(revenue.mrr_cents, 0) as mrr_cents,
        coalesce(revenue.has_paid, false) as has_paid
    from tenants
    left join activity on tenants.tenant = activity.tenant
    left join breadth on tenants.tenant = breadth.tenant
    left join payments on tenants.tenant = payments.tenant
    left join revenue on tenants.tenant = revenue.tenant
),

scored as (
    select
        *,
        -- 40 for use on 20 of the last 28 days, a working month
        cast(round(40.0e0 * least(active_days, 20) / 20.0e0) as bigint) as activity_points,
        -- 20 where use holds or grows against the two weeks before
        case
            when events_14d = 0 then 0
            when events_14d_before = 0 then 20
            else cast(round(20.0e0 * least(cast(events_14d as double) / events_14d_before, 1.0e0)) as bigint)
        end as trend_points,
        -- 20 for five features
        cast(round(20.0e0 * least(features_used, 5) / 5.0e0) as bigint) as breadth_points,
        -- 20 without a declined payment, 10 less for each
        greatest(20 - 10 * failed_payments, 0) as payment_points
    from joined
),

health as (
    select
        tenant,
        activity_points + trend_points + breadth_points + payment_points as score,
        case
            when has_paid and mrr_cents = 0 then 'churned'
            when activity_points + trend_points + breadth_points + payment_points >= 70 then 'healthy'
            when activity_points + trend_points + breadth_points + payment_points >= 40 then 'watch'
            else 'at_risk'
        end as status,
        activity_points,
        trend_points,
        breadth_points,
        cast(payment_points as bigint) as payment_points,
        last_active_date,
        active_days,
        active_users,
        features_used,
        failed_payments,
        cast(mrr_cents as bigint) as mrr_cents,
        date '{{ today }}' as as_of
    from scored
)

{{ only_changed('health') }}
