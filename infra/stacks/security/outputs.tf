output "trail_arn" {
  description = "ARN of the organization's trail."
  value       = module.trail.arn
}

output "audit_bucket" {
  description = "Bucket of the audit log, in the log archive's account."
  value       = module.log_archive.bucket_name
}

output "audit_topic_arn" {
  description = "Topic of the audit alarms."
  value       = module.alarms.topic_arn
}
