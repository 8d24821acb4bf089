-- Written by `minilab contracts sync` from contracts/billing.payment_failed.v1.json. Do not edit.
select
    event_id,
    event_source,
    event_time,
    tenant,
    subject,
    landed_at,
    staged_at,
    {{ payload_varchar('invoice_id') }} as "invoice_id",
    {{ payload_varchar('subscription_id') }} as "subscription_id",
    {{ payload_bigint('amount_cents') }} as "amount_cents",
    {{ payload_varchar('currency') }} as "currency",
    {{ payload_bigint('attempt') }} as "attempt",
    {{ payload_varchar('failure_code') }} as "failure_code",
    {{ payload_timestamp('failed_at') }} as "failed_at"
from {{ ref('stg_events') }}
where stream = 'billing'
  and event_type = 'billing.payment_failed.v1'
