{{ config(materialized='incremental', incremental_strategy='insert_overwrite',
          partitioned_by=['order_date']) }}
select count(*) as orders, sum(amount) as amount, order_date
from {{ ref('stg_orders') }}
{% if is_incremental() %}
where order_date >= (select max(order_date) from {{ this }})
{% endif %}
group by order_date
