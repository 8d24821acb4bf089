select * from {{ ref('orders_hive') }} where amount < 0
