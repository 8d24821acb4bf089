-- Written by `minilab contracts sync` from contracts/billing.subscription_cancelled.v1.json. Do not edit.
select
    event_id,
    event_source,
    event_time,
    tenant,
    subject,
    landed_at,
    staged_at,
    {{ payload_varchar('subscription_id') }} as "subscription_id",
    {{ payload_varchar('plan') }} as "plan",
    {{ payload_bigint('previous_mrr_cents') }} as "previous_mrr_cents",
    {{ payload_varchar('currency') }} as "currency",
    {{ payload_varchar('reason') }} as "reason",
    {{ payload_timestamp('cancelled_at') }} as "cancelled_at"
from {{ ref('stg_events') }}
where stream = 'billing'
  and event_type = 'billing.subscription_cancelled.v1'
