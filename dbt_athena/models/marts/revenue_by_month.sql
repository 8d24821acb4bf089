{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['month', 'currency'],
) }}

{# Small enough to be computed whole; only months that changed are written. #}
with recurring as (
    select
        month,
        currency,
        sum(opening_cents) as opening_mrr_cents,
        sum(new_cents) as new_mrr_cents,
        sum(expansion_cents) as expansion_mrr_cents,
        sum(contraction_cents) as contraction_mrr_cents,
        sum(churn_cents) as churned_mrr_cents,
        sum(reactivation_cents) as reactivated_mrr_cents,
        sum(closing_cents) as closing_mrr_cents,
        count_if(opening_cents > 0) as opening_tenants,
        count_if(closing_cents > 0) as paying_tenants,
        count_if(new_cents > 0) as new_tenants,
        count_if(opening_cents > 0 and closing_cents = 0) as churned_tenants,
        sum(case when opening_cents > closing_cents then opening_cents - closing_cents else 0 end) as lost_cents,
        sum(case when opening_cents > 0 then closing_cents else 0 end) as retained_cents
    from {{ ref('mrr_movements') }}
    group by month, currency
),

paid as (
    select
        date_trunc('month', cast(coalesce(paid_at, event_time) as date)) as month,
        currency,
        count(*) as invoices_paid,
        sum(amount_cents) as paid_cents,
        sum(coalesce(tax_cents, 0)) as tax_cents
    from {{ ref('stg_billing__invoice_paid_v1') }}
    group by 1, 2
),

declined as (
    select
        date_trunc('month', cast(coalesce(failed_at, event_time) as date)) as month,
        currency,
        count(*) as payments_failed
    from {{ ref('stg_billing__payment_failed_v1') }}
    group by 1, 2
),

keys as (
    select month, currency from recurring
    union
    select month, currency from paid
    union
    select month, currency from declined
),

months as (
    select
        keys.month,
        keys.currency,
        cast(coalesce(recurring.opening_mrr_cents, 0) as bigint) as opening_mrr_cents,
        cast(coalesce(recurring.new_mrr_cents, 0) as bigint) as new_mrr_cents,
        cast(coalesce(recurring.expansion_mrr_cents, 0) as bigint) as expansion_mrr_cents,
        cast(coalesce(recurring.contraction_mrr_cents, 0) as bigint) as contraction_mrr_cents,
        cast(coalesce(recurring.churned_mrr_cents, 0) as bigint) as churned_mrr_cents,
        cast(coalesce(recurring.reactivated_mrr_cents, 0) as bigint) as reactivated_mrr_cents,
        cast(coalesce(recurring.closing_mrr_cents, 0) as bigint) as closing_mrr_cents,
        coalesce(recurring.paying_tenants, 0) as paying_tenants,
        coalesce(recurring.new_tenants, 0) as new_tenants,
        coalesce(recurring.churned_tenants, 0) as churned_tenants,
        cast(recurring.lost_cents as double) / nullif(recurring.opening_mrr_cents, 0) as gross_mrr_churn_rate,
        cast(recurring.retained_cents as double) / nullif(recurring.opening_mrr_cents, 0) as net_revenue_retention,
        cast(recurring.churned_tenants as double) / nullif(recurring.opening_tenants, 0) as tenant_churn_rate,
        cast(recurring.closing_mrr_cents as double) / nullif(recurring.paying_tenants, 0) as mrr_cents_per_tenant,
        coalesce(paid.invoices_paid, 0) as invoices_paid,
        cast(coalesce(paid.paid_cents, 0) as bigint) as paid_cents,
        cast(coalesce(paid.tax_cents, 0) as bigint) as tax_cents,
        coalesce(declined.payments_failed, 0) as payments_failed
    from keys
    left join recurring on keys.month = recurring.month and keys.currency = recurring.currency
    left join paid on keys.month = paid.month and keys.currency = paid.currency
    left join declined on keys.month = declined.month and keys.currency = declined.currency
    where keys.month is not null and keys.currency is not null
)

{{ only_changed('months') }}
