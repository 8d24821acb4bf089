-- Written by `minilab contracts sync` from contracts/billing.invoice_paid.v1.json. Do not edit.
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
    {{ payload_bigint('tax_cents') }} as "tax_cents",
    {{ payload_varchar('currency') }} as "currency",
    {{ payload_date('period_start') }} as "period_start",
    {{ payload_date('period_end') }} as "period_end",
    {{ payload_timestamp('paid_at') }} as "paid_at"
from {{ ref('stg_events') }}
where stream = 'billing'
  and event_type = 'billing.invoice_paid.v1'
