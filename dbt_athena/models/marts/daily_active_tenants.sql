{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='activity_date',
) }}

{# Small enough to be computed whole from daily_active_users; only days that changed are written. #}
with first_days as (
    select tenant, min(activity_date) as first_date
    from {{ ref('daily_active_users') }}
    where daily_active_users > 0
    group by tenant
),

days as (
    select
        daily.activity_date,
        count_if(daily.daily_active_users > 0) as daily_active_tenants,
        count_if(daily.weekly_active_users > 0) as weekly_active_tenants,
        count(*) as monthly_active_tenants,
        count_if(daily.activity_date = first_days.first_date) as new_tenants,
        cast(sum(daily.daily_active_users) as bigint) as daily_active_users,
        cast(sum(daily.monthly_active_users) as bigint) as monthly_active_users,
        cast(sum(daily.events) as bigint) as events
    from {{ ref('daily_active_users') }} as daily
    inner join first_days on daily.tenant = first_days.tenant
    group by daily.activity_date
)

{{ only_changed('days') }}
