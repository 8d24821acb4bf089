{# No step has more users than the one before, and every cohort has all four steps. #}
with compared as (
    select
        cohort_week,
        step,
        users,
        lag(users) over (partition by cohort_week order by step) as previous_users,
        count(*) over (partition by cohort_week) as steps
    from {{ ref('activation_funnel') }}
)

select *
from compared
where users > previous_users or steps <> 4
