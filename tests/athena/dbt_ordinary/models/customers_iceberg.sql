{{ config(materialized='table', table_type='iceberg', format='parquet') }}
select c.customer_id, c.first_name, c.last_name, c.signed_up,
       count(o.order_id) as orders,
       coalesce(sum(o.amount), cast(0 as decimal(10,2))) as spent,
       max(cast(o.ordered_at as timestamp(6))) as last_order_at
from {{ ref('stg_customers') }} c
left join {{ ref('stg_orders') }} o on o.customer_id = c.customer_id
group by 1, 2, 3, 4
