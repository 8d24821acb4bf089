{#
  How a value in an event's JSON payload becomes a typed column. The generated staging models call
  these, so that the meaning of a type is said once.

  Landing has checked the payload against its contract. What still cannot be converted (a leap second,
  an integer beyond 64 bits) becomes null rather than failing every other event; `conforms` counts it.
#}

{% macro payload_text(name) -%}
  json_extract_scalar(data, '$.{{ name }}')
{%- endmacro %}

{% macro payload_varchar(name) -%}
  {{ payload_text(name) }}
{%- endmacro %}

{% macro payload_bigint(name) -%}
  {#- JSON Schema calls 1.0 and 1e3 integers too. -#}
  coalesce(try_cast({{ payload_text(name) }} as bigint), try_cast(try_cast({{ payload_text(name) }} as double) as bigint))
{%- endmacro %}

{% macro payload_double(name) -%}
  try_cast({{ payload_text(name) }} as double)
{%- endmacro %}

{% macro payload_boolean(name) -%}
  try_cast({{ payload_text(name) }} as boolean)
{%- endmacro %}

{% macro payload_timestamp(name) -%}
  {#- RFC 3339 with any offset, as UTC. It allows a lower-case t and z. A cast, unlike the ISO 8601
      functions, keeps microseconds and gives null for what it cannot read. -#}
  cast(try_cast(replace(upper({{ payload_text(name) }}), 'T', ' ') as timestamp(6) with time zone) at time zone 'UTC' as timestamp(6))
{%- endmacro %}

{% macro payload_date(name) -%}
  try_cast({{ payload_text(name) }} as date)
{%- endmacro %}

{% macro payload_json(name) -%}
  json_format(json_extract(data, '$.{{ name }}'))
{%- endmacro %}
