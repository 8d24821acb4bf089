-- Written by `minilab contracts sync` from contracts/billing.subscription_started.v1.json. Do not edit.
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
    {{ payload_varchar('interval') }} as "interval",
    {{ payload_bigint('seats') }} as "seats",
    {{ payload_bigint('mrr_cents') }} as "mrr_cents",
    {{ payload_varchar('currency') }} as "currency",
    {{ payload_timestamp('started_at') }} as "started_at",
    {{ payload_date('trial_ends_on') }} as "trial_ends_on"
from {{ ref('stg_events') }}
where stream = 'billing'
  and event_type = 'billing.subscription_started.v1'
