select status, count(*) as n, array_join(array_agg(cast(order_id as varchar) order by order_id), ',') as ids
from {{ ref('orders_hive') }} group by status
