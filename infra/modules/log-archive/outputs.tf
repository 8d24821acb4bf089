output "bucket_name" {
  description = "Name of the log bucket, once the trail may write to it."
  value       = module.bucket.name
}

output "kms_key_arn" {
  description = "Key that encrypts the log."
  value       = module.key.arn
}
