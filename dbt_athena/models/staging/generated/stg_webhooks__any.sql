-- Written by `minilab contracts sync` from contracts/streams.yaml. Do not edit.
select
    event_id,
    event_source,
    event_time,
    tenant,
    subject,
    landed_at,
    staged_at,
    event_type,
    data,
    extensions
from {{ ref('stg_events') }}
where stream = 'webhooks'
