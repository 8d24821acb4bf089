{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['activity_date', 'tenant'],
) }}

{#
  A day of activity counts in its own day and, for the weekly and monthly numbers, in the 6 and 29 days
  after it. So those days are computed again for a day that was touched, from the 30 days before each.
#}
{% set activity = ref('int_product_activity') %}
{% set touched = touched_days(activity, this) if is_incremental() else [] %}

with user_days as (
    select
        tenant,
        user_id,
        event_date,
        count(*) as events
    from {{ activity }}
    {% if is_incremental() %}
    where {{ timestamp_on_days('event_time', days_around(touched, -29, 29)) }}
       or event_time >= (select cast(max(activity_date) as timestamp(6)) - interval '29' day from {{ this }})
    {% endif %}
    group by tenant, user_id, event_date
),

last_day as (
    select max(event_date) as last_date from {{ activity }}
),

-- every user on every day whose last 30 days they were active in
counted as (
    select
        date_add('day', days.age, user_days.event_date) as activity_date,
        user_days.tenant,
        user_days.user_id,
        min(days.age) as youngest,
        sum(case when days.age = 0 then user_days.events else 0 end) as events
    from user_days
    cross join unnest(sequence(0, 29)) as days (age)
    group by 1, 2, 3
)

select
    counted.activity_date,
    counted.tenant,
    count_if(counted.youngest = 0) as daily_active_users,
    count_if(counted.youngest < 7) as weekly_active_users,
    count(*) as monthly_active_users,
    cast(count_if(counted.youngest = 0) as double) / count(*) as stickiness,
    cast(sum(counted.events) as bigint) as events,
    {{ staged_through(activity) }} as staged_through
from counted
cross join last_day
where counted.activity_date <= last_day.last_date
{% if is_incremental() %}
  and (
    {{ date_on_days('counted.activity_date', days_around(touched, 0, 29)) }}
    or counted.activity_date > (select max(activity_date) from {{ this }})
  )
{% endif %}
group by counted.activity_date, counted.tenant
