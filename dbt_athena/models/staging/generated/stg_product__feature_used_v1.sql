-- Written by `minilab contracts sync` from contracts/product.feature_used.v1.json. Do not edit.
select
    event_id,
    event_source,
    event_time,
    tenant,
    subject,
    landed_at,
    staged_at,
    {{ payload_varchar('user_id') }} as "user_id",
    {{ payload_varchar('session_id') }} as "session_id",
    {{ payload_varchar('feature') }} as "feature",
    {{ payload_boolean('succeeded') }} as "succeeded",
    {{ payload_bigint('duration_ms') }} as "duration_ms"
from {{ ref('stg_events') }}
where stream = 'product'
  and event_type = 'product.feature_used.v1'
