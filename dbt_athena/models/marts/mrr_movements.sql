{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['tenant', 'currency', 'month'],
) }}

{#
  A tenant's monthly recurring revenue (MRR) is the sum over its subscriptions. Each change of a
  subscription moves it, and is named by what it does to the tenant: the first revenue is new, revenue
  after none is a reactivation, none after some is churn, and the rest is expansion or contraction.

  A tenant has a row for every month from its first to the present one. The whole history of a
  subscription decides, so all is computed (billing events are few); only rows that changed are written.
#}
{% set this_month = "date_trunc('month', date '" ~ as_of_day() ~ "')" %}

with changes as (
    select *
    from {{ ref('int_subscription_changes') }}
    where date_trunc('month', cast(effective_at as date)) <= {{ this_month }}
),

deltas as (
    select
        *,
        mrr_cents - coalesce(
            lag(mrr_cents) over (
                partition by tenant, currency, subscription_id
                order by effective_at, change_order, event_source, event_id
            ),
            0
        ) as delta
    from changes
),

running as (
    select
        *,
        sum(delta) over (
            partition by tenant, currency
            order by effective_at, change_order, event_source, event_id
            rows between unbounded preceding and current row
        ) as after_cents
    from deltas
),

compared as (
    select
        *,
        after_cents - delta as before_cents,
        coalesce(
            max(after_cents) over (
                partition by tenant, currency
                order by effective_at, change_order, event_source, event_id
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) > 0 as paid_before
    from running
),

named as (
    select
        tenant,
        currency,
        date_trunc('month', cast(effective_at as date)) as month,
        delta,
        case
            when before_cents = 0 and after_cents > 0 and not paid_before then 'new'
            when before_cents = 0 and after_cents > 0 then 'reactivation'
            when before_cents > 0 and after_cents = 0 then 'churn'
            when delta > 0 then 'expansion'
            when delta < 0 then 'contraction'
        end as movement
    from compared
),

moved as (
    select
        tenant,
        currency,
        month,
        sum(delta) as net_cents,
        sum(case when movement = 'new' then delta else 0 end) as new_cents,
        sum(case when movement = 'expansion' then delta else 0 end) as expansion_cents,
        -sum(case when movement = 'contraction' then delta else 0 end) as contraction_cents,
        -sum(case when movement = 'churn' then delta else 0 end) as churn_cents,
        sum(case when movement = 'reactivation' then delta else 0 end) as reactivation_cents
    from named
    group by tenant, currency, month
),

spans as (
    select
        tenant,
        currency,
        min(month) as first_month,
        date_diff('month', min(month), {{ this_month }}) as months
    from moved
    group by tenant, currency
),

calendar as (
    select
        spans.tenant,
        spans.currency,
        date_add('month', ages.age, spans.first_month) as month
    from spans
    cross join unnest(sequence(0, spans.months)) as ages (age)
),

filled as (
    select
        calendar.tenant,
        calendar.currency,
        calendar.month,
        cast(coalesce(moved.net_cents, 0) as bigint) as net_cents,
        cast(coalesce(moved.new_cents, 0) as bigint) as new_cents,
        cast(coalesce(moved.expansion_cents, 0) as bigint) as expansion_cents,
        cast(coalesce(moved.contraction_cents, 0) as bigint) as contraction_cents,
        cast(coalesce(moved.churn_cents, 0) as bigint) as churn_cents,
        cast(coalesce(moved.reactivation_cents, 0) as bigint) as reactivation_cents
    from calendar
    left join moved
        on calendar.tenant = moved.tenant
        and calendar.currency = moved.currency
        and calendar.month = moved.month
),

closed as (
    select
        *,
        cast(
            sum(net_cents) over (
                partition by tenant, currency
                order by month
                rows between unbounded preceding and current row
            ) as bigint
        ) as closing_cents
    from filled
),

months as (
    select
        month,
        tenant,
        currency,
        closing_cents - net_cents as opening_cents,
        new_cents,
        expansion_cents,
        contraction_cents,
        churn_cents,
        reactivation_cents,
        closing_cents
    from closed
)

{{ only_changed('months') }}
