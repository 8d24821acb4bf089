{{ config(materialized='table', format='parquet', partitioned_by=['order_date']) }}
select order_id, customer_id, status, amount, order_date from {{ ref('stg_orders') }}
