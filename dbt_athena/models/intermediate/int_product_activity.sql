{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['event_source', 'event_id'],
    incremental_predicates=[same_tenant('target', 'src')],
    partitioned_by=['day(event_time)'],
    meta={'merge_days': 'event_time'},
) }}

{#
  Every product event that names a user, narrow and without JSON, so that the marts read little. A new
  product event type joins by itself.
#}
select
    event_source,
    event_id,
    event_type,
    tenant,
    {{ payload_varchar('user_id') }} as user_id,
    {{ payload_varchar('session_id') }} as session_id,
    {{ payload_varchar('feature') }} as feature,
    {{ payload_boolean('succeeded') }} as succeeded,
    event_time,
    cast(event_time as date) as event_date,
    staged_at
from {{ ref('stg_events') }}
where stream = 'product'
  and {{ payload_text('user_id') }} is not null
  {% if is_incremental() %}
  and staged_at > coalesce((select max(staged_at) from {{ this }}), timestamp '1970-01-01 00:00:00')
  {% endif %}
