-- Written by `minilab contracts sync` from contracts/product.user_signed_up.v1.json. Do not edit.
select
    event_id,
    event_source,
    event_time,
    tenant,
    subject,
    landed_at,
    staged_at,
    {{ payload_varchar('user_id') }} as "user_id",
    {{ payload_varchar('email_domain') }} as "email_domain",
    {{ payload_varchar('signup_method') }} as "signup_method",
    {{ payload_varchar('invited_by') }} as "invited_by"
from {{ ref('stg_events') }}
where stream = 'product'
  and event_type = 'product.user_signed_up.v1'
