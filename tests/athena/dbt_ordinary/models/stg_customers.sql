select id as customer_id, first_name, nullif(last_name, '') as last_name,
       cast(signed_up as date) as signed_up
from {{ ref('raw_customers') }}
