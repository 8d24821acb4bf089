-- Written by `minilab contracts sync` from contracts/billing.subscription_changed.v1.json. Do not edit.
select
    event_id,
    event_source,
    event_time,
    tenant,
    subject,
    landed_at,
    staged_at,
    {{ payload_varchar('subscription_id') }} as "subscription_id",
    {{ payload_varchar('previous_plan') }} as "previous_plan",
    {{ payload_varchar('plan') }} as "plan",
    {{ payload_bigint('previous_mrr_cents') }} as "previous_mrr_cents",
    {{ payload_bigint('mrr_cents') }} as "mrr_cents",
    {{ payload_bigint('seats') }} as "seats",
    {{ payload_varchar('currency') }} as "currency",
    {{ payload_timestamp('changed_at') }} as "changed_at"
from {{ ref('stg_events') }}
where stream = 'billing'
  and event_type = 'billing.subscription_changed.v1'
