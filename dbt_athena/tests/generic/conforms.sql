{#
  Several rules about a model in one query, since every test costs one: columns that are never null,
  columns that hold listed values, numbers within bounds, and a grain (columns unique together).
  A row of the result is a broken rule.

  `tolerate_percent`: up to this share of the rows a broken rule only warns. One odd event must not
  stop the events that are right; a rule that breaks for many must.
#}
{% test conforms(model, not_null=[], accepted_values={}, between={}, unique=[]) %}
  {{ config(fail_calc='coalesce(max(percent_broken), 0)') }}
  {%- set rules = [] -%}
  {%- for column in not_null -%}
    {%- do rules.append([column ~ ' is null', '"' ~ column ~ '" is null']) -%}
  {%- endfor -%}
  {%- for column, values in accepted_values.items() -%}
    {%- do rules.append([column ~ ' has a value that is not listed', '"' ~ column ~ '" not in (' ~ text_list(values) ~ ')']) -%}
  {%- endfor -%}
  {%- for column, bounds in between.items() -%}
    {%- do rules.append([column ~ ' is not between ' ~ bounds[0] ~ ' and ' ~ bounds[1], '"' ~ column ~ '" not between ' ~ bounds[0] ~ ' and ' ~ bounds[1]]) -%}
  {%- endfor %}
  select
    rule,
    broken,
    cast(ceil(100.0 * broken / row_count) as bigint) as percent_broken
  from (
    select
      count(*) as row_count
      {%- for name, condition in rules %},
      count_if({{ condition }}) as broken_{{ loop.index }}
      {%- endfor %}
      {%- if unique %},
      count(*) - (select count(*) from (select distinct {{ unique | join(', ') }} from {{ model }})) as repeated
      {%- endif %}
    from {{ model }}
  )
  cross join unnest(
    array[{% for name, _ in rules %}{{ text_literal(name) }}{{ ', ' if not loop.last or unique }}{% endfor %}{% if unique %}{{ text_literal(unique | join(', ') ~ ' is not unique') }}{% endif %}],
    array[{% for _ in rules %}broken_{{ loop.index }}{{ ', ' if not loop.last or unique }}{% endfor %}{% if unique %}repeated{% endif %}]
  ) as rules (rule, broken)
  where broken > 0
{% endtest %}
