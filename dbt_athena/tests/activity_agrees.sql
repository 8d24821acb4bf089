{# The marts count the same activity: users by day, tenants by day, and what was staged. #}
with daily as (
    select activity_date, sum(events) as events, sum(daily_active_users) as users
    from {{ ref('daily_active_users') }}
    group by activity_date
),

activity as (
    select event_date, count(*) as events
    from {{ ref('int_product_activity') }}
    group by event_date
)

select activity.event_date as day, 'daily_active_users has not all events' as broken
from activity
left join daily on activity.event_date = daily.activity_date
where activity.events <> coalesce(daily.events, 0)
union all
select tenants.activity_date, 'daily_active_tenants and daily_active_users differ'
from {{ ref('daily_active_tenants') }} as tenants
left join daily on tenants.activity_date = daily.activity_date
where tenants.events <> coalesce(daily.events, 0) or tenants.daily_active_users <> coalesce(daily.users, 0)
