-- Written by `minilab contracts sync` from contracts/product.session_started.v1.json. Do not edit.
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
    {{ payload_varchar('platform') }} as "platform",
    {{ payload_varchar('app_version') }} as "app_version",
    {{ payload_varchar('country') }} as "country"
from {{ ref('stg_events') }}
where stream = 'product'
  and event_type = 'product.session_started.v1'
