-- Written by `minilab contracts sync` from contracts/product.search_performed.v1.json. Do not edit.
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
    {{ payload_bigint('query_length') }} as "query_length",
    {{ payload_bigint('results') }} as "results",
    {{ payload_bigint('clicked_position') }} as "clicked_position",
    {{ payload_json('filters') }} as "filters"
from {{ ref('stg_events') }}
where stream = 'product'
  and event_type = 'product.search_performed.v1'
