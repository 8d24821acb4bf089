{{ config(materialized='incremental', incremental_strategy='merge', table_type='iceberg',
          unique_key='order_id', partitioned_by=['day(ordered_at)'],
          on_schema_change='append_new_columns') }}
select order_id, customer_id, status, cast(ordered_at as timestamp(6)) as ordered_at, amount,
       row_number() over (partition by customer_id order by ordered_at) as nth_order
       {% if var('wider', false) %}, 'new' as added{% endif %}
from {{ ref('stg_orders') }}
