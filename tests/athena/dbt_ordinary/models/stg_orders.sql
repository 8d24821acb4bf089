select id as order_id, customer_id, status, ordered_at, amount,
       cast(date(ordered_at) as varchar) as order_date
from {{ ref('raw_orders') }}
