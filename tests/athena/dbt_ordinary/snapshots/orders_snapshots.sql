{% snapshot orders_snapshot_hive %}
{{ config(unique_key='order_id', strategy='check', check_cols=['status']) }}
select order_id, status, amount from {{ ref('stg_orders') }}
{% endsnapshot %}

{% snapshot orders_snapshot_iceberg %}
{{ config(unique_key='order_id', strategy='timestamp', updated_at='ordered_at',
          table_type='iceberg') }}
select order_id, status, cast(ordered_at as timestamp(6)) as ordered_at from {{ ref('stg_orders') }}
{% endsnapshot %}
