{#
  True where the rows `one` and `other` are of one tenant, also where both have none. An event is
  identified by tenant, source and id (docs/decisions/0009), so wherever events are joined or merged by
  source and id, this goes with it.

  Written with '', which no tenant is called: `is not distinct from` in a join loses rows in Trino, when
  dynamic filters leave the nulls out (trinodb/trino, issues 25943 and 26257).
#}
{% macro same_tenant(one, other) -%}
  coalesce({{ one }}.tenant, '') = coalesce({{ other }}.tenant, '')
{%- endmacro %}
