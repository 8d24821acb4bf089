{# The MRR identity, month after month, and the same total by tenant and by month. #}
with ordered as (
    select
        *,
        lag(closing_cents) over (partition by tenant, currency order by month) as previous_closing_cents,
        lag(month) over (partition by tenant, currency order by month) as previous_month
    from {{ ref('mrr_movements') }}
),

by_month as (
    select month, currency, sum(closing_cents) as closing_cents
    from {{ ref('mrr_movements') }}
    group by month, currency
)

select tenant, month, 'opening and movements do not make closing' as broken
from ordered
where opening_cents + new_cents + expansion_cents - contraction_cents - churn_cents + reactivation_cents
    <> closing_cents
union all
select tenant, month, 'does not open with what the month before closed with'
from ordered
where opening_cents <> coalesce(previous_closing_cents, 0)
   or previous_month <> date_add('month', -1, month)
union all
select tenant, month, 'a number is negative'
from ordered
where least(
    opening_cents, new_cents, expansion_cents, contraction_cents, churn_cents, reactivation_cents, closing_cents
) < 0
union all
select revenue.currency, revenue.month, 'revenue_by_month closes with another sum'
from {{ ref('revenue_by_month') }} as revenue
left join by_month on revenue.month = by_month.month and revenue.currency = by_month.currency
where revenue.closing_mrr_cents <> coalesce(by_month.closing_cents, 0)
