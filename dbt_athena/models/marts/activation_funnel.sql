{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['cohort_week', 'step'],
) }}

{#
  Each step counts the users of a sign-up week who did it after the step before, within 14 days of
  signing up. A week is computed again when any of its users did something new.
#}
{% set activity = ref('int_product_activity') %}
{% set cohorts = touched_cohorts(activity, this) if is_incremental() else [] %}

with signups as (
    select
        tenant,
        user_id,
        min(event_time) as signed_up_at
    from {{ activity }}
    where {{ is_event('event_type', 'user_signed_up') }}
    group by tenant, user_id
),

cohort as (
    select
        *,
        date_trunc('week', cast(signed_up_at as date)) as cohort_week,
        signed_up_at + interval '14' day as ends_at
    from signups
    {% if is_incremental() %}
    where {{ date_on_days("date_trunc('week', cast(signed_up_at as date))", cohorts) }}
    {% endif %}
),

doings as (
    select
        activity.tenant,
        activity.user_id,
        activity.event_type,
        activity.event_time,
        activity.event_date,
        cohort.signed_up_at
    from {{ activity }} as activity
    inner join cohort
        on activity.tenant = cohort.tenant and activity.user_id = cohort.user_id
    where activity.event_time >= cohort.signed_up_at
      and activity.event_time < cohort.ends_at
      {% if is_incremental() %}
      and {{ timestamp_on_days('activity.event_time', days_around(cohorts, 0, 21)) }}
      {% endif %}
),

started as (
    select tenant, user_id, min(event_time) as reached_at
    from doings
    where {{ is_event('event_type', 'session_started') }}
    group by tenant, user_id
),

used as (
    select doings.tenant, doings.user_id, min(doings.event_time) as reached_at
    from doings
    inner join started on doings.tenant = started.tenant and doings.user_id = started.user_id
    where {{ is_event('doings.event_type', 'feature_used') }}
      and doings.event_time >= started.reached_at
    group by doings.tenant, doings.user_id
),

returned as (
    select doings.tenant, doings.user_id, min(doings.event_time) as reached_at
    from doings
    inner join used on doings.tenant = used.tenant and doings.user_id = used.user_id
    where doings.event_date > cast(used.reached_at as date)
    group by doings.tenant, doings.user_id
),

reached as (
    select tenant, user_id, 1 as step, signed_up_at as reached_at from cohort
    union all
    select tenant, user_id, 2, reached_at from started
    union all
    select tenant, user_id, 3, reached_at from used
    union all
    select tenant, user_id, 4, reached_at from returned
),

steps as (
    select *
    from (
        values (1, 'signed_up'), (2, 'started_session'), (3, 'used_feature'), (4, 'returned')
    ) as steps (step, step_name)
),

cohort_steps as (
    select weeks.cohort_week, steps.step, steps.step_name
    from (
        {% if is_incremental() and cohorts %}
        select * from (
            values {% for day in cohorts %}(date '{{ day }}'){{ ', ' if not loop.last }}{% endfor %}
        ) as touched (cohort_week)
        {% else %}
        select distinct cohort_week from cohort
        {% endif %}
    ) as weeks
    cross join steps
),

counted as (
    select
        cohort.cohort_week,
        reached.step,
        count(*) as users,
        avg(date_diff('second', cohort.signed_up_at, reached.reached_at)) / 3600.0e0 as hours
    from reached
    inner join cohort on reached.tenant = cohort.tenant and reached.user_id = cohort.user_id
    group by cohort.cohort_week, reached.step
),

filled as (
    select
        cohort_steps.cohort_week,
        cohort_steps.step,
        cohort_steps.step_name,
        coalesce(counted.users, 0) as users,
        counted.hours as average_hours_from_signup
    from cohort_steps
    left join counted
        on cohort_steps.cohort_week = counted.cohort_week and cohort_steps.step = counted.step
),

compared as (
    select
        *,
        first_value(users) over (partition by cohort_week order by step) as cohort_users,
        lag(users) over (partition by cohort_week order by step) as previous_users
    from filled
)

select
    cohort_week,
    step,
    step_name,
    users,
    cast(users as double) / nullif(cohort_users, 0) as share_of_cohort,
    cast(users as double) / nullif(coalesce(previous_users, users), 0) as share_of_previous,
    average_hours_from_signup,
    {{ staged_through(activity) }} as staged_through
from compared
