{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['period', 'period_start', 'feature'],
) }}

{# A week or month in which a day was touched is computed again, whole. #}
{% set activity = ref('int_product_activity') %}
{% set touched = touched_days(activity, this) if is_incremental() else [] %}
{% set weeks = period_starts(touched, 'week') %}
{% set months = period_starts(touched, 'month') %}

with in_periods as (
    select
        'week' as period,
        date_trunc('week', event_date) as period_start,
        tenant,
        user_id,
        feature,
        succeeded
    from {{ activity }}
    {% if is_incremental() %}
    where {{ timestamp_on_days('event_time', days_around(weeks, 0, 6)) }}
    {% endif %}
    union all
    select
        'month',
        date_trunc('month', event_date),
        tenant,
        user_id,
        feature,
        succeeded
    from {{ activity }}
    {% if is_incremental() %}
    where {{ timestamp_on_days('event_time', days_around(months, 0, 30)) }}
      and {{ date_on_days("date_trunc('month', event_date)", months) }}
    {% endif %}
),

active as (
    select
        period,
        period_start,
        count(*) as active_users,
        count(distinct tenant) as active_tenants
    from (select distinct period, period_start, tenant, user_id from in_periods)
    group by period, period_start
),

by_user as (
    select
        period,
        period_start,
        feature,
        tenant,
        user_id,
        count(*) as uses,
        count_if(succeeded) as successes
    from in_periods
    where feature is not null
    group by period, period_start, feature, tenant, user_id
),

by_feature as (
    select
        period,
        period_start,
        feature,
        count(*) as users,
        count(distinct tenant) as tenants,
        cast(sum(uses) as bigint) as uses,
        cast(sum(successes) as bigint) as successes
    from by_user
    group by period, period_start, feature
)

select
    by_feature.period,
    by_feature.period_start,
    by_feature.feature,
    by_feature.users,
    by_feature.tenants,
    by_feature.uses,
    cast(by_feature.successes as double) / by_feature.uses as success_rate,
    active.active_users,
    active.active_tenants,
    cast(by_feature.users as double) / active.active_users as user_share,
    cast(by_feature.tenants as double) / active.active_tenants as tenant_share,
    {{ staged_through(activity) }} as staged_through
from by_feature
inner join active
    on by_feature.period = active.period and by_feature.period_start = active.period_start
