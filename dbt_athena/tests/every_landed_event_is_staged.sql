{#
  Accepted means stored: every event of the batches that staging took note of last has its row. Older
  batches were checked by the runs before.
#}
{% set batches = ref('stg_landed_batches') %}
{% set newest = column_of(
    "select distinct dt from " ~ batches ~ " where staged_at = (select max(staged_at) from " ~ batches ~ ")"
) %}
select
    landed.stream,
    landed.batch_id,
    count(*) as missing
from {{ source('raw', 'events') }} as landed
inner join {{ batches }} as batches
    on landed.stream = batches.stream
    and landed.batch_id = batches.batch_id
    and batches.staged_at = (select max(staged_at) from {{ batches }})
left join {{ ref('stg_events') }} as staged
    on landed.id = staged.event_id
    and landed.source = staged.event_source
    and {{ same_tenant('landed', 'staged') }}
where staged.event_id is null
  and landed.dt in ({{ text_list(newest or ['']) }})
group by landed.stream, landed.batch_id
