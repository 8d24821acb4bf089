output "name" {
  description = "Name of the bucket, once its policy and encryption are in place."
  value       = aws_s3_bucket.this.bucket

  # Whoever writes to the bucket must find all of it.
  depends_on = [
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_object_lock_configuration.this,
  ]
}

output "arn" {
  description = "ARN of the bucket."
  value       = local.arn
}
